//! From a drawn shape to places: the townships of the known points inside it, and the divisions whose
//! outlines it touches. Points are finer, outlines are complete; a county whose points are known is called
//! by them, unless most of it lies in the shape or it has none there.

use super::{
    area::Reader,
    lookup::{Target, ancestors},
    shape::{Drawn, Hit},
};
use crate::core::{
    division::{Division, DivisionLevel},
    hazard::Level,
    message::fit_list,
    warning::{Area, Shape},
};
use std::collections::{BTreeMap, BTreeSet};

/// From this share on, a division counts as covered whole.
const MOST: f64 = 0.5;

/// What the outlines say.
#[derive(Default)]
struct Borders {
    /// Called whole, and why.
    whole: BTreeMap<Division, Why>,
    /// Touched, and too large to be called for it: a city where nothing smaller is outlined.
    too_large: Vec<Division>,
}

#[derive(Clone, Copy, PartialEq)]
enum Why {
    /// Small enough to be meant, or mostly inside.
    Meant,
    /// Nothing smaller than this county's outline is known there.
    Alone,
}

impl Reader<'_> {
    pub(super) fn shape(&mut self, area: &Area, level: Level) {
        let kind = match &area.shape {
            Shape::Circle { .. } => "圆形区域",
            Shape::Line(_) => "未闭合的多边形",
            _ => "多边形",
        };
        let drawn = match Drawn::new(&area.shape) {
            Ok(drawn) => drawn,
            Err(why) => {
                self.finding("broken_shape", format!("{kind}{why}"));
                if !area.name.as_deref().is_some_and(|n| self.named(n, level)) {
                    self.out.unreadable.push(format!("{kind}{why}"));
                }
                return;
            }
        };
        let lookup = self.lookup;
        let points = drawn.points(lookup);
        let hits = drawn.divisions(lookup.outlines());
        let borders = self.borders(&hits, &points);
        self.by_borders(kind, &borders, level);
        self.by_points(kind, &points, &borders, level);
        if points.is_empty() && borders.whole.is_empty() {
            let (code, what) = self.why_nobody(kind, &hits, &borders);
            self.finding(code, format!("{what}，不能据此叫应"));
            if !area.name.as_deref().is_some_and(|n| self.named(n, level)) && self.broad {
                self.out.unreadable.push(what);
            }
        }
    }

    /// Which of the touched divisions are called whole.
    fn borders(&self, hits: &[Hit], points: &[&str]) -> Borders {
        let hit: BTreeSet<Division> = hits.iter().map(|h| h.division).collect();
        let mut out = Borders::default();
        for Hit { division, share } in hits.iter().copied() {
            if ancestors(division).any(|a| out.whole.contains_key(&a)) {
                continue;
            }
            let below = hit.iter().any(|h| *h != division && division.contains(*h));
            if division.level() >= DivisionLevel::Township || share >= 1.0 {
                out.whole.insert(division, Why::Meant);
            } else if below && self.outlined_below(division) {
                // What lies in it says it better.
            } else if share >= MOST {
                out.whole.insert(division, Why::Meant);
            } else if division.level() < DivisionLevel::County {
                out.too_large.push(division);
            } else if !points.iter().any(|p| self.division_of_point(p).is_some_and(|d| division.contains(d))) {
                out.whole.insert(division, Why::Alone);
            }
        }
        out
    }

    /// Whether every division right below this one has an outline.
    fn outlined_below(&self, d: Division) -> bool {
        let (from, to) = d.range();
        let mut below =
            self.directory.divisions.range(Division(from)..Division(to)).map(|(c, _)| *c).filter(|c| c.parent() == Some(d)).peekable();
        below.peek().is_some() && below.all(|c| self.lookup.outlines().has(c))
    }

    fn division_of_point(&self, code: &str) -> Option<Division> {
        self.directory.points.get(code).map(|p| p.division)
    }

    fn by_borders(&mut self, kind: &str, borders: &Borders, level: Level) {
        for (why, code, text) in [
            (Why::Meant, "area_by_outline", "按行政区划轮廓叫应"),
            (Why::Alone, "area_by_county", "内没有已知位置的点位，又只有县级轮廓，整县叫应，请核对"),
        ] {
            let these: Vec<Division> = borders.whole.iter().filter(|(_, w)| **w == why).map(|(d, _)| *d).collect();
            if these.is_empty() {
                continue;
            }
            let names: Vec<String> = these.iter().map(|d| self.named_code(*d)).collect();
            self.finding(code, format!("{kind}{text}：{}", fit_list(&names, 200, "处")));
            for d in these {
                if self.lookup.knows(self.directory, d) {
                    self.add(Target::Division(d), level);
                } else {
                    self.finding("outside_our_divisions", format!("{kind}触及 {d}，不在本系统的行政区划内，该部分不叫应"));
                }
            }
        }
    }

    fn by_points(&mut self, kind: &str, points: &[&str], borders: &Borders, level: Level) {
        let mut towns = BTreeSet::new();
        let mut count = 0;
        for code in points {
            let Some(at) = self.division_of_point(code) else { continue };
            if borders.whole.keys().any(|d| d.contains(at)) {
                continue;
            }
            count += 1;
            match at.at(DivisionLevel::Township) {
                Some(town) => {
                    towns.insert(town);
                }
                None => self.add(Target::Point((*code).to_string()), level),
            }
        }
        if count == 0 {
            return;
        }
        let names: Vec<String> = towns.iter().map(|d| self.named_code(*d)).collect();
        self.finding("area_by_points", format!("{kind}按其中{count}个已知点位所在乡镇叫应：{}", fit_list(&names, 200, "个乡镇")));
        towns.into_iter().for_each(|d| self.add(Target::Division(d), level));
    }

    fn why_nobody(&self, kind: &str, hits: &[Hit], borders: &Borders) -> (&'static str, String) {
        let tops = self.lookup.tops();
        if !borders.too_large.is_empty() {
            let names: Vec<String> = borders.too_large.iter().map(|d| self.named_code(*d)).collect();
            return ("shape_without_places", format!("{kind}内没有已知位置的点位，只知道在{}境内", fit_list(&names, 80, "处")));
        }
        if hits.is_empty() && !tops.is_empty() && tops.iter().all(|t| self.lookup.outlines().has(*t)) {
            return ("outside_our_divisions", format!("{kind}在本系统的行政区划以外"));
        }
        ("shape_without_places", format!("{kind}内没有已知位置的点位"))
    }
}
