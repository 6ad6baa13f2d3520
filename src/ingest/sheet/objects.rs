//! What the rows of persons say of points (责任对象). A point that the directory or the file's own sheet of points has is what
//! those say: whoever answers for it may have his office in the next township, and may call it what he likes. Only a new point
//! is made from the rows: its division is the deepest that they agree on, for the village's patrol and the township's head
//! answer for the same reservoir.

use super::{
    Column, ImportOptions, SheetFault,
    places::Places,
    rows::{Object, SheetRow, SheetRows},
    same::{Fit, named, too_high},
    siting::{Village, carried_down},
};
use crate::core::{
    directory::{Directory, Point, Role, Tier},
    division::{Division, DivisionLevel},
};
use std::collections::{BTreeMap, BTreeSet};

/// Where the place of a point that the file's persons bring in comes from.
struct New {
    /// Index of the row that brought it.
    row: usize,
    /// Index of the row that took its village from above.
    above: Option<usize>,
}

/// Takes the objects of the rows of persons in. `given`: what the file's sheet of points has.
pub(super) fn merge(
    current: &Directory,
    rows: &SheetRows,
    given: &BTreeSet<&str>,
    places: &Places<'_>,
    options: &ImportOptions,
    points: &mut BTreeMap<String, Point>,
    faults: &mut Vec<SheetFault>,
) {
    let mut new: BTreeMap<&str, New> = BTreeMap::new();
    let mut settled: BTreeSet<String> = points.values().filter(|p| !p.kind.is_empty()).map(|p| p.code.clone()).collect();
    for (n, row) in rows.rows.iter().enumerate() {
        let Some(object) = row.object.as_ref() else { continue };
        let Some(point) = points.get_mut(&object.code) else {
            let name = if object.name.is_empty() { &object.code } else { &object.name };
            let (kind, special) = kind_of(row);
            if special {
                settled.insert(object.code.clone());
            }
            let point = Point { position: object.position, ..Point::new(&object.code, name, kind, row.division) };
            points.insert(object.code.clone(), point);
            new.insert(&object.code, New { row: n, above: (row.village == Village::Above).then_some(n) });
            continue;
        };
        let mut say = |column: Column, message: String, fatal: bool| faults.push(rows.fault(row, column, message, fatal));
        let own = new.get_mut(object.code.as_str());
        // A village that was only carried down says no more than its township.
        let guessed = own.as_ref().is_some_and(|o| o.above.is_some());
        let stands = if guessed { point.division.at(DivisionLevel::Township).unwrap_or(point.division) } else { point.division };
        let known = Point { division: stands, ..point.clone() };
        let fit = Fit::new(&known, &object.name, row.division, row.village);
        let is_known = current.points.contains_key(&object.code);
        if is_known && options.within.is_some_and(|area| !area.contains(point.division)) {
            let message =
                format!("责任对象 {} 登记在“{}”，不在本次导入的范围内；请移出此行", object.code, places.full_name(point.division));
            say(Column::ObjectCode, message, true);
            continue;
        }
        if fit.is_another(true) {
            say(Column::ObjectCode, fit.refusal(&known, &object.name, row.division, places), true);
            continue;
        }
        if fit.is_renamed() {
            let message =
                format!("责任对象 {} 登记的名称是“{}”，本行写“{}”；已按前者，要改名请用点位表", object.code, point.name, object.name);
            say(Column::ObjectName, message, false);
        }
        if !fit.is_here() {
            let (there, here) = (places.full_name(point.division), places.full_name(row.division));
            let message = format!("责任对象 {} 登记在“{there}”，本行写“{here}”；已按“{there}”，要改地点请用点位表", object.code);
            say(Column::Division, message, false);
        } else if let Some(own) = own {
            if deeper(point.division, guessed, row) {
                point.division = row.division;
                own.above = (row.village == Village::Above).then_some(n);
            }
        } else if row.village == Village::Written && row.division != point.division && point.division.contains(row.division) {
            let (there, here) = (places.full_name(point.division), places.full_name(row.division));
            let message = format!("责任对象 {} 只登记到“{there}”，本行写“{here}”；已按“{there}”，确在该村请用点位表改正", object.code);
            say(Column::Division, message, false);
        }
        if given.contains(object.code.as_str()) {
            continue;
        }
        if !named(point) && !object.name.is_empty() && fit.is_here() {
            point.name.clone_from(&object.name);
        }
        say_position(point, object, &mut say);
        // What a point is, a row of persons tells of a new one only: whoever answers for floods at a landslide does not make it
        // something else, and by its kind the policy finds the people round it.
        let (kind, special) = kind_of(row);
        if special && settled.insert(object.code.clone()) {
            point.kind = kind;
        }
    }
    for own in new.values() {
        told(rows, own, places, points, faults);
    }
}

/// Whether a row says better where a new point lies.
fn deeper(stands: Division, guessed: bool, row: &SheetRow) -> bool {
    match row.village {
        Village::Written => {
            row.division != stands && (stands.contains(row.division) || (guessed && row.division.level() == DivisionLevel::Village))
        }
        Village::Above => !guessed && row.division != stands && stands.contains(row.division),
        Village::Missing => row.division != stands && stands.contains(row.division),
    }
}

/// A point without a position takes the row's; a known one stays where it is.
fn say_position(point: &mut Point, object: &Object, say: &mut impl FnMut(Column, String, bool)) {
    match (point.position, object.position) {
        (None, Some(_)) => point.position = object.position,
        (Some(there), Some(here)) if there != here => {
            let message =
                format!("责任对象 {} 登记的坐标是 {}, {}，与本行不同；已按前者，要改坐标请用点位表", object.code, there[0], there[1]);
            say(Column::Longitude, message, false);
        }
        _ => {}
    }
}

/// The kind of point that a row's posts are for, and whether they tell it: a village head is there for everything.
fn kind_of(row: &SheetRow) -> (String, bool) {
    let general = |r: &&Role| matches!(r.0.as_str(), "contract" | "party_government" | "grid" | "department") || r.is_desk();
    let special = row.roles.iter().find(|r| !general(r));
    (special.or(row.roles.first()).map(|r| r.0.clone()).unwrap_or_default(), special.is_some())
}

/// Where a new point came to lie, if that is a guess or not in a village.
fn told(rows: &SheetRows, own: &New, places: &Places<'_>, points: &BTreeMap<String, Point>, faults: &mut Vec<SheetFault>) {
    let row = |n: usize| rows.rows.get(n);
    let Some(first) = row(own.row) else { return };
    let Some(point) = first.object.as_ref().and_then(|o| points.get(&o.code)) else { return };
    if let Some(guess) = own.above.and_then(row) {
        faults.push(rows.fault(guess, Column::Division, carried_down(&places.full_name(point.division)), false));
    } else if let Some((message, fatal)) = too_high(&point.code, point.division, places) {
        // A county's own post may stand at what its sheet places no nearer; who is of the point itself knows where it is.
        let fatal = fatal && first.tier == Tier::Point;
        faults.push(rows.fault(first, Column::Division, message, fatal));
    }
}
