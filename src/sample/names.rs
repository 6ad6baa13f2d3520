//! What invented persons, valleys and routes are called.

use super::rng::Rng;

const SURNAMES: &str = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文牛关樊原申";
const GIVEN: &str = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂文辉玲红建国华梅兰英海山林峰云龙凤春夏秋冬晓东南西北中志新宝贵福庆祥瑞安康宁永长青松柏岩石河江波浪晨光亮星月阳雪雨雷俊才德义仁礼信忠孝廉勤俭朴实诚";
/// Valleys and slopes.
pub(super) const HOLLOWS: &[&str] = &[
    "后沟",
    "南坡",
    "阳沟",
    "东崖",
    "西梁",
    "石门沟",
    "小河沟",
    "老窑沟",
    "柳树沟",
    "石坡",
    "前崖",
    "北沟",
    "桃园沟",
    "黑龙沟",
    "干河沟",
    "寨沟",
];
/// Ways out.
pub(super) const ROUTES: &[&str] = &["沿村道向北上高坡", "沿东侧便道至公路", "沿主街向西至高台", "沿后山便道上行", "沿河堤反向撤至公路"];
/// Where people gather.
pub(super) const SHELTERS: &[&str] = &["小学操场", "文化活动中心", "村委会大院", "党群服务中心", "卫生室院内"];

fn one(from: &str, rng: &mut Rng) -> char {
    let count = from.chars().count();
    from.chars().nth(rng.below(count)).unwrap_or('王')
}

/// A name of two or three characters.
pub(super) fn person(rng: &mut Rng) -> String {
    let mut name = String::new();
    name.push(one(SURNAMES, rng));
    name.push(one(GIVEN, rng));
    if !rng.one_in(5) {
        name.push(one(GIVEN, rng));
    }
    name
}
