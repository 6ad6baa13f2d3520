//! The forecast as JSON, and as the sentence that the status page shows.

use super::at;
use crate::{
    core::{forecast::Assumptions, message::fit_list, time::Time},
    engine::forecast::{Late, WarningForecast},
};
use serde::Serialize;

/// Places named at most; the count has all.
const PLACES: usize = 500;

#[derive(Debug, Serialize)]
pub struct ForecastView {
    warning_id: String,
    /// When it was made; seconds ago at most.
    at: String,
    /// Persons still to be called or told.
    open: usize,
    sms_done_at: Option<String>,
    voice_done_at: Option<String>,
    /// Calls at once, messages a second, as the accounts now grant them.
    lines: u32,
    sms_per_second: u32,
    calls: f64,
    sms: f64,
    sms_segments: f64,
    voice_minutes: f64,
    /// Some deadline passes before everybody was called.
    overruns: bool,
    /// Persons whom no call reaches before their deadlines, and their places.
    late: u32,
    late_places: Vec<LatePlace>,
    /// Persons expected to be silent at their deadlines.
    missing: f64,
    /// Persons to be rung while there is no line at all.
    without_line: u32,
    deadlines: Vec<Deadline>,
    rungs: Vec<Rung>,
    assumptions: Assumptions,
    /// In Chinese, for people.
    text: String,
}

#[derive(Debug, Serialize)]
struct LatePlace {
    place: String,
    name: String,
    persons: usize,
    /// The earliest deadline there, and when the last of them will have been called.
    due_at: String,
    called_by: Option<String>,
}

#[derive(Debug, Serialize)]
struct Deadline {
    due_at: String,
    persons: u32,
    missing: f64,
    late: u32,
}

#[derive(Debug, Serialize)]
struct Rung {
    ladder: String,
    rung: u8,
    at: String,
    persons: f64,
}

fn tenth(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}

pub fn shown(f: &WarningForecast) -> ForecastView {
    let made = &f.forecast;
    ForecastView {
        warning_id: f.warning.to_string(),
        at: at(made.now),
        open: f.open,
        sms_done_at: made.sms_done_at.map(at),
        voice_done_at: made.voice_done_at.map(at),
        lines: f.capacity.lines,
        sms_per_second: f.capacity.sms_per_second,
        calls: tenth(made.calls),
        sms: tenth(made.sms),
        sms_segments: tenth(made.sms_segments),
        voice_minutes: tenth(made.voice_minutes),
        overruns: made.late() > 0,
        late: made.late(),
        late_places: late_places(&f.late),
        missing: tenth(made.missing()),
        without_line: made.without_line,
        deadlines: made
            .deadlines
            .iter()
            .map(|d| Deadline { due_at: at(d.due_at), persons: d.persons, missing: tenth(d.missing), late: d.late })
            .collect(),
        rungs: made
            .rungs
            .iter()
            .map(|r| Rung {
                ladder: f.ladders.get(usize::from(r.ladder)).cloned().unwrap_or_default(),
                rung: r.rung,
                at: at(r.at),
                persons: tenth(r.persons),
            })
            .collect(),
        assumptions: f.assumptions,
        text: sentence(f),
    }
}

/// By place, in the order of calling.
fn late_places(late: &[Late]) -> Vec<LatePlace> {
    let mut out: Vec<(String, &Late, usize, Time, Option<Time>)> = Vec::new();
    let mut known = std::collections::HashMap::new();
    for l in late {
        let id = l.place.id();
        let i = *known.entry(id.clone()).or_insert_with(|| {
            out.push((id, l, 0, l.due_at, Some(Time(i64::MIN))));
            out.len() - 1
        });
        if let Some((_, _, persons, due_at, called_by)) = out.get_mut(i) {
            *persons += 1;
            *due_at = (*due_at).min(l.due_at);
            *called_by = called_by.zip(l.called_by).map(|(a, b)| a.max(b));
        }
    }
    out.truncate(PLACES);
    out.into_iter()
        .map(|(place, l, persons, due_at, called_by)| LatePlace {
            place,
            name: l.place_name.clone(),
            persons,
            due_at: at(due_at),
            called_by: called_by.map(at),
        })
        .collect()
}

/// `预计短信 14:01 发完；电话 50 路 14:17 打完；时限前打不到 1200 人（甲村、乙村等9处），请增加线路或人工叫应`.
pub fn sentence(f: &WarningForecast) -> String {
    let made = &f.forecast;
    let mut parts = Vec::new();
    let clock = |t: Time| {
        let (t, today) = (t.beijing(), made.now.beijing().date());
        let day = if t.date() == today { String::new() } else { format!("{}月{}日 ", t.month(), t.day()) };
        format!("{day}{:02}:{:02}", t.hour(), t.minute())
    };
    if let Some(t) = made.sms_done_at {
        parts.push(format!("短信 {} 发完", clock(t)));
    }
    if let Some(t) = made.voice_done_at {
        parts.push(format!("电话按 {} 路 {} 打完（约 {} 次）", f.capacity.lines, clock(t), made.calls.round()));
    }
    if made.without_line > 0 {
        parts.push(format!("没有可用的电话线路，{} 人打不出电话", made.without_line));
    }
    if made.late() > 0 {
        let mut names: Vec<String> = f.late.iter().map(|l| l.place_name.clone()).collect();
        names.dedup();
        parts.push(format!("时限前打不到 {} 人：{}，请增加线路或人工叫应", made.late(), fit_list(&names, 60, "处")));
    }
    if parts.is_empty() { String::new() } else { format!("预计{}", parts.join("；")) }
}
