//! The answer page: what a person called sees behind the link, the buttons, the report. GET shows and
//! changes nothing; only a POST answers. No login: the token in the path is the proof.

use super::{
    error::Problem,
    extract::{Path, Raw, media_type, parse_json},
    form,
    pages::{AnsweredPart, CalloutPage, EndedPart, LastReportPart, PlacePart, PostPart, WarningPart, YouPart},
    state::App,
    view::{callout::relation_zh, zh},
};
use crate::{
    core::{
        callout::state::{Callout, CalloutState, ClosedReason, Contact, Report},
        plan::PlanEntry,
        warning_life::WarningState,
    },
    engine::{ActError, CalloutParts, TokenAction, TokenView},
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Serialize;
use std::collections::BTreeSet;

/// `GET /a/{token}`
pub async fn show(State(app): State<App>, Path(token): Path<String>) -> Result<Response, Problem> {
    let view = app.engine.open_token(&token).await?;
    Ok(app.pages.page(StatusCode::OK, "ack.html", page(&app, &token, &view)))
}

/// `POST /a/{token}`: the button pressed is `action`; a POST without it answers.
pub async fn act(State(app): State<App>, Path(token): Path<String>, Raw(body): Raw) -> Result<Response, Problem> {
    let pairs = form::pairs(&body);
    let action = match form::field(&pairs, "action") {
        "" | "answer" => TokenAction::Answer,
        "deputy" => TokenAction::HandToDeputy,
        "not_me" => TokenAction::NotMe,
        _ => return Err(Problem::malformed("action is one of answer, deputy, not_me")),
    };
    let view = app.engine.token_act(&token, action).await?;
    let (heading, detail, good) = outcome(action, &view);
    Ok(thanks(&app, &token, &view, heading, detail, good))
}

/// `POST /a/{token}/feedback`: the form, or a report as JSON.
pub async fn feedback(State(app): State<App>, Path(token): Path<String>, headers: HeaderMap, Raw(body): Raw) -> Result<Response, Problem> {
    let before = app.engine.open_token(&token).await?;
    let reports = if media_type(&headers).as_deref() == Some("application/json") {
        let report = parse_json::<Report>(&body)?;
        check_place(&before.parts, &report)?;
        vec![report]
    } else {
        let places: Vec<String> = places(&before.parts).into_iter().map(|p| p.id).collect();
        let pairs = form::pairs(&body);
        match form::reports(&pairs, &places) {
            // "Nothing new" leaves the running totals as they were.
            Ok(reports) if form::field(&pairs, "nothing") == "1" => {
                reports.into_iter().map(|r| unchanged(&before.parts.callout, r)).collect()
            }
            Ok(reports) => reports,
            Err((faults, filled)) => {
                let page = CalloutPage { faults, form: *filled, can_report: true, ..page(&app, &token, &before) };
                return Ok(app.pages.page(StatusCode::UNPROCESSABLE_ENTITY, "ack.html", page));
            }
        }
    };
    let mut view = before;
    for report in reports {
        let filled = form::filled(&report);
        view = match app.engine.token_feedback(&token, report).await {
            Ok(view) => view,
            Err(ActError::Invalid(_)) => {
                let faults = vec!["反馈的地点或数字有误".into()];
                let page = CalloutPage { faults, form: filled, can_report: true, ..page(&app, &token, &view) };
                return Ok(app.pages.page(StatusCode::UNPROCESSABLE_ENTITY, "ack.html", page));
            }
            Err(error) => return Err(error.into()),
        };
    }
    let detail = Some("情况有变化时，可在本页再次反馈；各项人数请填累计数。".to_string());
    Ok(thanks(&app, &token, &view, "反馈已收到，谢谢".to_string(), detail, true))
}

/// Of several places those that a report is still owed for while others have theirs, or that are overdue.
fn missing(parts: &CalloutParts) -> Vec<String> {
    let c = &parts.callout;
    let schedule = parts.entry().and_then(|e| e.feedback).and_then(|f| parts.warning.policy.feedback.get(usize::from(f)));
    let (Some(entry), Some(schedule)) = (parts.entry(), schedule) else { return Vec::new() };
    let own = c.reports_for(entry);
    if own.len() < 2 {
        return Vec::new();
    }
    let mut ids = BTreeSet::new();
    for clock in &c.feedback_clocks {
        let owed = schedule.get(clock.ask).map(|rule| c.places_owed(entry, rule, clock)).unwrap_or_default();
        if owed.len() < own.len() || clock.overdue_since.is_some() {
            ids.extend(owed.into_iter().map(|p| p.place.id()));
        }
    }
    own.into_iter().map(|p| p.place.id()).filter(|id| ids.contains(id)).collect()
}

/// The last report of the place again, where there is one: a danger that was told of is still there.
fn unchanged(c: &Callout, report: Report) -> Report {
    match c.reports.get(&report.place).map(|r| &r.report) {
        Some(last) => {
            let danger = if report.danger.present { report.danger } else { last.danger.clone() };
            Report { note: String::new(), next_report_at: None, danger, on_post: true, ..last.clone() }
        }
        None => report,
    }
}

fn thanks(app: &App, token: &str, view: &TokenView, heading: String, detail: Option<String>, good: bool) -> Response {
    #[derive(Serialize)]
    struct Thanks {
        heading: String,
        detail: Option<String>,
        good: bool,
        #[serde(flatten)]
        page: CalloutPage,
    }
    let page = page(app, token, view);
    app.pages.page(StatusCode::OK, "thanks.html", Thanks { heading, detail, good, page })
}

/// What a press of a button came to, in words: heading, detail, whether all is well.
fn outcome(action: TokenAction, view: &TokenView) -> (String, Option<String>, bool) {
    let c = &view.parts.callout;
    let contact = c.contacts.get(usize::from(view.contact));
    let takes_over = contact.is_some_and(|k| k.relation.takes_over());
    match action {
        TokenAction::NotMe => ("已记录：您不是该责任人".into(), Some("我们将核对号码，不再就此事联系您。谢谢。".into()), true),
        TokenAction::HandToDeputy => ("已通知代理人接办".into(), Some("在代理人应答之前，您仍可随时应答。".into()), true),
        TokenAction::Answer => {
            if let Some(ended) = ended(c, &view.parts.warning) {
                return (format!("本次叫应已结束：{}", ended.reason), Some("您的应答已留存。".into()), false);
            }
            if takes_over {
                return ("已由您接办".into(), Some(format!("请尽快联系{}或其代理人，并登记联系结果。", holder_name(&view.parts))), true);
            }
            let late = c.acknowledgement.as_ref().is_some_and(|a| a.late);
            ("已收到您的应答".into(), late.then(|| "应答已超过时限，已如实记录。".to_string()), true)
        }
    }
}

fn holder_name(parts: &CalloutParts) -> String {
    parts.entry().and_then(|e| parts.person(e.person)).map(|p| p.name.clone()).unwrap_or_default()
}

/// How it ended for this person; `None` while it has not, or where an answer was the end.
fn ended(c: &Callout, warning: &WarningState) -> Option<EndedPart> {
    let reason = c.closed_reason.or(c.ending.as_ref().map(|e| e.reason))?;
    let at = c.ending.as_ref().map(|e| e.at).or(warning.closed_at);
    let advice = match reason {
        ClosedReason::Cancelled | ClosedReason::Expired if !c.return_permitted.is_empty() => {
            Some("经现场复核，已准许返回。请组织有序返回，并反馈已返回人数和未返回原因。")
        }
        ClosedReason::Cancelled | ClosedReason::Expired => Some("预警结束不等于可以返回：未经现场复核，不得返回。准许返回时另行通知。"),
        ClosedReason::Superseded => Some("该预警已有新内容，请查看最新收到的短信。"),
        ClosedReason::Covered => Some("您仍可应答，应答照常计入。"),
        ClosedReason::Released => None,
    };
    Some(EndedPart { at: at.map(zh).unwrap_or_default(), reason: reason.name_zh().into(), advice: advice.map(str::to_string) })
}

/// A report is about a place that the callout is for.
pub fn check_place(parts: &CalloutParts, report: &Report) -> Result<(), Problem> {
    let places: Vec<String> = places(parts).into_iter().map(|p| p.id).collect();
    if places.contains(&report.place) {
        return Ok(());
    }
    Err(Problem::field("/place", format!("not a place of this callout; one of {}", places.join(", "))))
}

/// Distinct places of the posts, for the report.
fn places(parts: &CalloutParts) -> Vec<PlacePart> {
    let mut out: Vec<PlacePart> = Vec::new();
    for post in parts.entry().map(|e| e.posts.as_slice()).unwrap_or_default() {
        let id = post.place.id();
        if out.iter().all(|p| p.id != id) {
            out.push(PlacePart { id, name: post.place_name.clone() });
        }
    }
    out
}

fn can_answer(c: &Callout, contact: Option<&Contact>, index: u8) -> bool {
    if c.told_only || contact.is_none() {
        return false;
    }
    let takes_over = contact.is_some_and(|k| k.relation.takes_over());
    let taken = c.tasks.iter().any(|t| t.is_open() && t.taken_by == Some(index));
    match c.state {
        CalloutState::Answered | CalloutState::Reported => false,
        CalloutState::Closed => c.closed_reason == Some(ClosedReason::Covered) && !takes_over,
        _ => !(takes_over && taken),
    }
}

fn posts(entry: &PlanEntry, c: &Callout) -> Vec<PostPart> {
    let whole = matches!(c.state, CalloutState::Answered | CalloutState::Reported);
    let answered = |i: usize| whole || c.answered.iter().any(|a| usize::from(*a) == i);
    let post = |(i, p): (usize, &crate::core::plan::PlanPost)| PostPart {
        place: p.place_name.clone(),
        title: if p.title.is_empty() { p.role.0.clone() } else { p.title.clone() },
        answered: answered(i),
    };
    entry.posts.iter().enumerate().map(post).collect()
}

fn warning_part(app: &App, w: &WarningState) -> WarningPart {
    let c = &w.content;
    // People know the bureau by its name, not by its id here.
    let issuer = || app.engine.issuers().iter().find(|i| i.id == w.issuer).map_or_else(|| w.issuer.0.clone(), |i| i.name.clone());
    WarningPart {
        level: c.level.as_str().into(),
        level_name: c.level.name_zh().into(),
        hazard: c.hazard.name().unwrap_or(&c.hazard.0).to_string(),
        headline: c.headline.clone(),
        description: c.description.clone(),
        instruction: c.instruction.clone(),
        sender: c.sender_name.clone().unwrap_or_else(issuer),
        sent: zh(c.sent),
        onset: c.onset.map(zh),
        expires: Some(zh(w.expires_at)),
        restricted: c.restricted,
    }
}

fn you_part(app: &App, view: &TokenView, contact: Option<&Contact>) -> YouPart {
    let parts = &view.parts;
    let person = contact.and_then(|k| parts.person(k.person));
    let is_holder = contact.is_some_and(|k| !k.relation.takes_over() && k.relation.as_str() == "holder");
    let deputies = parts
        .entry()
        .filter(|_| is_holder)
        .map(|e| e.people_at(crate::core::policy::Who::Deputy, &parts.chunk.rotas, app.engine.now()))
        .unwrap_or_default();
    YouPart {
        name: person.map(|p| p.name.clone()).unwrap_or_default(),
        relation: contact.map(|k| k.relation.as_str().to_string()).unwrap_or_default(),
        takes_over: contact.is_some_and(|k| k.relation.takes_over()),
        holder: holder_name(parts),
        deputies: deputies.into_iter().filter_map(|d| parts.person(d)).map(|p| p.name.clone()).collect(),
    }
}

/// Everything the page shows.
fn page(app: &App, token: &str, view: &TokenView) -> CalloutPage {
    let parts = &view.parts;
    let c = &parts.callout;
    let w = &parts.warning;
    let contact = c.contacts.get(usize::from(view.contact));
    let you = you_part(app, view, contact);
    let entry = parts.entry();
    let answered = c.acknowledgement.as_ref().map(|a| AnsweredPart {
        at: zh(a.at),
        by: format!("{}（{}）", a.by.name, relation_zh(&a.by.relation)),
        via: a.via.name_zh().into(),
        late: a.late,
    });
    let ending = ended(c, w).filter(|_| answered.is_none() || c.ending.is_some());
    let may_return = !c.return_permitted.is_empty();
    // Who was told that people may go back is asked how many have.
    let over = matches!(c.closed_reason, Some(r) if r != ClosedReason::Covered) && !may_return;
    let last = c.newest_report();
    let (places, missing) = (places(parts), missing(parts));
    // What is owed next, else the last report again, as figures are running totals.
    let form = match missing.first() {
        Some(place) => {
            let known = c.reports.get(place).map(|r| r.report.clone()).unwrap_or_default();
            form::filled(&Report { place: place.clone(), ..known })
        }
        None => form::filled(&last.map(|r| r.report.clone()).unwrap_or_default()),
    };
    let feedback = entry.and_then(|e| e.feedback).and_then(|i| w.policy.feedback.get(usize::from(i)));
    let taken = c.tasks.iter().any(|t| t.is_open() && t.taken_by == Some(view.contact));
    let handed = contact.is_some_and(|k| k.handed) && answered.is_none();
    CalloutPage {
        drill: w.drill,
        token: token.to_string(),
        w: warning_part(app, w),
        posts: entry.map(|e| posts(e, c)).unwrap_or_default(),
        can_answer: can_answer(c, contact, view.contact),
        // A report before an answer is an answer too, but the button comes first on a small screen.
        can_report: (answered.is_some() || may_return) && !you.takes_over && !over,
        may_return,
        due: Some(zh(c.due_at)).filter(|_| !c.told_only),
        overdue: app.engine.now() > c.due_at,
        asks: feedback.map(|s| s.asks()).unwrap_or_default(),
        missing: places.iter().filter(|p| missing.contains(&p.id)).map(|p| p.name.clone()).collect(),
        places,
        last_report: last.map(|r| LastReportPart { at: zh(r.at), by: r.by.name.clone() }),
        form,
        faults: Vec::new(),
        notice: if taken {
            Some("本任务已由您接办。".into())
        } else if handed {
            Some("已通知代理人接办；您仍可随时应答。".into())
        } else {
            None
        },
        answered,
        ended: ending,
        you,
    }
}
