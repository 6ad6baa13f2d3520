//! One `area` of CAP: the union of its codes, polygons and circles; its text alone when it has none.

use super::{info, names};
use crate::{
    core::{
        division::Division,
        warning::{Area, Shape},
    },
    ingest::{
        notes::Notes,
        shape::{self, Unclosed},
        text::{self, quote},
        xml::Node,
    },
};

/// Provinces of GB/T 2260, the first two digits of every Chinese code: a number of another country's
/// list (SAME, FIPS, Warncell, postcodes) must not call a county here.
const PROVINCES: &[u64] = &[
    11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54, 61, 62, 63, 64, 65, 71, 81, 82,
];

/// Code lists of other countries whose values could look like ours.
const FOREIGN: &[&str] =
    &["SAME", "FIPS", "UGC", "EMMA_ID", "NUTS", "WARNCELLID", "CAP-CP", "CAP-AU", "CLC", "ISO3166", "POSTCODE", "TAIWAN", "ZIP", "KZSTD"];

/// A list of all counties of a province fits; it is copied to every shape of its area.
const MAX_NAME: usize = 1_000;

/// Reads an area; `place` names it in findings.
pub(super) fn read(node: &Node, place: &str, notes: &mut Notes) -> Vec<Area> {
    let name = name(node, notes).filter(|n| n != names::UNNAMED);
    let place = match &name {
        Some(n) => format!("{place}（{}）", quote(n)),
        None => place.to_string(),
    };
    let mut shapes = Vec::new();
    for (list, value) in info::pairs(node, "geocode") {
        if list == names::POINT {
            shapes.push(Shape::Point(text::line(&value)));
        } else {
            codes(&list, &value, &place, &mut shapes, notes);
        }
    }
    for text in node.all("polygon").map(|p| p.text.trim()).filter(|t| !t.is_empty()) {
        match shape::pairs(text) {
            Ok(pairs) => {
                let positions = pairs.into_iter().map(|[lat, lon]| [lon, lat]).collect();
                shapes.extend(shape::ring(positions, Unclosed::Polygon, &place, notes));
            }
            Err(what) => notes.add("broken_shape", format!("{place}：多边形中“{what}”读不出坐标，已不采用")),
        }
    }
    for text in node.all("circle").map(|c| c.text.trim()).filter(|t| !t.is_empty()) {
        match shape::circle_text(text) {
            Ok(([lat, lon], km)) => shapes.extend(shape::circle([lon, lat], km, &place, notes)),
            Err(what) => notes.add("broken_shape", format!("{place}：圆“{what}”读不出圆心和半径，已不采用")),
        }
    }
    if shapes.is_empty() {
        match &name {
            Some(text) => shapes.push(Shape::Named(text.clone())),
            None => notes.add("empty_area", format!("{place}：没有名称、编码和范围，已不采用")),
        }
    }
    with_names(name, shapes, &place, notes)
}

/// The division codes of a comma list, each once; what is no Chinese code is a finding.
pub(in crate::ingest) fn codes(list: &str, value: &str, place: &str, shapes: &mut Vec<Shape>, notes: &mut Notes) {
    let upper = list.to_uppercase();
    let foreign_list = FOREIGN.iter().any(|f| upper.contains(f));
    for token in text::list(value).flat_map(str::split_whitespace) {
        let division = token
            .parse::<Division>()
            .ok()
            // Two and four digits are too likely something else in a field that should hold six to twelve.
            .filter(|d| !foreign_list && token.len() >= 6 && PROVINCES.contains(&(d.0 / 10_000_000_000)));
        match division {
            Some(_) if !notes.room() => return,
            Some(d) => shapes.push(Shape::Division(d)),
            None => notes.add("foreign_geocode", format!("{place}：编码“{} {}”不是行政区划代码，未采用", quote(list), quote(token))),
        }
    }
}

/// Gives the shapes of an area their names. Several codes take a list of as many names one by one; one
/// name for several divisions is the name of none of them.
pub(in crate::ingest) fn with_names(name: Option<String>, shapes: Vec<Shape>, place: &str, notes: &mut Notes) -> Vec<Area> {
    let parts: Vec<String> = name.as_deref().map(|n| text::list(n).map(str::to_string).collect()).unwrap_or_default();
    let divisions = shapes.iter().filter(|s| matches!(s, Shape::Division(_))).count();
    let one_by_one = divisions > 1 && divisions == shapes.len() && parts.len() == shapes.len();
    let whole = if parts.iter().all(|p| Some(p) == parts.first()) { parts.first().cloned() } else { name };
    if divisions > 1 && !one_by_one && whole.is_some() {
        notes.add("area_names", format!("{place}：名称与编码不能一一对应，以编码为准"));
    }
    shapes
        .into_iter()
        .enumerate()
        .map(|(n, shape)| {
            let name = match &shape {
                Shape::Named(text) => Some(text.clone()),
                Shape::Division(_) if one_by_one => parts.get(n).cloned(),
                Shape::Division(_) if divisions > 1 => None,
                Shape::Division(d) => whole.clone().filter(|w| *w != d.to_string()),
                _ => whole.clone(),
            };
            Area { name, shape, level: None }
        })
        .collect()
}

/// The name of an area, cut where it is longer than any list of places would be.
pub(in crate::ingest) fn name(node: &Node, notes: &mut Notes) -> Option<String> {
    let name = node.line("areaDesc")?;
    if name.chars().count() <= MAX_NAME {
        return Some(name);
    }
    notes.add("long_text", format!("区域名称过长，只保留前 {MAX_NAME} 个字：{}", quote(&name)));
    Some(name.chars().take(MAX_NAME).collect())
}
