//! Rows of the sheet of points: hazard points and risk areas, reservoirs and check dams, valleys, embankments, fire points;
//! where they are, and what lies downstream.

use super::{
    Column, Form, ImportMode, ImportOptions, SheetFault, cell,
    merge::stays,
    objects,
    places::{Names, Places},
    rows::{Reader, SheetRows},
    same::{Fit, too_high},
    siting::{Village, carried_down},
};
use crate::core::{
    directory::{Directory, Point, Role},
    division::{Division, DivisionLevel},
};
use std::collections::{BTreeMap, BTreeSet};

/// A row that was understood, downstream still in words.
#[derive(Clone, Debug, PartialEq)]
pub struct PointRow {
    /// Index of the sheet, number of the row.
    pub at: (usize, u32),
    pub code: String,
    /// Empty where the row has none.
    pub name: String,
    /// The role key of who answers for it.
    pub kind: String,
    pub category: String,
    pub division: Division,
    pub village: Village,
    pub position: Option<[f64; 2]>,
    /// Codes, 12 digits or names, as written.
    pub downstream: Vec<String>,
    pub households: u32,
    pub people: u32,
    pub note: String,
}

/// What a 点位类型 is: the first whose word stands in the text.
const CATEGORIES: &[(&str, &[&str])] = &[
    ("reservoir", &["水库", "淤地坝", "塘坝", "大坝", "大(", "中型", "小("]),
    ("flash_flood", &["山洪", "沟道", "山洪沟", "小流域", "流域", "河谷", "沟谷"]),
    ("geological", &["滑坡", "崩塌", "泥石流", "塌陷", "地裂缝", "沉降", "斜坡", "隐患点", "风险区", "地灾", "地质"]),
    ("embankment", &["堤", "水闸", "穿堤"]),
    ("forest_fire", &["火", "林", "瞭望", "卡口"]),
];

pub(super) fn read(r: &mut Reader<'_>, sheet: usize, carried: &mut Names) -> Option<PointRow> {
    let before = r.faults.len();
    let (code, name) = (cell::word(r.sheet.text(r.row, Column::ObjectCode)), r.text(Column::ObjectName));
    if Column::from_title(Form::Points, &code) == Some(Column::ObjectCode) {
        return None; // the header again, at the top of a printed page
    }
    let code = r.object_code();
    let written = r.names(carried);
    if code.is_empty() && name.is_empty() {
        r.say(Column::ObjectCode, "此行没有点位编号和名称，已跳过", false);
        return None;
    }
    if code.is_empty() && r.faults.len() == before {
        r.say(Column::ObjectCode, format!("“{name}”没有点位编号；请填写编号，责任人表用它来对应"), true);
    }
    if code.contains(['?', '#', '%', '&']) {
        r.say(Column::ObjectCode, format!("点位编号“{code}”含有 ? # % & 等符号；请去掉"), true);
    }
    let (kind_text, category) = (cell::word(&r.text(Column::Role)), r.text(Column::Category));
    let kind = kind_of(r, &kind_text, &cell::word(&category));
    if kind.is_none() {
        let message = if kind_text.is_empty() && category.is_empty() {
            "没有点位类别；请填写：地灾、山洪、水库、堤防、森防等".to_string()
        } else {
            format!("不认识的点位类别“{kind_text}{category}”；请填写：地灾、山洪、水库、堤防、森防等")
        };
        r.say(if kind_text.is_empty() { Column::Category } else { Column::Role }, message, true);
    }
    let code_text = cell::word(&r.text(Column::Division));
    let (division, village) = if code_text.is_empty() {
        r.object_by_names(&written, carried)
    } else {
        if written.village.is_empty() {
            carried.village.clear();
        }
        let found = r.code(&code_text).and_then(|c| r.places.check(c, &written).map(|()| c));
        (found.map_err(|m| (Column::Division, m)), Village::Written)
    };
    let division = match division {
        Ok(d) => Some(d),
        Err((column, message)) => {
            r.say(column, message, true);
            None
        }
    };
    let row = PointRow {
        at: (sheet, r.row.number),
        name,
        code,
        kind: kind.map(|k| k.0).unwrap_or_default(),
        category,
        position: r.position(),
        downstream: cell::list(&r.text(Column::Downstream)),
        households: r.count(Column::Households),
        people: r.count(Column::People),
        note: r.text(Column::Note),
        division: division.unwrap_or_default(),
        village,
    };
    let clean = !r.faults.iter().skip(before).any(|f| f.fatal);
    clean.then_some(row)
}

fn kind_of(r: &Reader<'_>, kind: &str, category: &str) -> Option<Role> {
    let by_words = |text: &str| CATEGORIES.iter().find(|(_, words)| words.iter().any(|w| text.contains(w))).map(|(k, _)| Role::new(k));
    r.words.role(kind).filter(|k| !k.is_desk()).or_else(|| by_words(kind)).or_else(|| by_words(category))
}

/// The points in force, with what the file says of them: its sheet of points first, which is the truth about each point it
/// has; then the rows of persons, which may name points that no sheet of points has. `persons`: how the file's persons are
/// applied.
pub(super) fn merge(
    current: &Directory,
    rows: &SheetRows,
    places: &Places<'_>,
    options: &ImportOptions,
    persons: &ImportOptions,
    faults: &mut Vec<SheetFault>,
) -> BTreeMap<String, Point> {
    let held: BTreeSet<&str> = current.posts.iter().filter(|p| stays(p, persons)).filter_map(|p| p.place.point.as_deref()).collect();
    let whole = options.mode == ImportMode::Replace;
    let mut points = current.points.clone();
    let mut given: BTreeMap<&str, u32> = BTreeMap::new();
    for row in &rows.points {
        if let Some(first) = given.insert(&row.code, row.at.1) {
            let message = format!("点位编号 {} 与第 {first} 行重复；请改正", row.code);
            faults.push(rows.fault_at(row.at, Column::ObjectCode, message, true));
            continue;
        }
        // A list that is the whole truth, persons and all, may number anew: nobody who stays answers for the old one.
        let known = current.points.get(&row.code).filter(|known| {
            !whole || held.contains(row.code.as_str()) || options.within.is_some_and(|area| !area.contains(known.division))
        });
        let before = current.points.get(&row.code).map(|p| p.division);
        let Some(division) = site(row, known, before, rows, places, options, faults) else { continue };
        let point = points.entry(row.code.clone()).or_insert_with(|| Point::new(&row.code, "", &row.kind, division));
        point.kind.clone_from(&row.kind);
        point.division = division;
        if whole || !row.name.is_empty() {
            point.name.clone_from(&row.name);
        }
        if point.name.is_empty() {
            point.name.clone_from(&row.code);
        }
        if whole || !row.category.is_empty() {
            point.category.clone_from(&row.category);
        }
        if whole || row.position.is_some() {
            point.position = row.position;
        }
        if whole || row.households > 0 {
            point.households = row.households;
        }
        if whole || row.people > 0 {
            point.people = row.people;
        }
        if whole || !row.note.is_empty() {
            point.note.clone_from(&row.note);
        }
        if whole {
            point.downstream.clear();
        }
    }
    objects::merge(current, rows, &given.keys().copied().collect(), places, options, &mut points, faults);
    for row in rows.points.iter().filter(|r| !r.downstream.is_empty()) {
        let mut below = Vec::new();
        for text in &row.downstream {
            match place_id(text, row, &points, places) {
                Ok(id) if id == row.code => {
                    faults.push(rows.fault_at(row.at, Column::Downstream, "下游写的是本点位；请改正", true));
                }
                Ok(id) if below.contains(&id) => {}
                Ok(id) => below.push(id),
                Err(message) => faults.push(rows.fault_at(row.at, Column::Downstream, message, true)),
            }
        }
        if let Some(point) = points.get_mut(&row.code) {
            point.downstream = below;
        }
    }
    points
}

/// Where a row's point lies from now on; `None`: refused. Whoever answers for a known point goes where it goes, so it goes
/// nowhere silently, and not at all where the row may mean another one. `before`: where the code's point lies, be it the same
/// or another.
fn site(
    row: &PointRow,
    known: Option<&Point>,
    before: Option<Division>,
    rows: &SheetRows,
    places: &Places<'_>,
    options: &ImportOptions,
    faults: &mut Vec<SheetFault>,
) -> Option<Division> {
    let mut say = |column: Column, message: String, fatal: bool| faults.push(rows.fault_at(row.at, column, message, fatal));
    let Some(known) = known else {
        if row.village == Village::Above {
            say(Column::Division, carried_down(&places.full_name(row.division)), false);
        } else if let (Some((message, fatal)), true) = (too_high(&row.code, row.division, places), before != Some(row.division)) {
            say(Column::Division, message, fatal);
        }
        return Some(row.division);
    };
    if options.within.is_some_and(|area| !area.contains(known.division)) {
        let message = format!("点位 {} 登记在“{}”，不在本次导入的范围内；请移出此行", row.code, places.full_name(known.division));
        say(Column::ObjectCode, message, true);
        return None;
    }
    let fit = Fit::new(known, &row.name, row.division, row.village);
    if fit.is_another(known.division != row.division || known.kind != row.kind) {
        say(Column::ObjectCode, fit.refusal(known, &row.name, row.division, places), true);
        return None;
    }
    // A blank village erases none.
    if row.village != Village::Written && fit.is_here() {
        if row.village == Village::Above && row.division != known.division {
            let (stays, above) = (places.full_name(known.division), places.full_name(row.division));
            let message = format!("没有村名，点位 {} 仍按原登记在“{stays}”，未按上面的行改到“{above}”；确已改变请填写村名", row.code);
            say(Column::Division, message, false);
        }
        return Some(known.division);
    }
    if row.village == Village::Above {
        let stays = places.full_name(known.division);
        let message = format!("点位 {} 登记在“{stays}”，本行没有村名，不能按上面的行改到另一乡镇；请填写村名", row.code);
        say(Column::Division, message, true);
        return None;
    }
    if known.division != row.division {
        let (from, to) = (places.full_name(known.division), places.full_name(row.division));
        let renamed = if fit.is_renamed() { format!("，名称由“{}”改为“{}”", known.name, row.name) } else { String::new() };
        let message = format!("点位 {} 由“{from}”改到“{to}”{renamed}：其责任人随之改属新地点；请核对", row.code);
        say(Column::Division, message, false);
        if let Some((message, fatal)) = too_high(&row.code, row.division, places) {
            say(Column::Division, message, fatal);
        }
    }
    Some(row.division)
}

/// A place written as code, as 12 digits or by name.
fn place_id(text: &str, row: &PointRow, points: &BTreeMap<String, Point>, places: &Places<'_>) -> Result<String, String> {
    if points.contains_key(text) {
        return Ok(text.to_string());
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return match text.parse::<Division>() {
            Ok(code) if places.knows(code) => Ok(code.to_string()),
            Ok(code) => Err(places.unknown(code)),
            Err(_) => Err(format!("下游“{text}”既不是点位编号，也不是 12 位区划代码；请改正")),
        };
    }
    let county = row.division.at(DivisionLevel::County);
    let named: Vec<&Point> = points.values().filter(|p| p.name == text && p.division.at(DivisionLevel::County) == county).collect();
    match (named.as_slice(), places.below(row.division, text).as_slice()) {
        ([one], []) => Ok(one.code.clone()),
        ([], [one]) => Ok(one.to_string()),
        ([], []) => Err(format!("找不到下游“{text}”；请写村名、点位编号或 12 位区划代码")),
        _ => Err(format!("下游“{text}”不止一处；请写点位编号或 12 位区划代码")),
    }
}

/// Takes out the points of the area that a replacing sheet of points does not have, unless somebody answers for them.
pub(super) fn drop_the_unneeded(rows: &SheetRows, within: Option<Division>, new: &mut Directory) {
    if !rows.has(Form::Points) {
        return;
    }
    let given: BTreeSet<&str> = rows.points.iter().map(|r| r.code.as_str()).collect();
    let held: BTreeSet<&str> = new.posts.iter().filter_map(|p| p.place.point.as_deref()).collect();
    let stays =
        |p: &Point| given.contains(p.code.as_str()) || held.contains(p.code.as_str()) || within.is_some_and(|a| !a.contains(p.division));
    let gone: BTreeSet<String> = new.points.values().filter(|p| !stays(p)).map(|p| p.code.clone()).collect();
    new.points.retain(|code, _| !gone.contains(code));
    for point in new.points.values_mut() {
        point.downstream.retain(|id| !gone.contains(id));
    }
}
