//! The columns of the sheet of responsible persons: the one table of titles that is read by and
//! written from.

use std::{collections::HashMap, sync::LazyLock};

/// A column that the import understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    Serial,
    Division,
    County,
    Township,
    Village,
    Name,
    Title,
    Role,
    Tier,
    ObjectCode,
    ObjectName,
    Phone1,
    Phone2,
    DutyPhone,
    Im,
    Email,
    Superior,
    Deputy,
    DeputyPhone,
    Households,
    People,
    Route,
    Shelter,
    ValidFrom,
    ValidTo,
    Note,
    Longitude,
    Latitude,
}

/// (column, its title when written, other titles it is known by). Titles are compared after
/// [`normal_title`].
pub const COLUMNS: &[(Column, &str, &[&str])] = &[
    (Column::Serial, "序号", &["no", "排序"]),
    (
        Column::Division,
        "行政区划代码",
        &["区划代码", "行政区划编码", "行政区划", "区划编码", "12位行政区划编码", "地区编码", "统计用区划代码"],
    ),
    (Column::County, "县", &["县区", "区县", "县(区)", "县名称", "所属县", "县市区", "区", "县级"]),
    (Column::Township, "乡镇", &["乡", "镇", "乡镇街道", "乡镇名称", "所属乡镇", "街道", "镇街", "乡级"]),
    (Column::Village, "村", &["行政村", "村社区", "村居", "村名称", "所属村", "社区", "村级"]),
    (Column::Name, "姓名", &["责任人", "责任人姓名", "联系人", "名字"]),
    (Column::Title, "职务", &["岗位", "职务岗位", "职位", "担任职务", "单位职务", "单位及职务"]),
    (Column::Role, "责任类别", &["类别", "责任类型", "责任领域", "责任种类"]),
    (Column::Tier, "责任层级", &["层级", "级别", "责任级别"]),
    (Column::ObjectCode, "责任对象编号", &["对象编号", "点位编号", "隐患点编号", "监测点编号", "水库编号", "统一编号"]),
    (Column::ObjectName, "责任对象名称", &["责任对象", "对象名称", "点位名称", "隐患点名称", "监测点名称", "水库名称"]),
    (
        Column::Phone1,
        "手机1",
        &[
            "手机",
            "手机号",
            "手机号码",
            "电话",
            "联系电话",
            "联系方式",
            "电话号码",
            "责任人电话",
            "手机号1",
            "手机一",
            "移动电话",
            "联系电话1",
        ],
    ),
    (Column::Phone2, "手机2", &["备用手机", "备用电话", "手机号2", "手机二", "电话2", "第二号码", "联系电话2"]),
    (Column::DutyPhone, "值班电话", &["24小时值班电话", "值守电话", "值班室电话", "办公电话", "座机", "固定电话"]),
    (Column::Im, "短号/政务IM号", &["短号", "政务im号", "im", "im号", "政务im", "粤政易", "政务钉钉", "短号政务im号"]),
    (Column::Email, "邮箱", &["电子邮箱", "email", "e-mail", "邮件", "电子邮件"]),
    (Column::Superior, "上级责任人", &["上级", "上级责任人姓名"]),
    (Column::Deputy, "AB角/代理人", &["ab角", "b角", "代理人", "ab岗", "b岗", "代理人姓名", "ab角代理人"]),
    (Column::DeputyPhone, "代理人手机", &["代理人电话", "b角手机", "b角电话", "代理人手机号", "ab角手机"]),
    (Column::Households, "关联户数", &["户数", "总户数", "涉及户数", "影响户数"]),
    (Column::People, "关联人数", &["人数", "总人口", "涉及人数", "影响人数"]),
    (Column::Route, "转移路线", &["撤离路线", "转移路径"]),
    (Column::Shelter, "安置点", &["安置地点", "避险点", "避灾点", "安置场所", "避灾场所"]),
    (Column::ValidFrom, "生效日期", &["生效时间", "任职日期", "启用日期"]),
    (Column::ValidTo, "失效日期", &["失效时间", "离任日期", "截止日期"]),
    (Column::Note, "备注", &["说明", "备注说明"]),
    (Column::Longitude, "经度", &["对象经度", "东经", "lon", "longitude"]),
    (Column::Latitude, "纬度", &["对象纬度", "北纬", "lat", "latitude"]),
];

impl Column {
    /// The title it is written under.
    pub fn title(self) -> &'static str {
        COLUMNS.iter().find(|(c, _, _)| *c == self).map_or("", |(_, title, _)| title)
    }

    /// The column a header cell names; `None` for a title nobody taught us.
    pub fn from_title(text: &str) -> Option<Column> {
        // Asked once a row, to find headers repeated on printed pages.
        static KNOWN: LazyLock<HashMap<String, Column>> = LazyLock::new(|| {
            let titles = COLUMNS.iter().flat_map(|(c, own, others)| others.iter().chain([own]).map(move |t| (normal_title(t), *c)));
            titles.collect()
        });
        KNOWN.get(&normal_title(text)).copied()
    }
}

/// A title without what clerks decorate it with: spaces, line breaks, `*`, `/`, `:`, anything in
/// parentheses; half-width and lower case. `责任类别*（防汛/山洪…）` is `责任类别`.
pub fn normal_title(text: &str) -> String {
    let mut depth = 0u32;
    let mut out = String::new();
    for c in text.chars().map(super::cell::half_width) {
        match c {
            '(' | '【' | '[' => depth += 1,
            ')' | '】' | ']' => depth = depth.saturating_sub(1),
            _ if depth > 0 || c.is_whitespace() || matches!(c, '*' | '/' | ':' | '、' | '.' | '\u{feff}') => {}
            _ => out.extend(c.to_lowercase()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_means_one_column_only() {
        let mut all: Vec<String> = COLUMNS.iter().flat_map(|(_, t, o)| o.iter().chain([t])).map(|t| normal_title(t)).collect();
        all.sort();
        let mut columns: Vec<(String, Column)> = all.iter().map(|t| (t.clone(), Column::from_title(t).unwrap())).collect();
        columns.dedup();
        let mut titles: Vec<&String> = columns.iter().map(|(t, _)| t).collect();
        titles.dedup();
        assert_eq!(titles.len(), columns.len());
        for (column, title, others) in COLUMNS {
            for t in others.iter().chain([title]) {
                assert_eq!(Column::from_title(t), Some(*column), "{t}");
            }
        }
    }

    #[test]
    fn decorated_titles_are_read() {
        for (text, column) in [
            ("序号*", Column::Serial),
            ("行政区划代码(12位)*", Column::Division),
            ("责任类别*（防汛/山洪/地灾…）", Column::Role),
            ("责 任\n层 级", Column::Tier),
            ("上级责任人(姓名或编号)", Column::Superior),
            ("AB角/代理人", Column::Deputy),
            ("短号/政务IM号", Column::Im),
            ("手机１", Column::Phone1),
            ("电　话：", Column::Phone1),
        ] {
            assert_eq!(Column::from_title(text), Some(column), "{text}");
        }
        assert_eq!(Column::from_title("血型"), None);
        assert_eq!(Column::from_title("（备用）"), None);
    }
}
