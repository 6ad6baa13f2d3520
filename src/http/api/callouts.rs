//! Callouts: seen, searched, answered and reported for by officers.

use super::{
    super::{
        ack::check_place,
        auth::Caller,
        error::Problem,
        extract::{Json as Body, Path, Query},
        state::App,
        view::{
            self, Page, Phones,
            callout::{CalloutPage, CalloutView},
        },
    },
    id, limit, parsed,
};
use crate::{
    core::{
        callout::state::{CalloutState, Report},
        directory::{Directory, Tier},
        division::Division,
        ids::{CalloutId, RecipientId, WarningId},
        phone::Phone,
    },
    engine::CalloutParts,
    store::{CalloutFilter, Key},
};
use axum::{Json, extract::State};
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    state: Option<CalloutState>,
    division: Option<String>,
    tier: Option<Tier>,
    open: Option<bool>,
    limit: Option<usize>,
    cursor: Option<String>,
    reveal: Option<bool>,
}

/// `GET /api/v1/warnings/{id}/callouts`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Query(q): Query<ListQuery>,
) -> Result<Json<CalloutPage>, Problem> {
    let warning: WarningId = id(&text)?;
    app.warning(&caller, warning).await?;
    let phones = app.phones(&caller, q.reveal, &format!("callouts of {warning}")).await?;
    let filter = CalloutFilter {
        state: q.state,
        division: caller.narrow(parsed::<Division>("division", q.division.as_deref())?)?,
        tier: q.tier,
        open: q.open == Some(true),
        recipients: None,
    };
    let cursor = parsed("cursor", q.cursor.as_deref())?;
    page(&app, Some(warning), &filter, cursor, limit(q.limit)?, phones, |_| true).await.map(Json)
}

/// One page of callouts that the store's filter and `keep` let through. Persons only told are none.
async fn page(
    app: &App,
    warning: Option<WarningId>,
    filter: &CalloutFilter,
    mut cursor: Option<CalloutId>,
    limit: usize,
    phones: Phones,
    keep: impl Fn(&CalloutParts) -> bool,
) -> Result<CalloutPage, Problem> {
    let mut items: Vec<CalloutView> = Vec::new();
    loop {
        let batch = app.engine.reports().callouts(warning, filter, cursor, limit + 1).await?;
        let last = batch.len() <= limit;
        for (record, face) in batch {
            let Key::Callout(id) = &record.key else { continue };
            if items.len() == limit {
                return Ok(Page { items, next_cursor: cursor.map(|c| c.to_string()) });
            }
            cursor = Some(*id);
            if face.told_only {
                continue;
            }
            if let Some(parts) = app.engine.parts_of(&record).await?.filter(|p| keep(p)) {
                items.push(view::callout::listed(&parts, phones));
            }
        }
        if last {
            return Ok(Page { items, next_cursor: None });
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchQuery {
    phone: Option<String>,
    name: Option<String>,
    open: Option<bool>,
    limit: Option<usize>,
    cursor: Option<String>,
    reveal: Option<bool>,
}

/// `GET /api/v1/callouts`: a person's callouts over all warnings, as holder or as somebody called in
/// the holder's place.
pub async fn search(State(app): State<App>, caller: Caller, Query(q): Query<SearchQuery>) -> Result<Json<CalloutPage>, Problem> {
    let directory = app.engine.directory();
    let people = match (&q.phone, &q.name) {
        (None, None) => return Err(Problem::malformed("give `phone` or `name`")),
        (phone, name) => wanted_people(&directory, phone.as_deref(), name.as_deref())?,
    };
    let phones = app.phones(&caller, q.reveal, "a search for a person").await?;
    let holders = with_those_they_stand_for(&directory, &people);
    let filter = CalloutFilter {
        division: caller.narrow(None)?,
        open: q.open == Some(true),
        recipients: Some(holders.into_iter().map(|r| r.0).collect()),
        ..CalloutFilter::default()
    };
    let concerns = |parts: &CalloutParts| {
        let holder = parts.entry().and_then(|e| parts.person(e.person)).map(|p| p.id);
        holder.is_some_and(|h| people.contains(&h)) || parts.callout.contacts.iter().any(|c| people.contains(&c.id))
    };
    let cursor = parsed("cursor", q.cursor.as_deref())?;
    page(&app, None, &filter, cursor, limit(q.limit)?, phones, concerns).await.map(Json)
}

fn wanted_people(directory: &Directory, phone: Option<&str>, name: Option<&str>) -> Result<BTreeSet<RecipientId>, Problem> {
    let phone = match phone {
        Some(text) => Some(Phone::parse(text).ok_or_else(|| Problem::malformed("phone: not a telephone number"))?),
        None => None,
    };
    let name = name.map(str::trim);
    if name.is_some_and(str::is_empty) {
        return Err(Problem::malformed("name: is empty"));
    }
    let fits = |p: &&crate::core::directory::Recipient| {
        phone.as_ref().is_none_or(|n| p.phones.contains(n)) && name.is_none_or(|n| p.name.contains(n))
    };
    Ok(directory.recipients.values().filter(fits).map(|p| p.id).collect())
}

/// The people themselves and everybody whose deputy or superior they are.
fn with_those_they_stand_for(directory: &Directory, people: &BTreeSet<RecipientId>) -> BTreeSet<RecipientId> {
    let stands = |p: &&crate::core::directory::Post| [p.deputy, p.superior].into_iter().flatten().any(|r| people.contains(&r));
    directory.posts.iter().filter(stands).map(|p| p.recipient).chain(people.iter().copied()).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneQuery {
    reveal: Option<bool>,
}

/// `GET /api/v1/callouts/{id}`
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Query(q): Query<OneQuery>,
) -> Result<Json<CalloutView>, Problem> {
    let id: CalloutId = id(&text)?;
    let parts = app.callout(&caller, id).await?;
    let phones = app.phones(&caller, q.reveal, &format!("callout {id}")).await?;
    show(&app, &parts, phones).await.map(Json)
}

async fn show(app: &App, parts: &CalloutParts, phones: Phones) -> Result<CalloutView, Problem> {
    let journal = app.engine.reports().journal(&Key::Callout(parts.callout.id)).await?;
    Ok(view::callout::whole(parts, &journal, phones))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acknowledge {
    method: String,
    #[serde(default)]
    note: Option<String>,
    #[serde(default)]
    answered_by: Option<String>,
}

/// `POST /api/v1/callouts/{id}/acknowledge`
pub async fn acknowledge(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Body(body): Body<Acknowledge>,
) -> Result<Json<CalloutView>, Problem> {
    let id: CalloutId = id(&text)?;
    app.callout(&caller, id).await?;
    let method = body.method.trim();
    if method.is_empty() || method.chars().count() > 50 {
        return Err(Problem::field("/method", "1 to 50 characters: how the person was reached, such as phone or door"));
    }
    check_note(body.note.as_deref())?;
    let parts = app.engine.acknowledge(id, caller.officer(), method, body.note, body.answered_by.as_deref()).await?;
    show(&app, &parts, Phones::Masked).await.map(Json)
}

/// Notes are kept for ever and shown in lists.
pub fn check_note(note: Option<&str>) -> Result<(), Problem> {
    if note.is_some_and(|n| n.chars().count() > 2000) { Err(Problem::field("/note", "at most 2000 characters")) } else { Ok(()) }
}

/// `POST /api/v1/callouts/{id}/feedback`
pub async fn feedback(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Body(report): Body<Report>,
) -> Result<Json<CalloutView>, Problem> {
    let id: CalloutId = id(&text)?;
    let parts = app.callout(&caller, id).await?;
    check_place(&parts, &report)?;
    check_note(Some(&report.note))?;
    let parts = app.engine.feedback(id, caller.officer(), None, report).await?;
    show(&app, &parts, Phones::Masked).await.map(Json)
}
