//! How far a place is from the hazard: what the order of calling within a tier goes by. Where the message draws
//! nothing and names no point there is no distance, and the tier alone orders.
//!
//! Inside a polygon or beside a line: 0. A circle says where the hazard is, so its centre counts. A place whose own
//! position nobody knows counts as near as anything known in it, else as the division above it: it may be.

use super::{
    lookup::{Lookup, ancestors},
    shape::{Drawn, distance_km},
};
use crate::core::{
    directory::{Directory, Place},
    division::{Division, DivisionLevel},
    warning::{Content, Shape},
};
use std::collections::HashMap;

/// Distances are told apart by this much; closer ones stay with their neighbours.
const STEP_KM: f64 = 0.1;
/// A place of which nothing is known goes behind those that are known.
const UNKNOWN: u32 = u32::MAX;
/// Positions of an outline that are asked; more say nothing about the order.
const SAMPLES: usize = 24;

/// Measures places against one message.
pub struct Nearness<'a> {
    directory: &'a Directory,
    lookup: &'a Lookup,
    drawn: Vec<Drawn>,
    points: Vec<[f64; 2]>,
    /// Named whole: everything in them is where the hazard is.
    whole: Vec<Division>,
    /// Positions of known points by division, in the order of the codes.
    inside: Vec<(Division, [f64; 2])>,
    /// Only asked, never walked.
    known: HashMap<Division, u32>,
}

impl<'a> Nearness<'a> {
    pub fn new(content: &Content, directory: &'a Directory, lookup: &'a Lookup) -> Nearness<'a> {
        let (mut drawn, mut points, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        for area in &content.areas {
            match &area.shape {
                Shape::Division(d) => whole.push(*d),
                Shape::Point(code) => points.extend(directory.points.get(code).and_then(|p| finite(p.position))),
                Shape::Named(_) => {}
                Shape::Polygon(_) | Shape::Line(_) | Shape::Circle { .. } => drawn.extend(Drawn::new(&area.shape).ok()),
            }
        }
        let mut n = Nearness { directory, lookup, drawn, points, whole, inside: Vec::new(), known: HashMap::new() };
        if n.measures() {
            n.inside = directory.points.values().filter_map(|p| Some((p.division, finite(p.position)?))).collect();
            n.inside.sort_by_key(|(d, _)| *d);
        }
        n
    }

    fn measures(&self) -> bool {
        !self.drawn.is_empty() || !self.points.is_empty()
    }

    /// In steps of 100 m; smaller is called first.
    pub fn of(&mut self, place: &Place) -> u32 {
        if !self.measures() || self.whole.iter().any(|d| d.contains(place.division)) {
            return 0;
        }
        let own = place.point.as_ref().and_then(|code| self.directory.points.get(code)).and_then(|p| finite(p.position));
        match own {
            Some(at) => steps(self.to(at)),
            None => self.division(place.division),
        }
    }

    fn division(&mut self, d: Division) -> u32 {
        if let Some(known) = self.known.get(&d) {
            return *known;
        }
        let near = match self.of_division(d) {
            Some(km) => steps(km),
            // Not beyond the county: what is known of a whole city says nothing of a village.
            None => ancestors(d).find(|a| a.level() >= DivisionLevel::County).map_or(UNKNOWN, |a| self.division(a)),
        };
        self.known.insert(d, near);
        near
    }

    fn of_division(&self, d: Division) -> Option<f64> {
        if let Some(outline) = self.lookup.outlines().get(d) {
            let every = outline.samples.len().div_ceil(SAMPLES).max(1);
            let at = outline.samples.iter().step_by(every).map(|c| self.to([c.x, c.y]));
            let here = self.points.iter().any(|p| outline.holds(*p)) || self.drawn.iter().any(|s| s.begins_in(outline));
            return if here { Some(0.0) } else { at.min_by(f64::total_cmp) };
        }
        let (from, to) = d.range();
        let lo = self.inside.partition_point(|(p, _)| p.0 < from);
        let hi = self.inside.partition_point(|(p, _)| p.0 < to);
        self.inside.get(lo..hi)?.iter().map(|(_, at)| self.to(*at)).min_by(f64::total_cmp)
    }

    /// From a position to the nearest part of the hazard, in kilometres.
    fn to(&self, at: [f64; 2]) -> f64 {
        let drawn = self.drawn.iter().map(|s| s.distance_km(at));
        drawn.chain(self.points.iter().map(|p| distance_km(*p, at))).fold(f64::INFINITY, f64::min)
    }
}

fn finite(position: Option<[f64; 2]>) -> Option<[f64; 2]> {
    position.filter(|p| p.iter().all(|x| x.is_finite()))
}

fn steps(km: f64) -> u32 {
    // Whatever is farther than the earth is round is not known.
    if km.is_finite() { (km / STEP_KM).round().clamp(0.0, f64::from(UNKNOWN - 1)) as u32 } else { UNKNOWN }
}
