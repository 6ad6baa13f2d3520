//! `areas` of the native warning. What has the wrong type is a fault; a code that is none, or a shape that
//! is only broken geometry, is a finding, and the rest is called.

use super::{LEVEL, MAX_WORD, form, form::Form, value::Value};
use crate::{
    core::{
        division::Division,
        warning::{Area, Shape},
    },
    ingest::{
        notes::Notes,
        shape::{self, Unclosed},
        text::quote,
    },
};

const FIELDS: &[&str] = &["name", "division", "polygon", "circle", "point", "level"];

/// Reads the list; empty is a fault when areas are needed.
pub(super) fn read_all(form: &mut Form, pointer: &str, value: &Value, needed: bool, notes: &mut Notes) -> Option<Vec<Area>> {
    let Value::List(items) = value else {
        form.fault(pointer, format!("must be a list of areas, not {}", value.kind()));
        return None;
    };
    if needed && items.is_empty() {
        form.fault(pointer, "must hold at least one area");
    }
    Some(items.iter().enumerate().filter_map(|(n, item)| read(form, &format!("{pointer}/{n}"), item, n + 1, notes)).collect())
}

fn read(form: &mut Form, pointer: &str, value: &Value, n: usize, notes: &mut Notes) -> Option<Area> {
    let Value::Object(fields) = value else {
        form.fault(pointer, format!("must be an object, not {}", value.kind()));
        return None;
    };
    form.known_only(pointer, fields, FIELDS);
    let at = |name: &str| format!("{pointer}/{name}");
    let get = |name: &str| form::field(fields, name);
    let name = get("name").and_then(|v| form.line(&at("name"), v, MAX_WORD));
    let level = get("level").and_then(|v| form.word(&at("level"), v, LEVEL));
    let place = match &name {
        Some(name) => format!("区域{n}（{}）", quote(name)),
        None => format!("区域{n}"),
    };
    let given: Vec<&str> = ["division", "polygon", "circle", "point"].into_iter().filter(|f| get(f).is_some()).collect();
    let shape = match given.as_slice() {
        [] => {
            if name.is_none() && get("name").is_none() {
                form.fault(pointer, "needs one of division, polygon, circle, point, or a name");
            }
            None
        }
        ["division"] => get("division").and_then(|v| division(form, &at("division"), v, &place, notes)),
        ["polygon"] => {
            get("polygon").and_then(|v| polygon(form, &at("polygon"), v)).and_then(|p| shape::ring(p, Unclosed::Polygon, &place, notes))
        }
        ["circle"] => get("circle").and_then(|v| circle(form, &at("circle"), v)).and_then(|(c, r)| shape::circle(c, r, &place, notes)),
        ["point"] => get("point").and_then(|v| form.line(&at("point"), v, MAX_WORD)).map(Shape::Point),
        several => {
            form.fault(pointer, format!("has {}; an area has exactly one of them", several.join(" and ")));
            None
        }
    };
    // A broken shape with a name is still a place people know.
    let shape = shape.or_else(|| name.clone().map(Shape::Named))?;
    Some(Area { name, shape, level })
}

/// A division; a text that is no code is kept as a name, for an officer to read if nobody else can.
fn division(form: &mut Form, pointer: &str, value: &Value, place: &str, notes: &mut Notes) -> Option<Shape> {
    let Value::Text(raw) = value else {
        form.fault(pointer, format!("must be a string of digits, not {}", value.kind()));
        return None;
    };
    let text = quote(raw);
    match text.parse::<Division>() {
        Ok(d) => Some(Shape::Division(d)),
        Err(_) if text.trim().is_empty() => {
            form.fault(pointer, "is empty; leave it out, or give a code of 6, 9 or 12 digits");
            None
        }
        Err(_) => {
            notes.add("foreign_geocode", format!("{place}：编码“{text}”不是行政区划代码，未采用"));
            Some(Shape::Named(text))
        }
    }
}

fn polygon(form: &mut Form, pointer: &str, value: &Value) -> Option<Vec<[f64; 2]>> {
    let Value::List(items) = value else {
        form.fault(pointer, format!("must be a list of [longitude, latitude] positions, not {}", value.kind()));
        return None;
    };
    let positions: Vec<Option<[f64; 2]>> = items.iter().enumerate().map(|(n, p)| position(form, &format!("{pointer}/{n}"), p)).collect();
    positions.into_iter().collect()
}

fn position(form: &mut Form, pointer: &str, value: &Value) -> Option<[f64; 2]> {
    if let Value::List(two) = value
        && let [lon, lat] = two.as_slice()
        && let (Some(lon), Some(lat)) = (lon.number(), lat.number())
    {
        return Some([lon, lat]);
    }
    form.fault(pointer, "must be a position [longitude, latitude] of two numbers");
    None
}

fn circle(form: &mut Form, pointer: &str, value: &Value) -> Option<([f64; 2], f64)> {
    let Value::Object(fields) = value else {
        form.fault(pointer, format!("must be an object with center and radius_km, not {}", value.kind()));
        return None;
    };
    form.known_only(pointer, fields, &["center", "radius_km"]);
    let center = form.required(&format!("{pointer}/center"), form::field(fields, "center"), position);
    let radius = form.required(&format!("{pointer}/radius_km"), form::field(fields, "radius_km"), |f, p, v| {
        let number = v.number();
        if number.is_none() {
            f.fault(p, format!("must be a number of kilometres, not {}", v.kind()));
        }
        number
    });
    center.zip(radius)
}
