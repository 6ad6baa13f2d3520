//! The report form of the answer page → a report, or its faults in Chinese with what was filled in.

use super::pages::{ClosurePart, DangerPart, FormPart, OUTAGES};
use crate::core::{
    callout::state::{Closure, Danger, Report},
    time::Time,
};
use jiff::civil::DateTime;

/// Rows for closures that a form shows at least.
const ROWS: usize = 3;
/// More people than any district has.
const MOST_PEOPLE: u32 = 10_000_000;

/// Reads `a=1&b=2` pairs; later ones of the same name are kept too.
pub fn pairs(body: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(body).map(|(k, v)| (k.into_owned(), v.trim().to_string())).collect()
}

/// The value of a field; empty where it was not sent.
pub fn field<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs.iter().find(|(k, _)| k == name).map_or("", |(_, v)| v.as_str())
}

/// Faults in Chinese, with the form as it was filled in.
type Faulty = (Vec<String>, Box<FormPart>);

/// The place that stands for all of them, on the form that has no figures.
const ALL: &str = "all";

/// What was sent: a report about one of `places`, or, that there is nothing new, of all of them.
///
/// # Errors
/// Every fault.
pub fn reports(pairs: &[(String, String)], places: &[String]) -> Result<Vec<Report>, Faulty> {
    if field(pairs, "nothing") == "1" && field(pairs, "place") == ALL {
        return Ok(places.iter().map(|p| Report { place: p.clone(), on_post: true, ..Report::default() }).collect());
    }
    report(pairs, places).map(|one| vec![one])
}

fn report(pairs: &[(String, String)], places: &[String]) -> Result<Report, Faulty> {
    let mut faults = Vec::new();
    let sent = field(pairs, "place");
    let place = match places {
        [only] if sent.is_empty() => only.clone(),
        _ if places.iter().any(|p| p == sent) => sent.to_string(),
        _ => {
            faults.push("请选择地点".to_string());
            String::new()
        }
    };
    if field(pairs, "nothing") == "1" && faults.is_empty() {
        return Ok(Report { place, on_post: true, ..Report::default() });
    }
    let mut number = |text: &str, what: &str| -> u32 {
        match text {
            "" => 0,
            text => text.parse().ok().filter(|n| *n <= MOST_PEOPLE).unwrap_or_else(|| {
                faults.push(format!("{what}应为 0 到 {MOST_PEOPLE} 的整数"));
                0
            }),
        }
    };
    let (to_move, moved, refused) = (
        number(field(pairs, "to_move"), "需转移人数"),
        number(field(pairs, "moved"), "已转移人数"),
        number(field(pairs, "refused"), "拒不转移人数"),
    );
    let returned = number(field(pairs, "returned"), "已返回人数");
    let all = |name: &str| pairs.iter().filter(|(k, _)| k == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>();
    let (whats, dues, dones) = (all("closure_what"), all("closure_due"), all("closure_done"));
    let mut closures = Vec::new();
    for (i, what) in whats.iter().take(50).enumerate() {
        let (due, done) = (dues.get(i).copied().unwrap_or(""), dones.get(i).copied().unwrap_or(""));
        if what.is_empty() && due.is_empty() && done.is_empty() {
            continue;
        }
        closures.push(Closure { what: short(what, 40), due: number(due, "应关停数"), done: number(done, "已关停数") });
    }
    let nameless = closures.iter().any(|c| c.what.is_empty());
    let danger = Danger {
        present: field(pairs, "danger") == "yes",
        kind: short(field(pairs, "danger_kind"), 100),
        location: short(field(pairs, "danger_where"), 100),
    };
    let next_report_at = match field(pairs, "next_report_at") {
        "" => None,
        text => {
            let time = text.parse::<DateTime>().ok().and_then(Time::from_beijing);
            if time.is_none() {
                faults.push("下次报告时间无法识别，请重新选择".into());
            }
            time
        }
    };
    if nameless {
        faults.push("请填写关停的内容".into());
    }
    let report = Report {
        place,
        on_post: field(pairs, "on_post") == "1",
        to_move,
        moved,
        refused,
        returned,
        closures,
        danger,
        outage: OUTAGES.iter().filter(|o| all("outage").contains(*o)).map(|o| o.to_string()).collect(),
        note: short(field(pairs, "note"), 500),
        next_report_at,
    };
    if faults.is_empty() { Ok(report) } else { Err((faults, Box::new(filled(&report)))) }
}

fn short(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n').take(most).collect()
}

/// A form filled in with a report: the last one, as figures are running totals, or a faulty one.
pub fn filled(report: &Report) -> FormPart {
    let mut closures: Vec<ClosurePart> =
        report.closures.iter().map(|c| ClosurePart { what: c.what.clone(), due: c.due, done: c.done }).collect();
    closures.push(ClosurePart::default());
    closures.resize(closures.len().max(ROWS), ClosurePart::default());
    FormPart {
        place: report.place.clone(),
        on_post: report.on_post,
        to_move: report.to_move,
        moved: report.moved,
        refused: report.refused,
        returned: report.returned,
        closures,
        danger: DangerPart { present: report.danger.present, kind: report.danger.kind.clone(), r#where: report.danger.location.clone() },
        outage: report.outage.clone(),
        note: report.note.clone(),
        next_report_at: report.next_report_at.map(|t| t.beijing().strftime("%Y-%m-%dT%H:%M").to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, places: &[&str]) -> Result<Report, Vec<String>> {
        let places: Vec<String> = places.iter().map(|p| p.to_string()).collect();
        report(&pairs(body.as_bytes()), &places).map_err(|(faults, _)| faults)
    }

    #[test]
    fn one_tap_reports_that_all_is_well() {
        let r = read("nothing=1&place=140521101000", &["140521101000", "140521102000"]).unwrap();
        assert_eq!(r, Report { place: "140521101000".into(), on_post: true, ..Report::default() });
    }

    #[test]
    fn a_full_form_is_read_field_by_field() {
        let body = "on_post=1&to_move=12&moved=10&refused=&closure_what=%E6%99%AF%E5%8C%BA&closure_due=2&closure_done=1&closure_what=&closure_due=&closure_done=\
                    &danger=yes&danger_kind=%E6%BB%91%E5%9D%A1&danger_where=%E6%9D%91%E4%B8%9C&outage=%E6%96%AD%E7%94%B5&outage=x&note=a%0Ab&next_report_at=2024-07-08T18%3A00";
        let r = read(body, &["DZ-1"]).unwrap();
        assert_eq!((r.place.as_str(), r.on_post, r.to_move, r.moved, r.refused), ("DZ-1", true, 12, 10, 0));
        assert_eq!(r.closures, [Closure { what: "景区".into(), due: 2, done: 1 }]);
        assert_eq!((r.danger.present, r.danger.kind.as_str(), r.danger.location.as_str()), (true, "滑坡", "村东"));
        assert_eq!((r.outage.as_slice(), r.note.as_str()), (["断电".to_string()].as_slice(), "a\nb"));
        assert_eq!(r.next_report_at.unwrap().rfc3339(), "2024-07-08T18:00:00+08:00");
        assert_eq!(filled(&r).next_report_at.as_deref(), Some("2024-07-08T18:00"));
    }

    #[test]
    fn faults_are_told_together_and_what_was_filled_in_is_kept() {
        let (faults, form) =
            report(&pairs(b"to_move=-1&moved=7&closure_due=3&closure_what=&next_report_at=soon"), &["a".into(), "b".into()]).unwrap_err();
        assert_eq!(faults.len(), 4, "{faults:?}");
        assert_eq!((form.moved, form.closures.len()), (7, 3));
    }

    #[test]
    fn a_place_of_somebody_else_is_not_taken() {
        assert!(read("nothing=1&place=140522000000", &["140521101000"]).is_err());
    }
}
