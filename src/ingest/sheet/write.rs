//! The directory as sheets, in the very forms that the import reads: one row per post, per point, per person and shift.

use super::{COLUMNS, Column, Form, cell};
use crate::core::{
    directory::{Directory, Point, Post, Recipient, Role},
    division::{Division, DivisionLevel},
    ids::RecipientId,
    phone::Phone,
    role::RoleWords,
    rota::{Seat, Shift},
    time::Time,
};
use rust_xlsxwriter::{Format, Workbook, XlsxError};
use std::collections::BTreeMap;

/// The people as CSV: [`form_csv`] with the shipped names of roles and numbers in full.
pub fn sheet_csv(directory: &Directory) -> String {
    form_csv(directory, Form::People, &RoleWords::default(), true)
}

/// One form of the directory as CSV in UTF-8 with BOM (spreadsheets in Chinese need it). Reading it back gives the same.
/// `reveal`: numbers in full, which the caller must be allowed to see; masked ones cannot be read back.
pub fn form_csv(directory: &Directory, form: Form, words: &RoleWords, reveal: bool) -> String {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    // Writing into memory cannot fail, and every record has the same length.
    let mut put = |record: Vec<String>| drop(writer.write_record(record));
    put(form.columns().iter().map(|(_, title, _)| (*title).to_string()).collect());
    for record in records(directory, form, words, reveal) {
        put(record.iter().map(|text| cell::escape(text)).collect());
    }
    let bytes = writer.into_inner().unwrap_or_default();
    format!("\u{feff}{}", String::from_utf8(bytes).unwrap_or_default())
}

/// The directory as a workbook with a sheet for each form that has something. Every cell is text, so that no spreadsheet
/// makes a number of a telephone number.
///
/// # Errors
/// More rows than a sheet holds.
pub fn workbook(directory: &Directory, forms: &[Form], words: &RoleWords, reveal: bool) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let text = Format::new().set_num_format("@");
    for form in forms {
        let rows = records(directory, *form, words, reveal);
        if rows.is_empty() && *form != Form::People {
            continue;
        }
        let sheet = book.add_worksheet();
        sheet.set_name(form.name_zh())?;
        sheet.set_freeze_panes(1, 0)?;
        let titles = form.columns().iter().map(|(_, title, _)| (*title).to_string()).collect();
        for (n, row) in (0u32..).zip(std::iter::once(titles).chain(rows)) {
            for (column, value) in (0u16..).zip(row).filter(|(_, v): &(u16, String)| !v.is_empty()) {
                // What begins with an apostrophe loses it when it is read.
                let value = if value.starts_with('\'') { cell::escape(&value) } else { value };
                sheet.write_string_with_format(n, column, value, &text)?;
            }
        }
    }
    book.save_to_buffer()
}

/// The rows of a form, each with a text for each of its columns.
fn records(directory: &Directory, form: Form, words: &RoleWords, reveal: bool) -> Vec<Vec<String>> {
    let writer = Writer { d: directory, words, reveal };
    match form {
        Form::People => writer.people(),
        Form::Points => directory.points.values().enumerate().map(|(n, p)| writer.point(n + 1, p)).collect(),
        Form::Rotas => {
            let shifts = directory.rotas.iter().flat_map(|(seat, all)| all.iter().map(move |s| (seat, s)));
            shifts.enumerate().filter_map(|(n, (seat, s))| writer.shift(n + 1, seat, s)).collect()
        }
    }
}

struct Writer<'a> {
    d: &'a Directory,
    words: &'a RoleWords,
    reveal: bool,
}

impl Writer<'_> {
    fn number(&self, phone: &Phone) -> String {
        if self.reveal { phone.reveal().to_string() } else { phone.masked() }
    }
    /// An address is as personal as a number.
    fn address(&self, text: &str) -> String {
        if self.reveal { text.to_string() } else { text.chars().take(1).chain("***".chars()).collect() }
    }
    fn join(&self, phones: &[Phone]) -> String {
        phones.iter().map(|p| self.number(p)).collect::<Vec<_>>().join("/")
    }
    fn name_at(&self, division: Division, level: DivisionLevel) -> String {
        division.at(level).and_then(|c| self.d.division_name(c)).unwrap_or_default().to_string()
    }

    fn people(&self) -> Vec<Vec<String>> {
        let mut posts: Vec<&Post> = self.d.posts.iter().collect();
        posts.sort_by(|a, b| (a.recipient, a.key()).cmp(&(b.recipient, b.key())));
        let mut first_row: BTreeMap<RecipientId, usize> = BTreeMap::new();
        let mut only_desk: BTreeMap<RecipientId, bool> = BTreeMap::new();
        for (n, post) in posts.iter().enumerate() {
            first_row.entry(post.recipient).or_insert(n + 1);
            *only_desk.entry(post.recipient).or_insert(true) &= post.role.0 == Role::DUTY;
        }
        let row = |(n, post): (usize, &&Post)| {
            let person = self.d.recipients.get(&post.recipient);
            let desk = only_desk.get(&post.recipient).copied().unwrap_or(false);
            COLUMNS.iter().map(|(column, _, _)| self.field(*column, n + 1, post, person, desk, &first_row)).collect()
        };
        posts.iter().enumerate().map(row).collect()
    }

    fn point(&self, serial: usize, p: &Point) -> Vec<String> {
        let count = |n: u32| if n == 0 { String::new() } else { n.to_string() };
        let of = |column: Column| match column {
            Column::Serial => serial.to_string(),
            Column::ObjectCode => p.code.clone(),
            Column::ObjectName => p.name.clone(),
            Column::Role => self.words.name(&Role::new(&p.kind)).to_string(),
            Column::Category => p.category.clone(),
            Column::Division => p.division.to_string(),
            Column::County => self.name_at(p.division, DivisionLevel::County),
            Column::Township => self.name_at(p.division, DivisionLevel::Township),
            Column::Village => self.name_at(p.division, DivisionLevel::Village),
            Column::Longitude => p.position.map(|[x, _]| x.to_string()).unwrap_or_default(),
            Column::Latitude => p.position.map(|[_, y]| y.to_string()).unwrap_or_default(),
            Column::Downstream => p.downstream.join("、"),
            Column::Households => count(p.households),
            Column::People => count(p.people),
            Column::Note => p.note.clone(),
            _ => String::new(),
        };
        Form::Points.columns().iter().map(|(c, _, _)| of(*c)).collect()
    }

    fn shift(&self, serial: usize, seat: &Seat, shift: &Shift) -> Option<Vec<String>> {
        let person = self.d.recipients.get(&shift.recipient)?;
        let at = |t: Time| t.beijing().strftime("%Y-%m-%d %H:%M").to_string();
        let of = |column: Column| match column {
            Column::Serial => serial.to_string(),
            Column::Division => seat.division.to_string(),
            Column::County => self.name_at(seat.division, DivisionLevel::County),
            Column::Township => self.name_at(seat.division, DivisionLevel::Township),
            Column::Starts => at(shift.from),
            Column::Ends => at(shift.to),
            Column::Seat => self.words.name(&seat.role).to_string(),
            Column::Name => person.name.clone(),
            Column::Phone1 => self.join(&person.phones),
            Column::Note => shift.note.clone(),
            _ => String::new(),
        };
        Some(Form::Rotas.columns().iter().map(|(c, _, _)| of(*c)).collect())
    }

    fn field(
        &self,
        column: Column,
        serial: usize,
        post: &Post,
        person: Option<&Recipient>,
        desk: bool,
        first_row: &BTreeMap<RecipientId, usize>,
    ) -> String {
        let phones = person.map(|p| p.phones.as_slice()).unwrap_or_default();
        let point = post.place.point.as_ref().and_then(|c| self.d.points.get(c));
        let name_at = |level: DivisionLevel| self.name_at(post.place.division, level);
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
            Column::Role => self.words.name(&post.role).to_string(),
            Column::Tier => post.tier.word().to_string(),
            Column::ObjectCode => post.place.point.clone().unwrap_or_default(),
            Column::ObjectName => point.map(|p| p.name.clone()).unwrap_or_default(),
            // A desk's own numbers may stand in its column: mobiles first, as they are read back.
            Column::Phone1 if desk && phones.iter().all(|p| !p.is_mobile()) => String::new(),
            Column::Phone1 => phones.first().map(|p| self.number(p)).unwrap_or_default(),
            Column::Phone2 if desk && (phones.iter().all(|p| !p.is_mobile()) || in_duty_column(phones)) => String::new(),
            Column::Phone2 => self.join(phones.get(1..).unwrap_or_default()),
            Column::DutyPhone if desk && phones.iter().all(|p| !p.is_mobile()) => self.join(phones),
            Column::DutyPhone if desk && in_duty_column(phones) => self.join(phones.get(1..).unwrap_or_default()),
            Column::DutyPhone => String::new(),
            Column::Im => person.and_then(|p| p.im.as_deref()).map(|t| self.address(t)).unwrap_or_default(),
            Column::Email => person.and_then(|p| p.email.as_deref()).map(|t| self.address(t)).unwrap_or_default(),
            Column::Superior => post.superior.map(|id| self.mention(id, first_row)).unwrap_or_default(),
            Column::Deputy => post.deputy.map(|id| self.deputy(id, first_row)).unwrap_or_default(),
            Column::DeputyPhone => post.deputy.and_then(|id| self.d.recipients.get(&id)).map(|r| self.join(&r.phones)).unwrap_or_default(),
            Column::Households => number(post.households),
            Column::People => number(post.people),
            Column::Route => post.route.clone(),
            Column::Shelter => post.shelter.clone(),
            Column::ValidFrom => post.valid_from.map(|t| day(t, false)).unwrap_or_default(),
            Column::ValidTo => post.valid_to.map(|t| day(t, true)).unwrap_or_default(),
            Column::Note => post.note.clone(),
            Column::Longitude => degree(0),
            Column::Latitude => degree(1),
            _ => String::new(),
        }
    }

    /// A superior, such that the import finds just him: name and all his numbers, which stand nowhere else where he has no
    /// post; else the serial of his row.
    fn mention(&self, id: RecipientId, first_row: &BTreeMap<RecipientId, usize>) -> String {
        let Some(person) = self.d.recipients.get(&id) else { return String::new() };
        match first_row.get(&id).filter(|_| person.phones.is_empty()) {
            Some(row) => row.to_string(),
            None => std::iter::once(person.name.clone()).chain(person.phones.iter().map(|p| self.number(p))).collect::<Vec<_>>().join(" "),
        }
    }

    /// A deputy: his numbers have a column of their own; without any, the serial of his row.
    fn deputy(&self, id: RecipientId, first_row: &BTreeMap<RecipientId, usize>) -> String {
        let Some(person) = self.d.recipients.get(&id) else { return String::new() };
        match first_row.get(&id).filter(|_| person.phones.is_empty()) {
            Some(row) => row.to_string(),
            None => person.name.clone(),
        }
    }
}

/// One mobile, then landlines only.
fn in_duty_column(phones: &[Phone]) -> bool {
    phones.len() > 1 && phones.iter().skip(1).all(|p| !p.is_mobile())
}

/// The Beijing day of an instant; the day before, where a day that still counts was meant.
fn day(t: Time, inclusive: bool) -> String {
    let t = if inclusive { t - cell::DAY } else { t };
    t.beijing().date().to_string()
}
