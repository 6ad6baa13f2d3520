//! What lies inside a polygon, an unclosed line or a circle: known points, and divisions whose outlines
//! are known. Positions are `[longitude, latitude]`; nothing here may panic on what an issuer drew.

use super::lookup::Lookup;
use crate::core::{
    division::Division,
    outline::{Outline, Outlines},
    warning::Shape,
};
use geo::{BoundingRect, Coord, Intersects, Line, LineString, Point, Polygon, Rect};

/// Mean radius of the earth in kilometres.
const EARTH_KM: f64 = 6371.0088;
/// A line is as wide as this on either side: what is drawn along a river or a road means its banks.
pub const LINE_REACH_KM: f64 = 1.0;

/// How many edges of a shape are measured; see [`Drawn::distance_km`].
const EDGES: usize = 200;

/// A shape that can be asked what it holds.
pub enum Drawn {
    Polygon {
        ring: Polygon,
        bounds: Rect,
    },
    /// An unclosed line: those near it; where it goes round something (a last position forgotten), that too.
    Line {
        line: LineString,
        round: Option<Polygon>,
        bounds: Rect,
    },
    Circle {
        center: [f64; 2],
        radius_km: f64,
        bounds: Rect,
    },
}

/// A division that a shape touches, with the share of it that is covered (0 to 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    pub division: Division,
    pub share: f64,
}

impl Drawn {
    /// `Err` says in plain words why the shape cannot be used.
    pub fn new(shape: &Shape) -> Result<Drawn, String> {
        match shape {
            Shape::Polygon(ring) => {
                let ring = Polygon::new(LineString::new(corners(ring, 3)?), Vec::new());
                let bounds = ring.bounding_rect().ok_or("围不成区域")?;
                Ok(Drawn::Polygon { ring, bounds })
            }
            Shape::Line(line) => {
                let corners = corners(line, 2)?;
                let line = LineString::new(corners.clone());
                let bounds = line.bounding_rect().map(|b| wider(b, LINE_REACH_KM)).ok_or("没有坐标")?;
                let round = (corners.len() > 2).then(|| Polygon::new(LineString::new(corners), Vec::new()));
                Ok(Drawn::Line { line, round, bounds })
            }
            Shape::Circle { center: [x, y], radius_km } => {
                if !x.is_finite() || !y.is_finite() || !radius_km.is_finite() || *radius_km < 0.0 {
                    return Err("圆心或半径不是可用的数字".into());
                }
                let at = Coord { x: *x, y: *y };
                Ok(Drawn::Circle { center: [*x, *y], radius_km: *radius_km, bounds: wider(Rect::new(at, at), *radius_km) })
            }
            Shape::Division(_) | Shape::Point(_) | Shape::Named(_) => Err("没有坐标".into()),
        }
    }

    fn bounds(&self) -> &Rect {
        match self {
            Drawn::Polygon { bounds, .. } | Drawn::Line { bounds, .. } | Drawn::Circle { bounds, .. } => bounds,
        }
    }

    /// Whether a position lies in the shape, its edge included.
    fn holds(&self, p: [f64; 2]) -> bool {
        let at = Point::new(p[0], p[1]);
        if !self.bounds().intersects(&at) {
            return false;
        }
        match self {
            Drawn::Polygon { ring, .. } => ring.intersects(&at),
            Drawn::Line { line, round, .. } => {
                round.as_ref().is_some_and(|r| r.intersects(&at)) || line.lines().any(|l| line_km(p, &l) <= LINE_REACH_KM)
            }
            Drawn::Circle { center, radius_km, .. } => distance_km(*center, p) <= *radius_km,
        }
    }

    /// Whether the shape and an outline have anything in common.
    fn touches(&self, outline: &Outline) -> bool {
        match self {
            Drawn::Polygon { ring, .. } => outline.rings.intersects(ring),
            Drawn::Line { line, round, .. } => {
                outline.rings.intersects(line) || round.as_ref().is_some_and(|r| outline.rings.intersects(r))
            }
            Drawn::Circle { center, radius_km, .. } => {
                let edges = || outline.rings.iter().flat_map(|p| p.exterior().lines());
                outline.rings.intersects(&Point::new(center[0], center[1])) || edges().any(|l| line_km(*center, &l) <= *radius_km)
            }
        }
    }

    /// How far a position is from the hazard it says, in kilometres: 0 inside a polygon or near a line; from a
    /// circle's centre, which is where the hazard is. Good enough to order by: of many corners some are left out.
    pub fn distance_km(&self, p: [f64; 2]) -> f64 {
        let edge = |line: &LineString| {
            let every = line.0.len().div_ceil(EDGES).max(1);
            let corners: Vec<Coord> = line.0.iter().step_by(every).chain(line.0.last()).copied().collect();
            corners.windows(2).map(|w| line_km(p, &Line::new(w[0], w[1]))).fold(f64::INFINITY, f64::min)
        };
        match self {
            Drawn::Circle { center, .. } => distance_km(*center, p),
            _ if self.holds(p) => 0.0,
            Drawn::Polygon { ring, .. } => edge(ring.exterior()),
            Drawn::Line { line, .. } => edge(line),
        }
    }

    /// Whether the place it says the hazard is at lies in, or on the border of, a division.
    pub fn begins_in(&self, outline: &Outline) -> bool {
        match self {
            Drawn::Circle { center, .. } => outline.holds(*center),
            _ => outline.bounds.intersects(self.bounds()) && self.touches(outline),
        }
    }

    /// The codes of the known points inside, in a stable order.
    pub fn points<'a>(&self, lookup: &'a Lookup) -> Vec<&'a str> {
        let (west, east) = (self.bounds().min().x, self.bounds().max().x);
        let mut inside: Vec<&str> = lookup.points_between(west, east).filter(|(_, at)| self.holds(*at)).map(|(code, _)| code).collect();
        inside.sort_unstable();
        inside
    }

    /// The divisions whose outlines it touches, a division before what lies in it.
    pub fn divisions(&self, outlines: &Outlines) -> Vec<Hit> {
        let near = outlines.iter().filter(|o| o.bounds.intersects(self.bounds()));
        near.filter_map(|o| {
            let inside = o.samples.iter().filter(|s| self.holds([s.x, s.y])).count();
            let share = inside as f64 / o.samples.len().max(1) as f64;
            (inside > 0 || self.touches(o)).then_some(Hit { division: o.division, share })
        })
        .collect()
    }
}

/// The different corners of a ring or line, at least `least` of them.
fn corners(positions: &[[f64; 2]], least: usize) -> Result<Vec<Coord>, String> {
    if positions.iter().flatten().any(|x| !x.is_finite()) {
        return Err("坐标不是数字".into());
    }
    let mut corners: Vec<Coord> = positions.iter().map(|[x, y]| Coord { x: *x, y: *y }).collect();
    corners.dedup();
    if corners.len() > 1 && corners.first() == corners.last() {
        corners.pop();
    }
    if corners.len() < least {
        return Err(format!("只有{}个不同的顶点，围不成区域", corners.len()));
    }
    Ok(corners)
}

/// A box wider by so many kilometres; a little more, because what is exact is asked later.
fn wider(b: Rect, km: f64) -> Rect {
    let high = b.max().y.abs().max(b.min().y.abs());
    let lat = km / 111.0 * 1.05 + 1e-6;
    let lon = (km / 111.0) / high.to_radians().cos().abs().max(0.01) * 1.05 + 1e-6;
    Rect::new(Coord { x: b.min().x - lon, y: b.min().y - lat }, Coord { x: b.max().x + lon, y: b.max().y + lat })
}

/// Great-circle distance.
pub fn distance_km(a: [f64; 2], b: [f64; 2]) -> f64 {
    let (lat_a, lat_b) = (a[1].to_radians(), b[1].to_radians());
    let (dlat, dlon) = (lat_b - lat_a, (b[0] - a[0]).to_radians());
    let h = (dlat / 2.0).sin().powi(2) + lat_a.cos() * lat_b.cos() * (dlon / 2.0).sin().powi(2);
    2.0 * EARTH_KM * h.clamp(0.0, 1.0).sqrt().asin()
}

/// The distance from a position to a stretch of a line: the foot of the perpendicular in a plane laid
/// at the position (good to a few metres over the few kilometres it is asked for), then exactly.
fn line_km(p: [f64; 2], l: &Line) -> f64 {
    let shrink = p[1].to_radians().cos();
    let (ax, ay) = ((l.start.x - p[0]) * shrink, l.start.y - p[1]);
    let (dx, dy) = ((l.end.x - l.start.x) * shrink, l.end.y - l.start.y);
    let length = dx * dx + dy * dy;
    let t = if length > 0.0 { (-(ax * dx + ay * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
    distance_km(p, [l.start.x + (l.end.x - l.start.x) * t, l.start.y + (l.end.y - l.start.y) * t])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_of_a_line_is_as_near_as_its_nearest_place() {
        let line = Line::new(Coord { x: 112.0, y: 35.0 }, Coord { x: 112.0, y: 36.0 });
        assert!((line_km([112.1, 35.5], &line) - distance_km([112.1, 35.5], [112.0, 35.5])).abs() < 0.01);
        assert!((line_km([112.0, 36.1], &line) - 11.12).abs() < 0.01, "past its end the end counts");
        assert_eq!(line_km([112.0, 35.2], &line), 0.0);
    }
}
