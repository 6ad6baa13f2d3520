//! Where: the `[[area]]` rules of a mapping carried out. What is broken is a finding and the rest is called.

use super::{
    fill::Filler,
    mapping::{AreaRule, Place, Rule},
    template::Scope,
    tree::Tree,
    value,
};
use crate::{
    core::{
        division::Division,
        hazard::Level,
        warning::{Area, Shape},
    },
    ingest::{
        shape::{self, Unclosed},
        text::{self, quote},
    },
};

/// All areas of one warning.
pub(super) fn read_all(f: &mut Filler<'_>, rules: &[AreaRule], scope: Scope<'_>) -> Vec<Area> {
    let mut all = Vec::new();
    for rule in rules {
        if rule.fallback && !all.is_empty() {
            continue;
        }
        match rule.each.as_ref() {
            None => read(f, rule, scope, &mut all),
            Some(each) => match scope.find(each) {
                Some(Tree::List(items)) => items.iter().for_each(|here| read(f, rule, Scope { here, ..scope }, &mut all)),
                Some(Tree::Nothing) | None => {}
                Some(one) => read(f, rule, Scope { here: one, ..scope }, &mut all),
            },
        }
    }
    all
}

fn read(f: &mut Filler<'_>, rule: &AreaRule, scope: Scope<'_>, all: &mut Vec<Area>) {
    let at = format!("areas[{}]", all.len());
    let names: Vec<String> = match &rule.name {
        Some(r) => f.fill_all(&format!("{at}.name"), r, scope).into_iter().map(|n| text::line(&n.text)).filter(|n| !n.is_empty()).collect(),
        None => Vec::new(),
    };
    let level: Option<Level> =
        rule.level.as_ref().and_then(|r| f.fill(&format!("{at}.level"), r, scope)).and_then(|l| value::level(&l.text));
    let name = names.first().cloned();
    let place = match &name {
        Some(name) => format!("区域{}（{}）", all.len() + 1, quote(name)),
        None => format!("区域{}", all.len() + 1),
    };
    let mut shapes: Vec<Shape> = match &rule.place {
        Place::Named => {
            all.extend(names.into_iter().map(|n| Area { name: Some(n.clone()), shape: Shape::Named(n), level }));
            return;
        }
        Place::Division(r) => divisions(f, r, &at, &place, scope),
        Place::Point(r) => {
            let points = f.fill_all(&format!("{at}.point"), r, scope).into_iter();
            points.map(|p| text::line(&p.text)).filter(|p| !p.is_empty()).map(Shape::Point).collect()
        }
        Place::Circle { lon, lat, radius, metres } => circle(f, [lon, lat, radius], *metres, &at, &place, scope),
        Place::Polygon { path, lat_first } => {
            let mut rings = Vec::new();
            if let Some(tree) = scope.find(path) {
                collect_rings(tree, *lat_first, &mut rings);
            }
            if rings.is_empty() && scope.find(path).is_some_and(|t| *t != Tree::Nothing) {
                f.notes.add("broken_shape", format!("{place}：{path} 中读不出多边形，已不采用"));
            }
            rings.into_iter().filter_map(|r| shape::ring(r, Unclosed::Polygon, &place, f.notes)).collect()
        }
    };
    // A broken shape with a name is still a place people know.
    if shapes.is_empty() {
        shapes.extend(name.clone().map(Shape::Named));
    }
    all.extend(shapes.into_iter().map(|shape| Area { name: name.clone(), shape, level }));
}

fn divisions(f: &mut Filler<'_>, rule: &Rule, at: &str, place: &str, scope: Scope<'_>) -> Vec<Shape> {
    let found = f.fill_all(&format!("{at}.division"), rule, scope);
    let read = found.into_iter().filter_map(|code| match code.text.parse::<Division>() {
        Ok(d) => Some(Shape::Division(d)),
        Err(_) => {
            f.notes.add("foreign_geocode", format!("{place}：编码“{}”不是行政区划代码，未采用", quote(&code.text)));
            None
        }
    });
    read.collect()
}

fn circle(f: &mut Filler<'_>, rules: [&Rule; 3], metres: bool, at: &str, place: &str, scope: Scope<'_>) -> Vec<Shape> {
    let read = |f: &mut Filler<'_>, rule: &Rule, what: &str| {
        let text = f.fill(&format!("{at}.{what}"), rule, scope)?.text;
        let number = text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
        if number.is_none() {
            f.notes.add("broken_shape", format!("{place}：{what}“{}”不是数，圆已不采用", quote(&text)));
        }
        number
    };
    let [lon, lat, radius] = rules;
    let (Some(lon), Some(lat), Some(radius)) = (read(f, lon, "lon"), read(f, lat, "lat"), read(f, radius, "radius")) else {
        return Vec::new();
    };
    shape::circle([lon, lat], if metres { radius / 1000.0 } else { radius }, place, f.notes).into_iter().collect()
}

/// Rings of positions, however deep they lie (GeoJSON nests them two or three lists deep), or CAP's text.
fn collect_rings(tree: &Tree, lat_first: bool, rings: &mut Vec<Vec<[f64; 2]>>) {
    let ordered = |[a, b]: [f64; 2]| if lat_first { [b, a] } else { [a, b] };
    match tree {
        Tree::Text(t) => {
            if let Ok(pairs) = shape::pairs(t) {
                rings.extend((!pairs.is_empty()).then(|| pairs.into_iter().map(ordered).collect()));
            }
        }
        Tree::List(items) => {
            let ring: Option<Vec<[f64; 2]>> = items.iter().map(position).collect();
            match ring.filter(|r| !r.is_empty()) {
                Some(ring) => rings.push(ring.into_iter().map(ordered).collect()),
                None => items.iter().for_each(|i| collect_rings(i, lat_first, rings)),
            }
        }
        Tree::Nothing | Tree::Object(_) => {}
    }
}

fn position(tree: &Tree) -> Option<[f64; 2]> {
    let Tree::List(two) = tree else { return None };
    let number = |t: &Tree| t.text()?.parse::<f64>().ok().filter(|n| n.is_finite());
    match two.as_slice() {
        [a, b] | [a, b, _] => Some([number(a)?, number(b)?]),
        _ => None,
    }
}
