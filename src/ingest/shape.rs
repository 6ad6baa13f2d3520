//! Polygons, lines and circles as they are really sent: unclosed, with the two numbers swapped, past
//! the date line, with brackets in them. Everything leaves here as `[longitude, latitude]`, in range.

use super::{notes::Notes, text::quote};
use crate::core::warning::Shape;

/// What an unclosed ring is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unclosed {
    /// A polygon whose last position was forgotten (CAP, JSON).
    Polygon,
    /// A line: the national format says so.
    Line,
}

/// Makes a ring of positions `[lon, lat]` a shape; `None` (with a finding) when it encloses nothing readable.
pub(super) fn ring(mut positions: Vec<[f64; 2]>, unclosed: Unclosed, place: &str, notes: &mut Notes) -> Option<Shape> {
    orient(&mut positions, place, notes)?;
    let closed = positions.len() > 1 && positions.first() == positions.last();
    if !closed && unclosed == Unclosed::Line && positions.len() > 1 {
        return Some(Shape::Line(positions));
    }
    // There and back again is a line: CAP has no other way to write one.
    let half = positions.len() / 2;
    if half > 1 && positions.len().is_multiple_of(2) && positions.iter().eq(positions.iter().rev()) {
        positions.truncate(half);
        return Some(Shape::Line(positions));
    }
    if !closed && positions.len() > 2 {
        notes.add("unclosed_polygon", format!("{place}：多边形首尾不相接，已自动闭合"));
        positions.extend(positions.first().copied());
    }
    if positions.len() < 4 {
        notes.add("broken_shape", format!("{place}：多边形只有 {} 个点，至少要 4 个，已不采用", positions.len()));
        return None;
    }
    Some(Shape::Polygon(positions))
}

/// A circle; `None` (with a finding) when its centre or radius is impossible.
pub(super) fn circle(center: [f64; 2], radius_km: f64, place: &str, notes: &mut Notes) -> Option<Shape> {
    let mut one = [center];
    orient(&mut one, place, notes)?;
    if !(0.0..=20_040.0).contains(&radius_km) {
        notes.add("broken_shape", format!("{place}：圆的半径 {radius_km} 公里不可能，已不采用"));
        return None;
    }
    if radius_km > 500.0 {
        notes.add("huge_radius", format!("{place}：圆的半径 {radius_km} 公里过大，请核对单位（公里还是米）"));
    }
    let [center] = one;
    Some(Shape::Circle { center, radius_km: radius_km + 0.0 })
}

/// The box China lies in; its two ranges do not overlap, so a swapped pair shows.
fn in_china(lon: f64, lat: f64) -> bool {
    (73.0..=136.0).contains(&lon) && (3.0..=54.0).contains(&lat)
}

/// Whether a position lies in the box around China.
pub(super) fn is_in_china(p: &[f64; 2]) -> bool {
    in_china(p[0], p[1])
}

/// Puts positions into `[lon, lat]` and into range; `None` (with a finding) when that cannot be done.
fn orient(positions: &mut [[f64; 2]], place: &str, notes: &mut Notes) -> Option<()> {
    for p in positions.iter_mut() {
        // -0 and 0 are one place, and must be one content.
        *p = [p[0] + 0.0, p[1] + 0.0];
    }
    if positions.iter().all(|p| in_china(p[0], p[1])) {
        return Some(());
    }
    if positions.iter().all(|p| in_china(p[1], p[0])) {
        notes.add("swapped_coordinates", format!("{place}：经度和纬度写反了，已对调"));
        positions.iter_mut().for_each(|p| p.swap(0, 1));
        return Some(());
    }
    if positions.iter().any(|p| !(-90.0..=90.0).contains(&p[1]) || !(-360.0..=360.0).contains(&p[0])) {
        notes.add("broken_shape", format!("{place}：经纬度超出范围，已不采用"));
        return None;
    }
    if positions.iter().any(|p| p[0].abs() > 180.0) {
        notes.add("wrapped_longitude", format!("{place}：经度超过 180 度，已换算"));
        for p in positions.iter_mut() {
            if p[0] > 180.0 {
                p[0] -= 360.0;
            } else if p[0] < -180.0 {
                p[0] += 360.0;
            }
        }
    }
    Some(())
}

/// The pairs of a CAP polygon text in the order they are written (`lat,lon lat,lon …`), tolerating
/// brackets, stray commas, spaces behind commas and a third number per position.
pub(super) fn pairs(text: &str) -> Result<Vec<[f64; 2]>, String> {
    let tokens: Vec<Vec<f64>> = text
        .split(|c: char| c.is_whitespace() || matches!(c, ';' | '；'))
        .map(numbers)
        .filter(|t| !matches!(t, Ok(v) if v.is_empty()))
        .collect::<Result<_, _>>()?;
    let pick = |t: &[f64]| match t {
        [a, b, ..] => Some([*a, *b]),
        _ => None,
    };
    if tokens.iter().all(|t| t.len() == 2) || tokens.iter().all(|t| t.len() == 3) {
        return Ok(tokens.iter().filter_map(|t| pick(t)).collect());
    }
    let flat: Vec<f64> = tokens.concat();
    if !flat.len().is_multiple_of(2) {
        return Err(quote(text));
    }
    Ok(flat.chunks_exact(2).filter_map(pick).collect())
}

/// `a,b radius` of a CAP circle: the two numbers as written, and the radius (0 when left out).
pub(super) fn circle_text(text: &str) -> Result<([f64; 2], f64), String> {
    let spaced = text.replace(['，', ';', '；'], ",");
    let all: Vec<f64> = spaced.split_whitespace().map(numbers).collect::<Result<Vec<_>, _>>()?.concat();
    match all.as_slice() {
        [a, b, r] => Ok(([*a, *b], *r)),
        [a, b] => Ok(([*a, *b], 0.0)),
        _ => Err(quote(text)),
    }
}

fn numbers(token: &str) -> Result<Vec<f64>, String> {
    token
        .split([',', '，'])
        .map(|n| n.trim_matches(['(', ')', '[', ']', '{', '}', '（', '）']))
        .filter(|n| !n.is_empty())
        .map(|n| n.parse::<f64>().ok().filter(|f| f.is_finite()).ok_or_else(|| quote(n)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(positions: &[[f64; 2]], unclosed: Unclosed) -> (Option<Shape>, Vec<String>) {
        let mut notes = Notes::default();
        let shape = ring(positions.to_vec(), unclosed, "区域1", &mut notes);
        (shape, notes.finish().into_iter().map(|f| f.code).collect())
    }

    const A: [f64; 2] = [112.0, 35.0];
    const B: [f64; 2] = [113.0, 35.0];
    const C: [f64; 2] = [113.0, 36.0];

    #[test]
    fn an_unclosed_ring_is_closed_or_a_line() {
        assert_eq!(read(&[A, B, C, A], Unclosed::Polygon), (Some(Shape::Polygon(vec![A, B, C, A])), vec![]));
        assert_eq!(read(&[A, B, C], Unclosed::Polygon), (Some(Shape::Polygon(vec![A, B, C, A])), vec!["unclosed_polygon".into()]));
        assert_eq!(read(&[A, B, C], Unclosed::Line), (Some(Shape::Line(vec![A, B, C])), vec![]));
        assert_eq!(read(&[A, B, B, A], Unclosed::Polygon), (Some(Shape::Line(vec![A, B])), vec![]));
        assert_eq!(read(&[A, B], Unclosed::Polygon), (None, vec!["broken_shape".into()]));
        assert_eq!(read(&[], Unclosed::Line), (None, vec!["broken_shape".into()]));
    }

    #[test]
    fn swapped_numbers_are_seen_by_chinas_box() {
        let swapped = [A, B, C, A].map(|[lon, lat]| [lat, lon]);
        assert_eq!(read(&swapped, Unclosed::Polygon), (Some(Shape::Polygon(vec![A, B, C, A])), vec!["swapped_coordinates".into()]));
        assert_eq!(read(&[[200.0, 95.0], A, B, C], Unclosed::Polygon).0, None);
        let (shape, codes) = read(&[[-180.005, 10.0], [-179.0, 10.0], [-179.0, 11.0], [-180.005, 10.0]], Unclosed::Polygon);
        assert!(matches!(shape, Some(Shape::Polygon(p)) if p.iter().all(|p| p[0].abs() <= 180.0)));
        assert_eq!(codes, ["wrapped_longitude"]);
    }

    #[test]
    fn polygon_texts_of_real_senders_are_read() {
        assert_eq!(pairs("35,112 35,113 36,113").unwrap().len(), 3);
        assert_eq!(
            pairs("+41.12,-117.61 +40.85,-118.09, +40.86,-118.09,").unwrap(),
            [[41.12, -117.61], [40.85, -118.09], [40.86, -118.09]]
        );
        assert_eq!(pairs("35, 112 36, 113").unwrap(), [[35.0, 112.0], [36.0, 113.0]]);
        assert_eq!(pairs("8.72977),-68.13409").unwrap(), [[8.72977, -68.13409]]);
        assert_eq!(pairs("35,112,0 36,113,0 37,114,0").unwrap(), [[35.0, 112.0], [36.0, 113.0], [37.0, 114.0]]);
        assert!(pairs("35,112 36").is_err() && pairs("NaN,112").is_err() && pairs("a,b").is_err());
        assert_eq!(circle_text("32.9525,-115.5527 0").unwrap(), ([32.9525, -115.5527], 0.0));
        assert_eq!(circle_text("32.9,-115.5").unwrap(), ([32.9, -115.5], 0.0));
        assert!(circle_text("1 2 3 4").is_err());
    }

    #[test]
    fn an_impossible_radius_is_dropped_and_a_huge_one_is_said() {
        let mut notes = Notes::default();
        assert!(circle(A, -1.0, "区域1", &mut notes).is_none() && circle(A, f64::NAN, "区域1", &mut notes).is_none());
        assert!(circle(A, 5000.0, "区域1", &mut notes).is_some());
        assert!(notes.finish().iter().any(|f| f.code == "huge_radius"));
    }
}
