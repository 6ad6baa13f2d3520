//! Outlines as GeoJSON (RFC 7946): a Feature, a FeatureCollection or a bare geometry a file.
//!
//! Whose outline it is: the property `division`, `code` or `adcode`; else the file's name, such as
//! `140521000000.geojson` or `140521.geojson`. Lines and points in a file are passed over. Nothing is
//! mended here: these files are ours, so a broken one is a fault to be told, not a finding.

use super::{division::Division, outline::Outline};
use geo::{Coord, LineString, MultiPolygon, Polygon};
use serde::Deserialize;

/// Property names that hold the code, in the order they are asked.
const CODE: [&str; 3] = ["division", "code", "adcode"];

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Root {
    FeatureCollection {
        features: Vec<Feature>,
    },
    Feature(Feature),
    #[serde(untagged)]
    Geometry(Geometry),
}

#[derive(Deserialize)]
struct Feature {
    #[serde(default)]
    properties: Option<serde_json::Map<String, serde_json::Value>>,
    geometry: Option<Geometry>,
}

type Position = Vec<f64>;

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Geometry {
    Polygon {
        coordinates: Vec<Vec<Position>>,
    },
    MultiPolygon {
        coordinates: Vec<Vec<Vec<Position>>>,
    },
    #[serde(rename = "GeometryCollection")]
    Collection {
        geometries: Vec<Geometry>,
    },
    #[serde(other)]
    Other,
}

/// Reads a file; `stem` is its name without the ending.
///
/// # Errors
/// One plain line: what is wrong, and what to do.
pub fn parse_outlines(stem: &str, text: &str) -> Result<Vec<Outline>, String> {
    let root: Root = serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|e| format!("is not GeoJSON of divisions: {e}"))?;
    let features = match root {
        Root::FeatureCollection { features } => features,
        Root::Feature(one) => vec![one],
        Root::Geometry(geometry) => vec![Feature { properties: None, geometry: Some(geometry) }],
    };
    let alone = features.len() == 1;
    let mut all: Vec<Outline> = Vec::new();
    for (n, feature) in features.into_iter().enumerate() {
        let at = |what: String| format!("feature {}: {what}", n + 1);
        let mut polygons = Vec::new();
        collect(feature.geometry, &mut polygons).map_err(at)?;
        if polygons.is_empty() {
            continue;
        }
        let division = code(feature.properties.as_ref(), alone.then_some(stem)).map_err(at)?;
        if all.iter().any(|o| o.division == division) {
            return Err(at(format!("{division} has an outline already; put its parts into one MultiPolygon")));
        }
        let outline = Outline::new(division, MultiPolygon(polygons));
        all.push(outline.ok_or_else(|| at(format!("the outline of {division} encloses nothing")))?);
    }
    if all.is_empty() { Err("has no Polygon or MultiPolygon; take it out of the folder".into()) } else { Ok(all) }
}

/// The division of a feature.
fn code(properties: Option<&serde_json::Map<String, serde_json::Value>>, stem: Option<&str>) -> Result<Division, String> {
    let given = CODE.iter().find_map(|k| properties?.get(*k)).map(|v| match v {
        serde_json::Value::String(s) => s.clone(),
        other => other.to_string(),
    });
    match (given, stem) {
        (Some(code), _) => code.parse(),
        (None, Some(stem)) => stem.parse().map_err(|_| {
            format!("whose outline it is stands nowhere: name the file after the code, such as 140521.geojson, or add a property `division` (the name is `{stem}`)")
        }),
        (None, None) => Err("has no property `division` with the code".into()),
    }
}

fn collect(geometry: Option<Geometry>, out: &mut Vec<Polygon>) -> Result<(), String> {
    match geometry {
        Some(Geometry::Polygon { coordinates }) => out.push(polygon(coordinates)?),
        Some(Geometry::MultiPolygon { coordinates }) => {
            for one in coordinates {
                out.push(polygon(one)?);
            }
        }
        Some(Geometry::Collection { geometries }) => {
            for one in geometries {
                collect(Some(one), out)?;
            }
        }
        Some(Geometry::Other) | None => {}
    }
    Ok(())
}

fn polygon(rings: Vec<Vec<Position>>) -> Result<Polygon, String> {
    let mut rings = rings.into_iter().map(ring).collect::<Result<Vec<_>, _>>()?.into_iter();
    let outer = rings.next().ok_or("a Polygon without a ring")?;
    Ok(Polygon::new(outer, rings.collect()))
}

fn ring(positions: Vec<Position>) -> Result<LineString, String> {
    let mut corners = Vec::with_capacity(positions.len());
    for p in positions {
        let [lon, lat, ..] = p.as_slice() else { return Err("a position without two numbers".into()) };
        // A swapped outline would call another county, or none.
        if !(73.0..=136.0).contains(lon) || !(3.0..=54.0).contains(lat) {
            return Err(format!("[{lon}, {lat}] is not longitude, latitude in China (WGS 84)"));
        }
        corners.push(Coord { x: *lon, y: *lat });
    }
    let closed = corners.first() == corners.last();
    if corners.len() < 4 || !closed {
        return Err(format!("a ring of {} positions; it needs four, and must end where it begins", corners.len()));
    }
    Ok(LineString::new(corners))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: &str = "[[[112.0,35.0],[113.0,35.0],[113.0,36.0],[112.0,36.0],[112.0,35.0]]]";

    fn read(stem: &str, text: &str) -> Result<Vec<String>, String> {
        parse_outlines(stem, text).map(|all| all.iter().map(|o| o.division.to_string()).collect())
    }

    #[test]
    fn the_code_is_a_property_or_the_files_name() {
        let bare = format!(r#"{{"type":"Polygon","coordinates":{SQUARE}}}"#);
        assert_eq!(read("140521", &bare).unwrap(), ["140521000000"]);
        let feature = |properties: &str| format!(r#"{{"type":"Feature","properties":{properties},"geometry":{bare}}}"#);
        assert_eq!(read("140521000000", &feature("null")).unwrap(), ["140521000000"]);
        assert_eq!(read("county", &feature(r#"{"adcode":140522,"name":"x"}"#)).unwrap(), ["140522000000"]);
        let both = format!(
            r#"{{"type":"FeatureCollection","features":[{},{}]}}"#,
            feature(r#"{"division":"140521"}"#),
            feature(r#"{"code":"140522101"}"#)
        );
        assert_eq!(read("all", &both).unwrap(), ["140521000000", "140522101000"]);
        let many = format!(r#"{{"type":"MultiPolygon","coordinates":[{SQUARE},{SQUARE}]}}"#);
        let outline = parse_outlines("140521", &many).unwrap();
        assert_eq!((outline.len(), outline[0].rings.0.len(), outline[0].samples.len()), (1, 2, 256));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let bare = |ring: &str| format!(r#"{{"type":"Polygon","coordinates":[{ring}]}}"#);
        for (stem, text, says) in [
            ("county", bare("[[112,35],[113,35],[113,36],[112,35]]"), "name the file after the code"),
            ("140521", bare("[[35,112],[35,113],[36,113],[35,112]]"), "not longitude, latitude"),
            ("140521", bare("[[112,35],[113,35],[112,35]]"), "needs four"),
            ("140521", bare("[[112,35],[113,35],[113,36],[112,36]]"), "end where it begins"),
            ("140521", bare("[[112,35],[112,35],[112,35],[112,35]]"), "encloses nothing"),
            ("140521", r#"{"type":"Point","coordinates":[112,35]}"#.into(), "no Polygon"),
            ("140521", r#"{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[1,2]}]}"#.into(), "no Polygon"),
            ("140521", "{}".into(), "not GeoJSON"),
            ("140521", "nonsense".into(), "not GeoJSON"),
        ] {
            let why = read(stem, &text).unwrap_err();
            assert!(why.contains(says), "{text}: {why}");
        }
    }
}
