//! Rows of a duty rota (值班表), as clerks make them: a day (or a merged block of days) and a shift to a row, 带班领导 and
//! 值班员 in columns of their own with a telephone column behind each, shifts as columns under a header of two rows;
//! or, as this program writes it, one person to a row with beginning and end.

use super::{
    Column, address, cell,
    places::{Names, Places},
    rows::Reader,
    siting::filled,
    table::{Row, Sheet},
};
use crate::core::{
    directory::{Role, Tier},
    division::Division,
    phone::Phone,
    rota::{LONGEST, Seat},
    time::{Span, Time},
};
use jiff::civil::{self, Date};
use std::collections::HashMap;

/// One person on duty for one stretch of time, the person still by name.
#[derive(Clone, Debug, PartialEq)]
pub struct DutyRow {
    pub sheet: String,
    /// The address of the person's cell.
    pub cell: String,
    pub column: Column,
    pub seat: Seat,
    pub from: Time,
    pub to: Time,
    pub name: String,
    pub phones: Vec<Phone>,
    pub note: String,
}

/// 值班电话 of a row: the desk's number round the clock, which stands on its ladder where the desk has it.
#[derive(Clone, Debug, PartialEq)]
pub struct DeskPhone {
    /// Index of the sheet, number of the row.
    pub at: (usize, u32),
    pub division: Division,
    pub phone: Phone,
}

/// Where a shift begins when the sheet does not say: the hour that offices change at.
const MORNING: u32 = 8 * 60;
const EVENING: u32 = 20 * 60;
const DAY: u32 = 24 * 60;
/// What stands between the persons of a cell.
const BETWEEN: [char; 7] = ['、', '，', ',', '；', ';', '/', '\n'];
/// No block of days is longer.
const DAYS: i32 = 31;

/// A column with persons.
struct Seats {
    column: Column,
    at: usize,
    phone: Option<usize>,
    /// `None`: the row's 岗位 says it.
    role: Option<Role>,
    /// From the header above, minutes of the day.
    hours: Option<(u32, u32)>,
}

/// What a sheet says once for all its rows, and what reaches down over blank cells.
pub(super) struct Carried {
    seats: Vec<Seats>,
    default: Option<Division>,
    year: Option<i16>,
    month: Option<i8>,
    days: Option<(Date, Date)>,
    /// The last day of each division, seat and shift: below it the next is later.
    last: HashMap<(Option<Division>, String, String), Date>,
    unit: String,
    names: Names,
    told: bool,
}

impl Carried {
    pub(super) fn new(file: &str, sheet: &Sheet, places: &Places<'_>) -> Carried {
        let about = format!("{} {} {file}", sheet.heading, sheet.name);
        let (year, month) = year_and_month(&about);
        let at = |c: Column| sheet.columns.get(&c).cloned().unwrap_or_default();
        let mut seats: Vec<Seats> = Vec::new();
        for (column, own) in
            [(Column::Leader, Column::LeaderPhone), (Column::Officer, Column::OfficerPhone), (Column::Name, Column::Phone2)]
        {
            for (n, i) in at(column).into_iter().enumerate() {
                let group = sheet.groups.get(i).map(|g| cell::word(g)).unwrap_or_default();
                let role = match column {
                    Column::Leader => Some(Role::new(Role::SHIFT_LEADER)),
                    Column::Officer => Some(Role::new(Role::DUTY)),
                    _ if group.contains("带班") => Some(Role::new(Role::SHIFT_LEADER)),
                    _ => None,
                };
                seats.push(Seats { column, at: i, phone: at(own).get(n).copied(), role, hours: hours(&group).ok().flatten() });
            }
        }
        seats.sort_by_key(|s| s.at);
        // A telephone column without a name of its own belongs to the person before it.
        for i in at(Column::Phone1) {
            if let Some(s) = seats.iter_mut().rev().find(|s| s.at < i).filter(|s| s.phone.is_none()) {
                s.phone = Some(i);
            }
        }
        Carried {
            seats,
            default: places.named_in(&about),
            year,
            month,
            days: None,
            last: HashMap::new(),
            unit: String::new(),
            names: Names::default(),
            told: false,
        }
    }
}

impl Carried {
    /// Whom a row brings in: who has a number in it, readable or not.
    pub(super) fn brought_in_by(&self, row: &Row) -> Vec<String> {
        let text = |at: usize| row.cells.get(at).map_or("", String::as_str);
        let numbered = |s: &&Seats| {
            s.phone.is_some_and(|at| !cell::is_blank(text(at))) || text(s.at).chars().map(cell::half_width).any(|c| c.is_ascii_digit())
        };
        let cells = self.seats.iter().filter(numbered).map(|s| text(s.at));
        let names = cells.flat_map(|t| t.split(BETWEEN)).map(|part| cell::name_and_phones(part).0);
        names.filter(|n| !n.is_empty()).collect()
    }
}

pub(super) fn read(r: &mut Reader<'_>, sheet: usize, carried: &mut Carried, out: &mut Vec<DutyRow>, desks: &mut Vec<DeskPhone>) {
    if Column::from_title(super::Form::Rotas, r.sheet.text(r.row, Column::Date)) == Some(Column::Date) {
        return; // the header again, at the top of a printed page
    }
    let written: Vec<bool> = carried.seats.iter().map(|s| !cell::is_blank(r.row.cells.get(s.at).map_or("", String::as_str))).collect();
    // It is compared with the office's own and kept nowhere: what cannot be read of it holds up no rota.
    let before = r.faults.len();
    let of_desk = r.phones(&[Column::DutyPhone]);
    r.faults.iter_mut().skip(before).for_each(|f| f.fatal = false);
    let date = r.text(Column::Date);
    if !date.is_empty() {
        match days(&date, carried.year, carried.month) {
            Ok(days) => carried.days = Some(days),
            Err(why) => {
                r.say(Column::Date, why, true);
                carried.days = None;
                return;
            }
        }
    }
    let division = division(r, carried);
    if let Some(division) = division {
        let at = (sheet, r.row.number);
        desks.extend(of_desk.into_iter().map(|phone| DeskPhone { at, division, phone }));
    }
    if !date.is_empty() && goes_back(r, carried, division) {
        let message = format!(
            "“{date}”不晚于上面同一班次的日期：数字会丢掉末尾的 0（7.10 变成 7.1）；请把日期写成文本（如 7月10日）或真正的日期（如 2026-07-10）"
        );
        r.say(Column::Date, message, true);
        carried.days = None;
        return;
    }
    if !written.iter().any(|w| *w) {
        if !date.is_empty() {
            r.say(Column::Date, "这一天没有写值班人员，未导入", false);
        }
        return;
    }
    let Some(division) = division else { return };
    let Some(stretches) = stretches(r, carried) else { return };
    let note = r.text(Column::Note);
    for (n, has) in written.iter().enumerate() {
        let Some(seat) = carried.seats.get(n).filter(|_| *has) else { continue };
        let role = match &seat.role {
            Some(role) => role.clone(),
            None => match row_role(r) {
                Some(role) => role,
                None => continue,
            },
        };
        for (name, phones) in persons(r, seat) {
            for (first, last, own) in &stretches {
                let (begin, end) = own.or(seat.hours).unwrap_or((MORNING, MORNING + DAY));
                for (first, last) in blocks(*first, *last, end.saturating_sub(begin) >= DAY) {
                    let (Some(from), Some(to)) = (instant(first, begin), instant(last, end)) else { continue };
                    if to <= from || to - from > LONGEST {
                        r.say(Column::Date, "班次须长于零、不长于 31 天；请改正", true);
                        continue;
                    }
                    out.push(DutyRow {
                        sheet: r.sheet.name.clone(),
                        cell: address(seat.at, r.row.number),
                        column: seat.column,
                        seat: Seat { division, role: role.clone() },
                        from,
                        to,
                        name: name.clone(),
                        phones: phones.clone(),
                        note: note.clone(),
                    });
                }
            }
        }
    }
}

/// Whether a number such as 7.1 does not go forward against the row above of the same seat and shift: it was 7.10 once.
fn goes_back(r: &mut Reader<'_>, carried: &mut Carried, division: Option<Division>) -> bool {
    let Some((first, last)) = carried.days else { return false };
    let words = |r: &mut Reader<'_>, c: Column| cell::word(r.sheet.text(r.row, c));
    let key = (division, words(r, Column::Seat), words(r, Column::Shift));
    let at = r.sheet.columns.get(&Column::Date).and_then(|at| at.first());
    let loose = at.is_some_and(|at| r.row.loose.contains(at));
    let before = carried.last.insert(key, last);
    loose && before.is_some_and(|before| first <= before)
}

/// Whose rota a row is of: its code, its names, its unit, else what the title says.
fn division(r: &mut Reader<'_>, carried: &mut Carried) -> Option<Division> {
    let code = cell::word(&r.text(Column::Division));
    let mut names = std::mem::take(&mut carried.names);
    let written = r.names(&mut names);
    let unit = r.text(Column::Unit);
    if !unit.is_empty() {
        carried.unit = unit;
    }
    let found = if !code.is_empty() {
        r.code(&code).and_then(|c| r.places.check(c, &written).map(|()| c)).map_err(|m| (Column::Division, m))
    } else if !names.county.is_empty() || !names.township.is_empty() {
        let tier = if names.township.is_empty() { Tier::County } else { Tier::Township };
        r.places.resolve(&filled(&written, &names, Some(tier)), Some(tier))
    } else if let Some(d) = r.places.named_in(&carried.unit).filter(|_| !carried.unit.is_empty()) {
        Ok(d)
    } else {
        carried.default.ok_or_else(|| {
            let unit = if carried.unit.is_empty() { String::new() } else { format!("“{}”", carried.unit) };
            (Column::Unit, format!("看不出{unit}是哪个县或乡镇的值班表；请在标题、工作表名中写明，或加“行政区划代码”列"))
        })
    };
    carried.names = names;
    match found {
        Ok(d) => Some(d),
        Err((column, message)) => {
            r.say(column, message, true);
            None
        }
    }
}

fn row_role(r: &mut Reader<'_>) -> Option<Role> {
    let text = cell::word(&r.text(Column::Seat));
    if text.is_empty() {
        return Some(Role::new(Role::DUTY));
    }
    let role = r.words.role(&text).filter(Role::is_desk);
    if role.is_none() {
        r.say(Column::Seat, format!("“{text}”不是值班岗位；请写“值班”或“带班领导”"), true);
    }
    role
}

/// Days with the hours that the row itself gives; `None` where a fault was told.
type Stretch = (Date, Date, Option<(u32, u32)>);
fn stretches(r: &mut Reader<'_>, carried: &mut Carried) -> Option<Vec<Stretch>> {
    let (starts, ends) = (r.text(Column::Starts), r.text(Column::Ends));
    if !starts.is_empty() || !ends.is_empty() {
        let day = carried.days.map(|d| d.0);
        return match (moment(&starts, day), moment(&ends, day)) {
            (Some((d0, m0)), Some((d1, m1))) => {
                let nights = d0.until(d1).map(|s| s.get_days()).unwrap_or(0);
                let end = u32::try_from(i64::from(nights) * i64::from(DAY) + i64::from(m1)).unwrap_or(0);
                let end = if end <= m0 && d0 == d1 && starts.len() <= 5 { end + DAY } else { end };
                if end <= m0 || nights > DAYS {
                    r.say(Column::Ends, "结束时间须晚于开始时间，且不超过 31 天；请改正", true);
                    return None;
                }
                Some(vec![(d0, d0, Some((m0, end)))])
            }
            (None, _) => {
                r.say(Column::Starts, format!("“{starts}”不是时间；请写成 2026-07-01 08:00"), true);
                None
            }
            (_, None) => {
                r.say(Column::Ends, format!("“{ends}”不是时间；请写成 2026-07-01 20:00"), true);
                None
            }
        };
    }
    let Some((first, last)) = carried.days else {
        r.say(Column::Date, "没有日期；请填写", true);
        return None;
    };
    let text = r.text(Column::Shift);
    match hours(&cell::word(&text)) {
        Ok(own) => {
            let words_only = own.is_some() && !text.chars().any(|c| c.is_numeric());
            if words_only && !carried.told {
                carried.told = true;
                r.say(
                    Column::Shift,
                    "没有写明时间：白班按 8:00 至 20:00、夜班按 20:00 至次日 8:00、全天按 8:00 至次日 8:00；不同请写明",
                    false,
                );
            }
            Some(vec![(first, last, own)])
        }
        Err(()) => {
            r.say(Column::Shift, format!("不认识的班次“{text}”；请写成白班、夜班、全天，或 8:00-20:00"), true);
            None
        }
    }
}

/// A block of days around the clock is one shift; a day shift over several days is one for each day.
fn blocks(first: Date, last: Date, around_the_clock: bool) -> Vec<(Date, Date)> {
    if around_the_clock || first == last {
        return vec![(first, last)];
    }
    first.series(jiff::Span::new().days(1)).take_while(|d| *d <= last).map(|d| (d, d)).collect()
}

/// A day's minute, which may lie past its midnight.
fn instant(day: Date, minute: u32) -> Option<Time> {
    Some(cell::midnight(day)? + Span::mins(i64::from(minute)))
}

/// The persons of a cell with their numbers.
fn persons(r: &mut Reader<'_>, seat: &Seats) -> Vec<(String, Vec<Phone>)> {
    let text = r.row.cells.get(seat.at).cloned().unwrap_or_default();
    let fault = |r: &mut Reader<'_>, at: usize, message: String| {
        r.faults.push(super::SheetFault {
            sheet: r.sheet.name.clone(),
            cell: address(at, r.row.number),
            column: seat.column.title_in(super::Form::Rotas).into(),
            message,
            fatal: true,
        });
    };
    if cell::is_formula_error(&text) {
        fault(r, seat.at, "单元格是公式错误或没有计算结果；请改为实际内容".into());
        return Vec::new();
    }
    let mut all: Vec<(String, Vec<Phone>)> = Vec::new();
    for part in text.split(BETWEEN).filter(|p| !cell::is_blank(p)) {
        let (name, phones, bad) = cell::name_and_phones(part);
        for b in bad {
            fault(r, seat.at, b.told_zh());
        }
        if name.is_empty() {
            // A number behind a separator is the last person's.
            if let Some((_, own)) = all.last_mut() {
                own.extend(phones);
            }
        } else {
            all.push((name, phones));
        }
    }
    let Some(at) = seat.phone else { return all };
    let (numbers, bad) = cell::phones(r.row.cells.get(at).map_or("", String::as_str));
    for b in bad {
        fault(r, at, b.told_zh());
    }
    match all.as_mut_slice() {
        [(_, own)] => own.extend(numbers),
        many if many.len() == numbers.len() => many.iter_mut().zip(numbers).for_each(|((_, own), n)| own.push(n)),
        _ if numbers.is_empty() => {}
        many => {
            let message = format!("{} 人对 {} 个号码，无法对应；请一人一行，或按顺序写全", many.len(), numbers.len());
            fault(r, at, message);
        }
    }
    all
}

/// `2026-07-01 08:00`, or a time of a day known otherwise.
fn moment(text: &str, day: Option<Date>) -> Option<(Date, u32)> {
    let half: String = text.trim().chars().map(cell::half_width).collect();
    let (date, time) = match half.split_once([' ', 'T']) {
        Some((d, t)) => (cell::date(d).ok().flatten()?, t.trim().to_string()),
        None if half.contains(':') => (day?, half),
        None => (cell::date(&half).ok().flatten()?, "00:00".to_string()),
    };
    Some((date, clock(&time)?))
}

/// `8`, `8:30`, `08:30:00` as minutes of the day.
fn clock(text: &str) -> Option<u32> {
    let mut parts = text.split(':').filter(|p| !p.is_empty());
    let hour: u32 = parts.next()?.parse().ok()?;
    let minute: u32 = parts.next().map_or(Some(0), |m| m.parse().ok())?;
    (hour <= 24 && minute < 60 && hour * 60 + minute <= DAY).then_some(hour * 60 + minute)
}

/// The hours of a shift, the end past midnight counted on; `Ok(None)` where the text says nothing of them.
fn hours(text: &str) -> Result<Option<(u32, u32)>, ()> {
    let plain: String =
        text.chars().map(|c| if matches!(c, '时' | '点') { ':' } else { c }).filter(|c| !matches!(c, '分' | '整')).collect();
    let is_time = |c: char| c.is_ascii_digit() || c == ':';
    let numbers: Vec<&str> = plain.split(|c: char| !is_time(c)).filter(|p| p.chars().any(|c| c.is_ascii_digit())).collect();
    if let [from, to] = numbers.as_slice() {
        let (from, to) = (clock(from).ok_or(())?, clock(to).ok_or(())?);
        return Ok(Some((from, if to <= from { to + DAY } else { to })));
    }
    let has = |words: &[&str]| words.iter().any(|w| text.contains(w));
    Ok(match text {
        "" => None,
        t if t.contains("24小时") || has(&["全天", "昼夜", "整天"]) => Some((MORNING, MORNING + DAY)),
        _ if has(&["白班", "白天", "日班", "昼班"]) => Some((MORNING, EVENING)),
        _ if has(&["夜班", "夜间", "晚班", "晚上"]) => Some((EVENING, MORNING + DAY)),
        _ => return Err(()),
    })
}

/// `2026年7月` somewhere in a title.
fn year_and_month(text: &str) -> (Option<i16>, Option<i8>) {
    let half: String = text.chars().map(cell::half_width).collect();
    let before = |mark: char| -> Option<i32> {
        half.match_indices(mark).find_map(|(i, _)| {
            let digits: String = half.get(..i)?.chars().rev().take_while(char::is_ascii_digit).collect();
            digits.chars().rev().collect::<String>().parse().ok()
        })
    };
    let year = before('年').filter(|y| (1990..=2100).contains(y)).and_then(|y| i16::try_from(y).ok());
    let month = before('月').filter(|m| (1..=12).contains(m)).and_then(|m| i8::try_from(m).ok());
    (year, month)
}

/// First and last day: `2026-07-01`, `7月1日`, `7.1`, `1日`, `7月1日-7日`, `7月1日至7月7日`.
fn days(text: &str, year: Option<i16>, month: Option<i8>) -> Result<(Date, Date), String> {
    let half: String = text.trim().chars().map(cell::half_width).collect();
    if let Ok(Some(day)) = cell::date(&half) {
        return Ok((day, day));
    }
    let marks: &[char] =
        if half.contains(['月', '日', '.', '/']) { &['至', '~', '—', '–', '到', '-'] } else { &['至', '~', '—', '–', '到'] };
    let part = |text: &str, base: Option<Date>| -> Option<Date> {
        if let Ok(Some(day)) = cell::date(text) {
            return Some(day);
        }
        // A weekday in parentheses says nothing new.
        let text = text.split(['(', '星', '周']).next().unwrap_or(text);
        let numbers: Vec<i32> =
            text.split(|c: char| !c.is_ascii_digit()).filter(|p| !p.is_empty()).filter_map(|p| p.parse().ok()).collect();
        let (y, m) = (base.map(|b| b.year()).or(year), base.map(|b| b.month()).or(month));
        let small = |n: i32| i8::try_from(n).ok();
        match numbers.as_slice() {
            [y, m, d] => civil::Date::new(i16::try_from(*y).ok().filter(|y| (1990..=2100).contains(y))?, small(*m)?, small(*d)?).ok(),
            [m, d] => civil::Date::new(y?, small(*m)?, small(*d)?).ok(),
            [d] => civil::Date::new(y?, m?, small(*d)?).ok(),
            _ => None,
        }
    };
    let mut ends = half.splitn(2, marks);
    let first = ends.next().and_then(|t| part(t, None));
    let last = match ends.next() {
        Some(t) => first.and_then(|f| part(t, Some(f))),
        None => first,
    };
    match (first, last) {
        (Some(a), Some(b)) if a <= b && a.until(b).is_ok_and(|s| s.get_days() < DAYS) => Ok((a, b)),
        (Some(_), Some(_)) => Err(format!("“{text}”的起止颠倒，或长过 31 天；请改正")),
        _ if year.is_none() && !half.contains('年') => Err(format!("“{text}”没有年份；请写成 2026-07-01，或在标题中写明年月")),
        _ => Err(format!("“{text}”不是日期；请写成 2026-07-01 或 7月1日")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_as_rotas_write_them() {
        let read = |t: &str| days(t, Some(2026), Some(7)).map(|(a, b)| format!("{a} {b}"));
        for (text, want) in [
            ("2026-07-01", "2026-07-01 2026-07-01"),
            ("7月1日", "2026-07-01 2026-07-01"),
            ("７月１日（星期三）", "2026-07-01 2026-07-01"),
            ("7.1", "2026-07-01 2026-07-01"),
            ("1日", "2026-07-01 2026-07-01"),
            ("7月1日-7日", "2026-07-01 2026-07-07"),
            ("7月27日至8月2日", "2026-07-27 2026-08-02"),
            ("7.1-7.7", "2026-07-01 2026-07-07"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(want), "{text}");
        }
        for wrong in ["7月8日-7月1日", "某日", "7月32日"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(days("7月1日", None, None).unwrap_err().contains("年份"));
        assert_eq!(year_and_month("沁水县２０２６年7月值班表"), (Some(2026), Some(7)));
    }

    #[test]
    fn shifts_are_read_as_rotas_write_them() {
        for (text, want) in [
            ("白班", Some((480, 1200))),
            ("夜班", Some((1200, 1920))),
            ("全天", Some((480, 1920))),
            ("24小时", Some((480, 1920))),
            ("8:00-20:00", Some((480, 1200))),
            ("白班(8:30-18:00)", Some((510, 1080))),
            ("20时至次日8时", Some((1200, 1920))),
            ("", None),
        ] {
            assert_eq!(hours(text), Ok(want), "{text}");
        }
        assert_eq!(hours("早班"), Err(()), "nobody knows when it begins");
    }
}
