//! Where a warning applies: codes, names and drawn shapes resolved over the real divisions and outlines of Jincheng.

use super::town::{area, content, d};
use crate::ingest::corpus::shared;
use jiaoying::core::{
    directory::{Directory, Point},
    hazard::{HazardCode, Level},
    outline::Outlines,
    outline_file::parse_outlines,
    planner::{Lookup, Resolved, Target, resolve},
    warning::{Area, Shape},
};
use std::{collections::BTreeSet, sync::Arc};

/// All divisions of Jincheng, and points where a test puts them.
fn jincheng(points: &[(&str, &str, [f64; 2])]) -> Directory {
    let mut dir = Directory { divisions: jiaoying::sample::divisions(), ..Directory::default() };
    for (code, division, at) in points {
        let p = Point { position: Some(*at), ..Point::new(*code, format!("{code}点"), "geological", d(division)) };
        dir.points.insert((*code).into(), p);
    }
    dir
}

fn outlines() -> Option<Arc<Outlines>> {
    let dir = shared("jincheng-geo")?;
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        all.extend(parse_outlines(path.file_stem().unwrap().to_str().unwrap(), &std::fs::read_to_string(&path).unwrap()).unwrap());
    }
    Some(Arc::new(Outlines::new(all)))
}

fn read(dir: &Directory, outlines: Option<Arc<Outlines>>, areas: Vec<Area>) -> Resolved {
    let lookup = Lookup::new(dir).with_outlines(outlines.unwrap_or_default());
    resolve(&content(HazardCode("11B03".into()), Level::Red, areas), dir, &lookup, &[])
}

fn places(r: &Resolved) -> BTreeSet<String> {
    r.targets
        .keys()
        .map(|t| match t {
            Target::Division(d) => d.to_string(),
            Target::Point(code) => code.clone(),
        })
        .collect()
}
fn codes(r: &Resolved) -> BTreeSet<&str> {
    r.findings.iter().map(|f| f.code.as_str()).collect()
}
fn set<'a>(all: &[&'a str]) -> BTreeSet<&'a str> {
    all.iter().copied().collect()
}
fn full(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|c| d(c).to_string()).collect()
}
fn named(code: &str, name: &str) -> Area {
    Area { name: Some(name.into()), ..area(Shape::Division(d(code))) }
}
fn square(x: f64, y: f64, half: f64) -> Shape {
    Shape::Polygon(vec![[x - half, y - half], [x + half, y - half], [x + half, y + half], [x - half, y + half], [x - half, y - half]])
}

#[test]
fn codes_of_six_nine_and_twelve_digits_are_the_same_tree() {
    let dir = jincheng(&[]);
    for code in ["140521", "140521000000", "140521100", "140521100000"] {
        let r = read(&dir, None, vec![area(Shape::Division(d(code)))]);
        assert_eq!((places(&r), codes(&r)), (full(&[code]), set(&[])), "{code}");
    }
}

#[test]
fn every_town_code_that_the_two_lists_give_to_two_towns_warns_both_and_says_so() {
    let dir = jincheng(&[]);
    let clashing: Vec<_> = dir.divisions.values().filter(|e| e.clash.is_some()).collect();
    assert_eq!(clashing.len(), 11);
    for entry in clashing {
        let other = entry.clash.as_deref().unwrap();
        let twin = dir.divisions.values().find(|e| e.name == other && e.code.parent() == entry.code.parent());
        let r = read(&dir, None, vec![area(Shape::Division(entry.code))]);
        let mut expected = full(&[&entry.code.to_string()]);
        expected.extend(twin.map(|t| t.code.to_string()));
        assert_eq!((places(&r), codes(&r)), (expected.clone(), set(&["division_clash"])), "{}", entry.name);
        // Whichever name stands beside the code, nobody drops out.
        for name in [entry.name.as_str(), other] {
            let r = read(&dir, None, vec![named(&entry.code.to_string(), name)]);
            assert_eq!((places(&r), codes(&r)), (expected.clone(), set(&["division_clash"])), "{name}");
        }
    }
}

#[test]
fn a_name_and_a_code_that_contradict_each_other_are_both_called() {
    let r = read(&jincheng(&[]), None, vec![named("140521", "阳城县")]);
    assert_eq!((places(&r), codes(&r)), (full(&["140521", "140522"]), set(&["name_and_code_differ"])));
}

#[test]
fn a_name_finer_than_its_code_is_called_alone_but_only_when_every_word_of_it_is_understood() {
    let dir = jincheng(&[]);
    let towns = read(&dir, None, vec![named("140521", "沁水县龙港镇、中村镇")]);
    assert_eq!((places(&towns), codes(&towns)), (full(&["140521100", "140521101"]), set(&["name_finer_than_code"])));
    for text in ["沁水县", "龙港镇、火星镇", "沁水县除龙港镇外", "龙港镇等地", "沁水县北部", "全县"] {
        let r = read(&dir, None, vec![named("140521", text)]);
        assert_eq!(places(&r), full(&["140521"]), "{text}");
    }
}

#[test]
fn towns_that_only_the_text_names_are_said_and_the_county_of_the_code_is_called() {
    let dir = jincheng(&[]);
    let lookup = Lookup::new(&dir);
    let mut c = content(HazardCode("11B03".into()), Level::Red, vec![area(Shape::Division(d("140521")))]);
    c.description = "龙港镇、中村镇3小时降雨量将达50毫米以上。".into();
    let r = resolve(&c, &dir, &lookup, &[]);
    assert_eq!((places(&r), codes(&r)), (full(&["140521"]), set(&["text_names_towns"])));
    assert!(r.findings[0].detail.contains("龙港镇（140521100000）、中村镇（140521101000）"), "{:?}", r.findings);
}

#[test]
fn names_that_are_everywhere_are_not_ours_behind_a_neighbours_code() {
    let dir = jincheng(&[]);
    let inside = area(Shape::Division(d("140524")));
    for (code, name) in [("410882", "沁阳市"), ("140202", "城区"), ("410881101", "龙港镇")] {
        let r = read(&dir, None, vec![named(code, name), inside.clone()]);
        assert_eq!((places(&r), codes(&r)), (full(&["140524"]), set(&["outside_our_divisions"])), "{name}");
    }
    let r = read(&dir, None, vec![named("140202", "晋城市城区")]);
    assert_eq!((places(&r), codes(&r)), (full(&["140502"]), set(&["outside_our_divisions"])));
    // An unknown code of ours looks for its name in its own county first.
    let r = read(&dir, None, vec![named("140521199", "龙港镇")]);
    assert_eq!((places(&r), codes(&r)), (full(&["140521100"]), set(&["unknown_division"])));
}

#[test]
fn a_countys_outline_alone_calls_the_whole_county_with_a_finding() {
    let Some(outlines) = outlines() else { return };
    let dir = jincheng(&[]);
    // 沁水县, well inside.
    for shape in [
        square(112.2, 35.7, 0.02),
        Shape::Circle { center: [112.2, 35.7], radius_km: 2.0 },
        Shape::Line(vec![[112.19, 35.7], [112.21, 35.7]]),
    ] {
        let r = read(&dir, Some(outlines.clone()), vec![area(shape.clone())]);
        assert_eq!((places(&r), codes(&r)), (full(&["140521"]), set(&["area_by_county"])), "{shape:?}");
        let without = read(&dir, None, vec![area(shape)]);
        assert!(without.targets.is_empty() && without.unreadable.len() == 1 && codes(&without).contains("shape_without_places"));
    }
}

#[test]
fn where_points_are_known_their_townships_are_called_and_a_county_mostly_inside_is_called_whole() {
    let Some(outlines) = outlines() else { return };
    let dir = jincheng(&[("DZ-1", "140521101201", [112.2, 35.7]), ("DZ-2", "140522100201", [112.41, 35.48])]);
    let r = read(&dir, Some(outlines.clone()), vec![area(square(112.2, 35.7, 0.02))]);
    assert_eq!((places(&r), codes(&r)), (full(&["140521101"]), set(&["area_by_points"])));
    let most = read(&dir, Some(outlines.clone()), vec![area(square(112.2, 35.7, 0.4))]);
    assert!(places(&most).contains("140521000000") && codes(&most).contains("area_by_outline"), "{most:?}");
    let all = read(&dir, Some(outlines.clone()), vec![area(square(112.8, 35.6, 2.0))]);
    assert_eq!((places(&all), codes(&all)), (full(&["1405"]), set(&["area_by_outline"])));
    let far = read(&dir, Some(outlines), vec![area(square(105.0, 30.0, 0.2))]);
    assert_eq!((places(&far), codes(&far)), (full(&[]), set(&["outside_our_divisions"])));
    assert_eq!(far.unreadable.len(), 1);
}

#[test]
fn a_line_reaches_the_points_beside_it() {
    let dir = jincheng(&[("DZ-1", "140521101201", [112.2, 35.705]), ("DZ-2", "140522100201", [112.2, 35.75])]);
    let r = read(&dir, None, vec![area(Shape::Line(vec![[112.1, 35.7], [112.3, 35.7]]))]);
    assert_eq!((places(&r), codes(&r)), (full(&["140521101"]), set(&["area_by_points"])));
}

#[test]
fn outlines_of_towns_are_called_as_they_are_touched() {
    let town = |code: &str, x: f64| {
        let text =
            format!("{{\"type\":\"Polygon\",\"coordinates\":[[[{x},35.6],[{},35.6],[{},35.8],[{x},35.8],[{x},35.6]]]}}", x + 0.1, x + 0.1);
        parse_outlines(code, &text).unwrap().remove(0)
    };
    let outlines = Arc::new(Outlines::new([town("140521100", 112.1), town("140521101", 112.2)]));
    let r = read(&jincheng(&[]), Some(outlines), vec![area(Shape::Circle { center: [112.19, 35.7], radius_km: 0.5 })]);
    assert_eq!((places(&r), codes(&r)), (full(&["140521100"]), set(&["area_by_outline"])));
}
