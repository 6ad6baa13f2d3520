//! Outlines of divisions: where their borders run, so that a drawn area can be said in divisions.
//!
//! Plain data, built once and then only read; where it comes from is a folder of GeoJSON
//! ([`super::outline_file`]). Positions are longitude, latitude. Outlines are drawn coarsely (a county has
//! some hundred corners), so what touches a border touches both sides of it.

use super::division::Division;
use geo::{BoundingRect, Coord, Intersects, MultiPolygon, Point, Rect};
use std::collections::BTreeMap;

/// Sample positions along each side of an outline's box: enough to tell a half from a third.
const GRID: usize = 16;

/// The outline of one division.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    pub division: Division,
    /// Never empty.
    pub rings: MultiPolygon,
    pub bounds: Rect,
    /// Positions evenly spread over its inside: what share of them a shape holds is the share of the
    /// division that it covers.
    pub samples: Vec<Coord>,
}

impl Outline {
    /// `None` where the rings enclose nothing.
    pub fn new(division: Division, rings: MultiPolygon) -> Option<Outline> {
        let bounds = rings.bounding_rect().filter(|b| b.width() > 0.0 && b.height() > 0.0)?;
        let at = |n: usize, from: f64, length: f64| from + length * (n as f64 + 0.5) / GRID as f64;
        let grid = (0..GRID * GRID)
            .map(|n| Coord { x: at(n % GRID, bounds.min().x, bounds.width()), y: at(n / GRID, bounds.min().y, bounds.height()) });
        let mut samples: Vec<Coord> = grid.filter(|c| rings.intersects(&Point(*c))).collect();
        if samples.is_empty() {
            // A sliver between the grid's lines still has corners.
            samples = rings.iter().flat_map(|p| p.exterior().coords().copied()).collect();
        }
        Some(Outline { division, rings, bounds, samples })
    }

    /// Whether a position (longitude, latitude) lies in it.
    pub fn holds(&self, p: [f64; 2]) -> bool {
        self.rings.intersects(&Point::new(p[0], p[1]))
    }
}

/// All outlines, one a division.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outlines(BTreeMap<Division, Outline>);

impl Outlines {
    /// The last of two outlines of one division stands; readers refuse that before.
    pub fn new(all: impl IntoIterator<Item = Outline>) -> Outlines {
        Outlines(all.into_iter().map(|o| (o.division, o)).collect())
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub fn len(&self) -> usize {
        self.0.len()
    }
    pub fn has(&self, d: Division) -> bool {
        self.0.contains_key(&d)
    }
    pub fn get(&self, d: Division) -> Option<&Outline> {
        self.0.get(&d)
    }
    /// In the order of the codes: a division before what lies in it.
    pub fn iter(&self) -> impl Iterator<Item = &Outline> {
        self.0.values()
    }
}
