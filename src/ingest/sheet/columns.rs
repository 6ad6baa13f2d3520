//! The columns of the three forms: responsible persons, points, duty rotas. The one table of titles that is read by
//! and written from.

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
    /// 点位类型, such as 滑坡.
    Category,
    Downstream,
    /// A day of a rota, or several.
    Date,
    Shift,
    Starts,
    Ends,
    /// The office a rota is of.
    Unit,
    /// 值班 or 带班, where a row is one person.
    Seat,
    Leader,
    LeaderPhone,
    Officer,
    OfficerPhone,
}

/// What a sheet is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    People,
    Points,
    Rotas,
}
impl Form {
    pub const ALL: [Form; 3] = [Form::People, Form::Points, Form::Rotas];
    /// The name of its sheet in a workbook.
    pub fn name_zh(self) -> &'static str {
        match self {
            Form::People => "责任人",
            Form::Points => "点位",
            Form::Rotas => "值班表",
        }
    }
    /// The word of the API and the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Form::People => "people",
            Form::Points => "points",
            Form::Rotas => "rotas",
        }
    }
    /// Its columns, in the order they are written.
    pub fn columns(self) -> &'static [Title] {
        match self {
            Form::People => COLUMNS,
            Form::Points => POINT_COLUMNS,
            Form::Rotas => ROTA_COLUMNS,
        }
    }
}

/// A column, its title when written, other titles it is known by. Titles are compared after [`normal_title`].
pub type Title = (Column, &'static str, &'static [&'static str]);

/// Of the sheet of responsible persons.
pub const COLUMNS: &[Title] = &[
    (Column::Serial, "序号", &["no", "排序"]),
    (
        Column::Division,
        "行政区划代码",
        &["区划代码", "行政区划编码", "行政区划", "区划编码", "12位行政区划编码", "地区编码", "统计用区划代码"],
    ),
    (Column::County, "县", &["县区", "区县", "县(区)", "县名称", "所属县", "县市区", "区", "县级"]),
    (Column::Township, "乡镇", &["乡", "镇", "乡镇街道", "乡镇名称", "所属乡镇", "街道", "镇街", "乡级"]),
    (Column::Village, "村", &["行政村", "村社区", "村居", "村名称", "所属村", "社区", "村级"]),
    (Column::Name, "姓名", &["责任人", "责任人姓名", "联系人", "名字", "a角", "a角姓名"]),
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
    (
        Column::Deputy,
        "AB角/代理人",
        &["ab角", "b角", "代理人", "ab岗", "b岗", "代理人姓名", "ab角代理人", "b角姓名", "ab角姓名", "b角责任人"],
    ),
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

const DIVISION_TITLES: &[&str] = &["区划代码", "行政区划编码", "行政区划", "区划编码", "12位行政区划编码", "地区编码", "统计用区划代码"];
const COUNTY_TITLES: &[&str] = &["县区", "区县", "县(区)", "县名称", "所属县", "县市区", "区", "县级"];
const TOWNSHIP_TITLES: &[&str] = &["乡", "镇", "乡镇街道", "乡镇名称", "所属乡镇", "街道", "镇街", "乡级"];

/// Of the sheet of points.
pub const POINT_COLUMNS: &[Title] = &[
    (Column::Serial, "序号", &["no", "排序"]),
    (
        Column::ObjectCode,
        "点位编号",
        &[
            "编号",
            "编码",
            "点位编码",
            "对象编号",
            "责任对象编号",
            "隐患点编号",
            "监测点编号",
            "风险区编号",
            "水库编号",
            "水库编码",
            "统一编号",
            "火险点编号",
        ],
    ),
    (
        Column::ObjectName,
        "点位名称",
        &[
            "名称",
            "对象名称",
            "责任对象名称",
            "隐患点名称",
            "监测点名称",
            "风险区名称",
            "水库名称",
            "淤地坝名称",
            "山洪沟名称",
            "沟道名称",
            "堤防名称",
            "火险点名称",
        ],
    ),
    (Column::Role, "点位类别", &["类别", "责任类别", "大类"]),
    (Column::Category, "点位类型", &["类型", "灾害类型", "灾种", "规模", "水库规模", "工程规模"]),
    (Column::Division, "行政区划代码", DIVISION_TITLES),
    (Column::County, "县", COUNTY_TITLES),
    (Column::Township, "乡镇", TOWNSHIP_TITLES),
    (Column::Village, "村", &["行政村", "村社区", "村居", "村名称", "所属村", "社区", "村级", "所在村"]),
    (Column::Longitude, "经度", &["东经", "lon", "longitude", "x"]),
    (Column::Latitude, "纬度", &["北纬", "lat", "latitude", "y"]),
    (Column::Downstream, "下游", &["下游地点", "下游村", "下游村庄", "下游影响村", "影响村", "威胁村庄", "下游对象", "下游点位"]),
    (Column::Households, "关联户数", &["户数", "总户数", "涉及户数", "影响户数", "威胁户数"]),
    (Column::People, "关联人数", &["人数", "总人口", "涉及人数", "影响人数", "威胁人数", "威胁人口"]),
    (Column::Note, "备注", &["说明", "备注说明"]),
];

/// Of the duty rota. A telephone column belongs to the person whose column stands before it.
pub const ROTA_COLUMNS: &[Title] = &[
    (Column::Serial, "序号", &["no", "排序", "星期", "周", "周次"]),
    (Column::Division, "行政区划代码", DIVISION_TITLES),
    (Column::County, "县", COUNTY_TITLES),
    (Column::Township, "乡镇", TOWNSHIP_TITLES),
    (Column::Unit, "值班单位", &["单位", "值班室", "值班地点", "部门", "单位名称"]),
    (Column::Date, "日期", &["值班日期", "值班时间", "时间"]),
    (Column::Shift, "班次", &["班别", "时段", "值班时段", "值班班次"]),
    (Column::Starts, "开始时间", &["开始", "起", "上班时间", "起始时间"]),
    (Column::Ends, "结束时间", &["结束", "止", "下班时间", "截止时间"]),
    (Column::Seat, "岗位", &["值班岗位", "责任类别"]),
    (Column::Name, "姓名", &["名字"]),
    (Column::Phone1, "手机", &["电话", "联系电话", "手机号", "手机号码", "联系方式", "手机1", "电话号码", "移动电话"]),
    (Column::Leader, "带班领导", &["带班", "带班人", "带班人员", "带班负责人", "值班领导", "带班领导姓名"]),
    (Column::LeaderPhone, "带班电话", &["带班领导电话", "带班领导手机", "带班手机"]),
    (Column::Officer, "值班员", &["值班人员", "值班人", "值班干部", "主班", "副班", "主班人员", "副班人员", "值班员姓名"]),
    (Column::OfficerPhone, "值班员电话", &["值班人员电话", "值班员手机", "值班人员手机", "值班手机"]),
    (Column::DutyPhone, "值班电话", &["24小时值班电话", "值班室电话", "值守电话"]),
    (Column::Note, "备注", &["说明"]),
];

impl Column {
    /// The title it is written under, in the first form that has it.
    pub fn title(self) -> &'static str {
        let all = Form::ALL.into_iter().flat_map(Form::columns);
        all.into_iter().find(|(c, _, _)| *c == self).map_or("", |(_, title, _)| title)
    }

    /// The title it is written under in a form.
    pub fn title_in(self, form: Form) -> &'static str {
        form.columns().iter().find(|(c, _, _)| *c == self).map_or_else(|| self.title(), |(_, title, _)| title)
    }

    /// Where to point a clerk to in a sheet without this column: what says the same in its stead, the likeliest first.
    pub(super) fn instead(self) -> &'static [Column] {
        match self {
            Column::Division => &[Column::Village, Column::Township, Column::County],
            Column::County | Column::Township | Column::Village => &[Column::Division],
            Column::Unit => &[Column::Township, Column::County, Column::Date, Column::Starts],
            Column::Phone1 => &[Column::Phone2, Column::DutyPhone, Column::Name],
            Column::Role => &[Column::Category],
            Column::ObjectCode => &[Column::ObjectName, Column::Tier],
            Column::DeputyPhone => &[Column::Deputy],
            _ => &[],
        }
    }

    /// The column a header cell of a form names; `None` for a title nobody taught us.
    pub fn from_title(form: Form, text: &str) -> Option<Column> {
        // Asked once a row, to find headers repeated on printed pages.
        static KNOWN: LazyLock<HashMap<(Form, String), Column>> = LazyLock::new(|| {
            let of = |form: Form| {
                form.columns()
                    .iter()
                    .flat_map(move |(c, own, others)| others.iter().chain([own]).map(move |t| ((form, normal_title(t)), *c)))
            };
            Form::ALL.into_iter().flat_map(of).collect()
        });
        KNOWN.get(&(form, normal_title(text))).copied()
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
    fn a_title_means_one_column_only_of_its_form() {
        for form in Form::ALL {
            let mut seen: HashMap<String, Column> = HashMap::new();
            for (column, title, others) in form.columns() {
                for t in others.iter().chain([title]) {
                    assert_eq!(Column::from_title(form, t), Some(*column), "{t}");
                    assert!(seen.insert(normal_title(t), *column).is_none_or(|c| c == *column), "{t} stands twice");
                }
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
            assert_eq!(Column::from_title(Form::People, text), Some(column), "{text}");
        }
        assert_eq!(Column::from_title(Form::People, "血型"), None);
        assert_eq!(Column::from_title(Form::People, "（备用）"), None);
    }
}
