//! The plain status page: warnings with their tallies, open tasks, open callouts, refused posts. Reads only; reloads
//! itself by live events where there is script, by the clock where there is none.

use super::{
    api::feedback,
    auth::Caller,
    error::Problem,
    pages::STATUS_JS,
    state::{App, inside, warning_of},
    view::{self, Phones, zh},
};
use crate::{
    core::{
        division::Division,
        ids::WarningId,
        route::standing::{Breaker, Cause, Order},
        time::Time,
        warning_life::WarningState,
    },
    engine::{CalloutParts, board::AccountView},
    report::Tally,
    store::{CalloutFilter, FeedItem, TaskRow},
};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

const WARNINGS: usize = 20;
const TASKS: usize = 50;
const CALLOUTS: usize = 50;

#[derive(Serialize)]
struct WarningLine {
    id: String,
    drill: bool,
    level_name: &'static str,
    headline: String,
    at: String,
    state: &'static str,
    t: Tally,
    answer_rate: String,
    on_time_rate: String,
    /// What was reported, in a line.
    reported: String,
    forecast: String,
    /// A deadline passes before everybody was called.
    overruns: bool,
}

#[derive(Serialize)]
struct TaskLine {
    id: String,
    title: String,
    about: String,
    due: String,
    claimed_by: Option<String>,
}

#[derive(Serialize)]
struct CalloutLine {
    id: String,
    name: String,
    phone: String,
    posts: String,
    state: &'static str,
    due: String,
    next: String,
}

#[derive(Serialize)]
struct Status {
    now: String,
    division: Option<String>,
    warnings: Vec<WarningLine>,
    tasks: Vec<TaskLine>,
    more_tasks: bool,
    callouts: Vec<CalloutLine>,
    more_callouts: bool,
    refusals: Vec<RefusalLine>,
    /// Filings (报备) that need somebody.
    filings: Vec<String>,
    providers: Vec<ProviderLine>,
    durability: String,
}

#[derive(Serialize)]
struct ProviderLine {
    account: String,
    channel: &'static str,
    up: bool,
    state: &'static str,
    weight: String,
    orders: String,
    why: String,
    since: String,
    canary: String,
    canary_failed: bool,
}

#[derive(Serialize)]
struct RefusalLine {
    at: String,
    issuer: String,
    status: u64,
    reason: String,
}

fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(|| "—".into(), |r| format!("{:.1}%", r * 100.0))
}

/// `GET /status`
pub async fn page(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let own = caller.bound_to();
    let reports = app.engine.reports();
    let mut warnings = Vec::new();
    let mut active: Vec<WarningId> = Vec::new();
    for record in reports.warnings(None, WARNINGS).await? {
        let w = warning_of(&record)?;
        if let Some(own) = own
            && inside(&app.faces(w.id).await?, own).next().is_none()
        {
            continue;
        }
        let t = app.tally(&caller, &w).await?;
        let open = t.queued + t.calling + t.overdue + t.handed_over + t.unreachable > 0;
        if open {
            active.push(w.id);
        }
        // What has ended is not looked at for every page; its sums stand in the API.
        let reported = if w.is_over() && w.end.is_some() { String::new() } else { feedback_of(&app, &w, own).await? };
        let forecast = if open { app.engine.forecast(w.id, own).await? } else { None };
        warnings.push(WarningLine {
            reported,
            id: w.id.to_string(),
            drill: w.drill,
            level_name: w.content.level.name_zh(),
            headline: w.content.headline.clone(),
            at: zh(w.accepted_at),
            state: view::warning::phase_zh(&w),
            answer_rate: percent(t.answer_rate),
            on_time_rate: percent(t.on_time_rate),
            forecast: forecast.as_deref().map(view::forecast::sentence).unwrap_or_default(),
            overruns: forecast.is_some_and(|f| f.forecast.late() > 0),
            t,
        });
    }
    let sees = |t: &TaskRow| own.is_none_or(|o| t.division.is_some_and(|d| o.contains(d)));
    let mut tasks: Vec<TaskRow> = reports.tasks(None, true, 1000).await?.into_iter().filter(sees).collect();
    let more_tasks = tasks.len() > TASKS;
    tasks.truncate(TASKS);
    let (callouts, more_callouts) = open_callouts(&app, &caller, &active).await?;
    let status = Status {
        now: zh(app.engine.now()),
        durability: reports.durability().said_zh,
        providers: if own.is_none() { app.engine.account_views().iter().map(provider_line).collect() } else { Vec::new() },
        division: own.map(|d| app.engine.directory().division_name(d).map_or_else(|| d.to_string(), str::to_string)),
        warnings,
        tasks: tasks.iter().map(task_line).collect(),
        more_tasks,
        callouts,
        more_callouts,
        refusals: refusals(&app, &caller).await?,
        // Of the whole system, as refusals are.
        filings: if own.is_none() { app.engine.filing_concerns() } else { Vec::new() },
    };
    Ok(app.pages.page(StatusCode::OK, "status.html", status))
}

async fn feedback_of(app: &App, w: &WarningState, own: Option<Division>) -> Result<String, Problem> {
    let board = app.board(w.id).await?;
    let sums = own.map_or_else(|| board.total(), |d| board.inside(d));
    Ok(feedback::in_words(&sums, feedback::overdue(&board, own, app.engine.now())))
}

async fn open_callouts(app: &App, caller: &Caller, active: &[WarningId]) -> Result<(Vec<CalloutLine>, bool), Problem> {
    let filter = CalloutFilter { open: true, division: caller.bound_to(), ..CalloutFilter::default() };
    let mut lines = Vec::new();
    for warning in active {
        for (record, face) in app.engine.reports().callouts(Some(*warning), &filter, None, CALLOUTS + 1).await? {
            if face.told_only {
                continue;
            }
            if lines.len() == CALLOUTS {
                return Ok((lines, true));
            }
            if let Some(parts) = app.engine.parts_of(&record).await? {
                lines.push(callout_line(&parts));
            }
        }
    }
    Ok((lines, false))
}

/// What has no place is not for callers bound to one.
async fn refusals(app: &App, caller: &Caller) -> Result<Vec<RefusalLine>, Problem> {
    if caller.bound_to().is_some() {
        return Ok(Vec::new());
    }
    let text = |item: &FeedItem, key: &str| item.data.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_string();
    let line = |item: &FeedItem| {
        let id = text(item, "issuer");
        let known = app.engine.issuers().iter().find(|i| i.id.0 == id);
        RefusalLine {
            at: zh(item.at),
            issuer: known.map_or(id.clone(), |i| format!("{}（{id}）", i.name)),
            status: item.data.get("status").and_then(serde_json::Value::as_u64).unwrap_or_default(),
            reason: text(item, "reason"),
        }
    };
    Ok(app.engine.refusals().await?.iter().map(line).collect())
}

fn provider_line(a: &AccountView) -> ProviderLine {
    let state = match (&a.standing.disabled, &a.standing.breaker) {
        (Some(_), _) => "已停用",
        (None, Breaker::Closed) => "正常",
        (None, Breaker::Open { cause: Cause::Stopped, .. }) => "停止（配置或余额）",
        (None, Breaker::Open { .. }) => "熔断",
        (None, Breaker::HalfOpen { .. }) => "试探恢复",
    };
    let order = |what: &str, o: &Option<Order>| {
        o.as_ref().map(|o| format!("{}{what}{}", o.by, o.until.map(|t| format!("至{}", zh(t))).unwrap_or_default()))
    };
    let orders = [order("指定使用", &a.standing.pinned), order("停用", &a.standing.disabled)];
    let canary = a.canary.as_ref().map(|c| {
        let at = c.last.as_ref().map(|l| zh(l.at));
        match (at, c.ok()) {
            (Some(at), Some(true)) => format!("{at} 通"),
            (Some(at), Some(false)) => format!("{at} 不通，连续{}次：{}", c.failures, c.outcome()),
            (Some(at), None) => format!("{at} 等待结果"),
            (None, _) => format!("首次 {}", zh(c.next)),
        }
    });
    ProviderLine {
        account: a.name.clone(),
        channel: view::callout::channel_zh(a.channel),
        up: a.up,
        state,
        weight: if a.health == 100 { a.weight.to_string() } else { format!("{} × {}%", a.weight, a.health) },
        orders: orders.into_iter().flatten().collect::<Vec<_>>().join("；"),
        why: a.why.clone(),
        since: if a.standing.since == Time(0) { String::new() } else { zh(a.standing.since) },
        canary_failed: a.canary.as_ref().is_some_and(|c| c.ok() == Some(false)),
        canary: canary.unwrap_or_default(),
    }
}

fn task_line(t: &TaskRow) -> TaskLine {
    let about = t.callout.map(|c| c.to_string()).or(t.warning.map(|w| w.to_string())).unwrap_or_default();
    TaskLine { id: t.id.clone(), title: t.title.clone(), about, due: zh(t.due_at), claimed_by: t.claimed_by.clone() }
}

fn callout_line(parts: &CalloutParts) -> CalloutLine {
    let shown = view::callout::listed(parts, Phones::Masked);
    let posts = parts.entry().map(|e| e.posts.as_slice()).unwrap_or_default();
    let posts: Vec<String> = posts.iter().map(|p| format!("{} {}", p.place_name, p.title)).collect();
    CalloutLine {
        id: shown.id,
        name: shown.recipient.name,
        phone: shown.recipient.phone.unwrap_or_default(),
        posts: posts.join("、"),
        state: parts.callout.state.name_zh(),
        due: zh(parts.callout.due_at),
        next: view::callout::next(parts).map(|n| n.what).unwrap_or_default(),
    }
}

/// `GET /static/status.js`
pub async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], STATUS_JS).into_response()
}
