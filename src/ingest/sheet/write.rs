//! The directory as a sheet, in the very form that the import reads: one row per post.

use super::{COLUMNS, Column, cell};
use crate::core::{
    directory::{Directory, Post, Recipient, Role},
    division::DivisionLevel,
    ids::RecipientId,
    phone::Phone,
    time::Time,
};
use std::collections::BTreeMap;

/// The directory as CSV in UTF-8 with BOM (spreadsheets in Chinese need it), by person. Reading it
/// back gives the same people and posts. Numbers are written in full: the caller must be allowed to.
pub fn sheet_csv(directory: &Directory) -> String {
    let mut posts: Vec<&Post> = directory.posts.iter().collect();
    posts.sort_by(|a, b| (a.recipient, a.key()).cmp(&(b.recipient, b.key())));
    let mut first_row: BTreeMap<RecipientId, usize> = BTreeMap::new();
    let mut only_desk: BTreeMap<RecipientId, bool> = BTreeMap::new();
    for (n, post) in posts.iter().enumerate() {
        first_row.entry(post.recipient).or_insert(n + 1);
        *only_desk.entry(post.recipient).or_insert(true) &= post.role.0 == Role::DUTY;
    }
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    // Writing into memory cannot fail, and every record has the same length.
    let mut put = |record: Vec<String>| drop(writer.write_record(record));
    put(COLUMNS.iter().map(|(_, title, _)| (*title).to_string()).collect());
    for (n, post) in posts.iter().enumerate() {
        let person = directory.recipients.get(&post.recipient);
        let desk = only_desk.get(&post.recipient).copied().unwrap_or(false);
        let record = COLUMNS.iter().map(|(column, _, _)| cell::escape(&field(directory, *column, n + 1, post, person, desk, &first_row)));
        put(record.collect());
    }
    let bytes = writer.into_inner().unwrap_or_default();
    format!("\u{feff}{}", String::from_utf8(bytes).unwrap_or_default())
}

fn field(
    d: &Directory,
    column: Column,
    serial: usize,
    post: &Post,
    person: Option<&Recipient>,
    desk: bool,
    first_row: &BTreeMap<RecipientId, usize>,
) -> String {
    let phones = person.map(|p| p.phones.as_slice()).unwrap_or_default();
    let point = post.place.point.as_ref().and_then(|c| d.points.get(c));
    let name_at = |level: DivisionLevel| post.place.division.at(level).and_then(|c| d.division_name(c)).unwrap_or_default().to_string();
    let number = |n: u32| if n == 0 { String::new() } else { n.to_string() };
    let degree = |axis: usize| point.and_then(|p| p.position?.get(axis).map(f64::to_string)).unwrap_or_default();
    match column {
        Column::Serial => serial.to_string(),
        Column::Division => post.place.division.to_string(),
        Column::County => name_at(DivisionLevel::County),
        Column::Township => name_at(DivisionLevel::Township),
        Column::Village => name_at(DivisionLevel::Village),
        Column::Name => person.map(|p| p.name.clone()).unwrap_or_default(),
        Column::Title => post.title.clone(),
        Column::Role => post.role.name_zh().to_string(),
        Column::Tier => post.tier.word().to_string(),
        Column::ObjectCode => post.place.point.clone().unwrap_or_default(),
        Column::ObjectName => point.map(|p| p.name.clone()).unwrap_or_default(),
        // A desk's own numbers may stand in its column: mobiles first, as they are read back.
        Column::Phone1 if desk && phones.iter().all(|p| !p.is_mobile()) => String::new(),
        Column::Phone1 => phones.first().map(|p| p.reveal().to_string()).unwrap_or_default(),
        Column::Phone2 if desk && (phones.iter().all(|p| !p.is_mobile()) || in_duty_column(phones)) => String::new(),
        Column::Phone2 => join(phones.get(1..).unwrap_or_default()),
        Column::DutyPhone if desk && phones.iter().all(|p| !p.is_mobile()) => join(phones),
        Column::DutyPhone if desk && in_duty_column(phones) => join(phones.get(1..).unwrap_or_default()),
        Column::DutyPhone => String::new(),
        Column::Im => person.and_then(|p| p.im.clone()).unwrap_or_default(),
        Column::Email => person.and_then(|p| p.email.clone()).unwrap_or_default(),
        Column::Superior => post.superior.map(|id| mention(d, id, first_row)).unwrap_or_default(),
        Column::Deputy => post.deputy.map(|id| deputy(d, id, first_row)).unwrap_or_default(),
        Column::DeputyPhone => post.deputy.and_then(|id| d.recipients.get(&id)).map(|r| join(&r.phones)).unwrap_or_default(),
        Column::Households => number(post.households),
        Column::People => number(post.people),
        Column::Route => post.route.clone(),
        Column::Shelter => post.shelter.clone(),
        Column::ValidFrom => post.valid_from.map(|t| day(t, false)).unwrap_or_default(),
        Column::ValidTo => post.valid_to.map(|t| day(t, true)).unwrap_or_default(),
        Column::Note => post.note.clone(),
        Column::Longitude => degree(0),
        Column::Latitude => degree(1),
    }
}

/// One mobile, then landlines only.
fn in_duty_column(phones: &[Phone]) -> bool {
    phones.len() > 1 && phones.iter().skip(1).all(|p| !p.is_mobile())
}

fn join(phones: &[Phone]) -> String {
    phones.iter().map(Phone::reveal).collect::<Vec<_>>().join("/")
}

/// A superior, such that the import finds just him: name and number, else the serial of his row.
fn mention(d: &Directory, id: RecipientId, first_row: &BTreeMap<RecipientId, usize>) -> String {
    let Some(person) = d.recipients.get(&id) else { return String::new() };
    match (person.phones.first(), first_row.get(&id)) {
        (Some(phone), _) => format!("{} {}", person.name, phone.reveal()),
        (None, Some(row)) => row.to_string(),
        (None, None) => person.name.clone(),
    }
}

/// A deputy: his numbers have a column of their own; without any, the serial of his row.
fn deputy(d: &Directory, id: RecipientId, first_row: &BTreeMap<RecipientId, usize>) -> String {
    let Some(person) = d.recipients.get(&id) else { return String::new() };
    match first_row.get(&id).filter(|_| person.phones.is_empty()) {
        Some(row) => row.to_string(),
        None => person.name.clone(),
    }
}

/// The Beijing day of an instant; the day before, where a day that still counts was meant.
fn day(t: Time, inclusive: bool) -> String {
    let t = if inclusive { t - cell::DAY } else { t };
    t.beijing().date().to_string()
}
