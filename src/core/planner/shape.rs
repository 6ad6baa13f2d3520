//! Which known points lie inside a polygon, an unclosed line or a circle. Positions are
//! `[longitude, latitude]`; nothing here may panic on what an issuer drew.

use super::lookup::Lookup;
use crate::core::warning::Shape;
use geo::{BoundingRect, Coord, Intersects, LineString, Point, Polygon};

/// Mean radius of the earth in kilometres.
const EARTH_KM: f64 = 6371.0088;

/// The codes of the points inside, in a stable order; `Err` says in plain words why the shape cannot be used.
pub fn points_inside(shape: &Shape, lookup: &Lookup) -> Result<Vec<String>, String> {
    let mut inside = match shape {
        Shape::Polygon(ring) | Shape::Line(ring) => in_ring(ring, lookup)?,
        Shape::Circle { center, radius_km } => in_circle(*center, *radius_km, lookup)?,
        Shape::Division(_) | Shape::Point(_) | Shape::Named(_) => Vec::new(),
    };
    inside.sort_unstable();
    Ok(inside)
}

fn in_ring(ring: &[[f64; 2]], lookup: &Lookup) -> Result<Vec<String>, String> {
    if ring.iter().flatten().any(|x| !x.is_finite()) {
        return Err("坐标不是数字".into());
    }
    let mut corners: Vec<Coord> = ring.iter().map(|[x, y]| Coord { x: *x, y: *y }).collect();
    corners.dedup();
    if corners.len() > 1 && corners.first() == corners.last() {
        corners.pop();
    }
    if corners.len() < 3 {
        return Err(format!("只有{}个不同的顶点，围不成区域", corners.len()));
    }
    let polygon = Polygon::new(LineString::new(corners), Vec::new());
    let Some(bounds) = polygon.bounding_rect() else {
        return Err("围不成区域".into());
    };
    let inside = lookup
        .points_between(bounds.min().x, bounds.max().x)
        .filter(|(_, [_, lat])| *lat >= bounds.min().y && *lat <= bounds.max().y)
        .filter(|(_, [lon, lat])| polygon.intersects(&Point::new(*lon, *lat)));
    Ok(inside.map(|(code, _)| code.to_string()).collect())
}

fn in_circle(center: [f64; 2], radius_km: f64, lookup: &Lookup) -> Result<Vec<String>, String> {
    if !center.iter().all(|x| x.is_finite()) || !radius_km.is_finite() || radius_km < 0.0 {
        return Err("圆心或半径不是可用的数字".into());
    }
    // A little wider than the circle: the exact distance decides below.
    let degrees = (radius_km / 111.0) / center[1].to_radians().cos().abs().max(0.01) * 1.05 + 1e-6;
    let inside = lookup.points_between(center[0] - degrees, center[0] + degrees).filter(|(_, p)| distance_km(center, *p) <= radius_km);
    Ok(inside.map(|(code, _)| code.to_string()).collect())
}

/// Great-circle distance.
pub fn distance_km(a: [f64; 2], b: [f64; 2]) -> f64 {
    let (lat_a, lat_b) = (a[1].to_radians(), b[1].to_radians());
    let (dlat, dlon) = (lat_b - lat_a, (b[0] - a[0]).to_radians());
    let h = (dlat / 2.0).sin().powi(2) + lat_a.cos() * lat_b.cos() * (dlon / 2.0).sin().powi(2);
    2.0 * EARTH_KM * h.clamp(0.0, 1.0).sqrt().asin()
}
