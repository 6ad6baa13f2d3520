//! Warnings: seen, ended, extended, widened.

use super::{
    super::{
        auth::Caller,
        error::Problem,
        extract::{Json as Body, Path, Query, fault},
        state::{App, inside, warning_of},
        view::{self, Page, forecast::ForecastView, warning::WarningView},
    },
    id, limit, parsed,
};
use crate::{
    core::{
        directory::{Directory, Tier},
        division::Division,
        hazard::Level,
        ids::WarningId,
        time::Time,
        warning_life::{WarningPhase, WarningState},
    },
    report::{GroupBy, Tally, tally},
    store::Face,
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

/// Records looked through for one page, so that a filter that fits nothing ends too.
const LOOKED_THROUGH: usize = 2000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    state: Option<WarningPhase>,
    hazard: Option<String>,
    level: Option<Level>,
    division: Option<String>,
    drill: Option<bool>,
    limit: Option<usize>,
    cursor: Option<String>,
}

impl ListQuery {
    fn wants(&self, w: &WarningState) -> bool {
        self.state.is_none_or(|s| s == w.phase)
            && self.hazard.as_deref().is_none_or(|h| w.content.hazard.0.starts_with(h))
            && self.level.is_none_or(|l| l == w.content.level)
            && self.drill.is_none_or(|d| d == w.drill)
    }
}

/// `GET /api/v1/warnings`
pub async fn list(State(app): State<App>, caller: Caller, Query(query): Query<ListQuery>) -> Result<Json<Page<WarningView>>, Problem> {
    let limit = limit(query.limit)?;
    let division = caller.narrow(parsed::<Division>("division", query.division.as_deref())?)?;
    let mut cursor = parsed::<WarningId>("cursor", query.cursor.as_deref())?;
    let mut items = Vec::new();
    let mut looked = 0;
    loop {
        let batch = app.engine.reports().warnings(cursor, 100).await?;
        let last = batch.len() < 100;
        for record in batch {
            let warning = warning_of(&record)?;
            if items.len() == limit || looked == LOOKED_THROUGH {
                return Ok(Json(Page { items, next_cursor: cursor.map(|c| c.to_string()) }));
            }
            cursor = Some(warning.id);
            looked += 1;
            if !query.wants(&warning) {
                continue;
            }
            if let Some(wanted) = division
                && inside(&app.faces(warning.id).await?, wanted).next().is_none()
            {
                continue;
            }
            let tally = app.tally(&caller, &warning).await?;
            items.push(view::warning::listed(&warning, tally));
        }
        if last {
            return Ok(Json(Page { items, next_cursor: None }));
        }
    }
}

/// `GET /api/v1/warnings/{id}`
pub async fn get(State(app): State<App>, caller: Caller, Path(text): Path<String>) -> Result<Json<WarningView>, Problem> {
    show(&app, &caller, id(&text)?).await.map(Json)
}

pub async fn show(app: &App, caller: &Caller, id: WarningId) -> Result<WarningView, Problem> {
    let warning = app.warning(caller, id).await?;
    let tally = app.tally(caller, &warning).await?;
    Ok(view::warning::whole(&warning, tally))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TallyQuery {
    by: Option<GroupBy>,
}

#[derive(Serialize)]
struct Group {
    group: Option<String>,
    name: Option<String>,
    /// 转发叫应率: answered below this one, of those below (逐级转发).
    #[serde(skip_serializing_if = "Option::is_none")]
    forward_rate: Option<f64>,
    tally: Tally,
}

#[derive(Serialize)]
struct Groups {
    by: GroupBy,
    #[serde(flatten)]
    page: Page<Group>,
}

/// `GET /api/v1/warnings/{id}/tally`
pub async fn tally(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Query(q): Query<TallyQuery>,
) -> Result<Response, Problem> {
    let warning = app.warning(&caller, id(&text)?).await?;
    let Some(by) = q.by else { return Ok(Json(app.tally(&caller, &warning).await?).into_response()) };
    let own = caller.bound_to();
    if by == GroupBy::Line {
        return Ok(Json(Groups { by, page: Page { items: by_line(&app, &warning, own).await?, next_cursor: None } }).into_response());
    }
    let faces = app.faces(warning.id).await?;
    let seen = faces.iter().filter(|f| own.is_none_or(|o| o.contains(f.division)));
    let directory = app.engine.directory();
    let groups = by.split(seen, &warning.content.hazard.0).into_iter().map(|(group, tally)| {
        let name = group.as_deref().and_then(|g| group_name(by, g, &warning, &directory));
        let forward_rate = group.as_deref().filter(|_| warning.policy.relay).and_then(|g| forward_rate(by, g, &faces));
        Group { group, name, forward_rate, tally }
    });
    Ok(Json(Groups { by, page: Page { items: groups.collect(), next_cursor: None } }).into_response())
}

/// Each line that is called side by side, counted by itself (双叫应).
async fn by_line(app: &App, warning: &WarningState, own: Option<Division>) -> Result<Vec<Group>, Problem> {
    let lines = app.engine.lines_of(warning.id).await?;
    let faces = app.engine.reports().faces(warning.id).await?;
    let group = |(line, ordinals): (&u8, &std::collections::BTreeSet<u32>)| {
        let of = faces.iter().filter(|(id, f)| ordinals.contains(&id.ordinal) && own.is_none_or(|o| o.contains(f.division)));
        let name = warning.policy.lines.get(usize::from(*line)).cloned();
        Group { group: name.clone(), name, forward_rate: None, tally: Tally::of(of.map(|(_, f)| f)) }
    };
    Ok(lines.iter().map(group).collect())
}

/// How many of those on the next level below a group have answered: of a tier the tier below, of a division
/// everybody inside it who stands below it.
fn forward_rate(by: GroupBy, key: &str, faces: &[Face]) -> Option<f64> {
    const ORDER: [Tier; 5] = [Tier::City, Tier::County, Tier::Township, Tier::Village, Tier::Point];
    let rank = |t: Tier| ORDER.iter().position(|o| *o == t);
    let asked = || faces.iter().filter(|f| !f.told_only);
    let below: Vec<&Face> = match by {
        GroupBy::Tier => {
            let mine = ORDER.iter().position(|t| t.as_str() == key)?;
            let next = asked().filter_map(|f| rank(f.tier)).filter(|r| *r > mine).min()?;
            asked().filter(|f| rank(f.tier) == Some(next)).collect()
        }
        GroupBy::County | GroupBy::Township => {
            let division: Division = key.parse().ok()?;
            let mine = if by == GroupBy::County { 1 } else { 2 };
            asked().filter(|f| division.contains(f.division) && rank(f.tier).is_some_and(|r| r > mine)).collect()
        }
        _ => return None,
    };
    Tally::of(below).answer_rate
}

/// `GET /api/v1/warnings/{id}/forecast`
pub async fn forecast(State(app): State<App>, caller: Caller, Path(text): Path<String>) -> Result<Json<ForecastView>, Problem> {
    let warning = app.warning(&caller, id(&text)?).await?;
    let made = app.engine.forecast(warning.id, caller.bound_to()).await?;
    let made = made.ok_or_else(|| Problem::not_found(format!("warning {} is not known", warning.id)))?;
    Ok(Json(view::forecast::shown(&made)))
}

fn group_name(by: GroupBy, key: &str, warning: &WarningState, directory: &Directory) -> Option<String> {
    match by {
        GroupBy::County | GroupBy::Township | GroupBy::Village => {
            key.parse().ok().and_then(|d| directory.division_name(d)).map(str::to_string)
        }
        GroupBy::Tier => tally::tier_name(key).map(str::to_string),
        GroupBy::Hazard => warning.content.hazard.name().map(str::to_string),
        GroupBy::Role | GroupBy::Line => None,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    reason: String,
}

/// `POST /api/v1/warnings/{id}/cancel`
pub async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Body(body): Body<Cancel>,
) -> Result<Json<WarningView>, Problem> {
    let id = id(&text)?;
    app.whole_warning(&caller, id).await?;
    let reason = body.reason.trim();
    if reason.is_empty() || reason.chars().count() > 500 {
        return Err(Problem::field("/reason", "1 to 500 characters: whoever was called is told"));
    }
    app.engine.cancel_warning(id, caller.name(), reason).await?;
    show(&app, &caller, id).await.map(Json)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extend {
    #[serde(with = "crate::core::time::rfc3339")]
    expires: Time,
}

/// `POST /api/v1/warnings/{id}/extend`
pub async fn extend(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Body(body): Body<Extend>,
) -> Result<Json<WarningView>, Problem> {
    let id = id(&text)?;
    app.whole_warning(&caller, id).await?;
    if body.expires <= app.engine.now() {
        return Err(Problem::field("/expires", "lies in the past; to end a warning, cancel it"));
    }
    app.engine.extend_warning(id, caller.name(), body.expires).await?;
    show(&app, &caller, id).await.map(Json)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddPlace {
    place: String,
}

/// `POST /api/v1/warnings/{id}/places`
pub async fn add_place(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Body(body): Body<AddPlace>,
) -> Result<Response, Problem> {
    let id = id(&text)?;
    app.warning(&caller, id).await?;
    let place = body.place.trim();
    let directory = app.engine.directory();
    let division = directory.points.get(place).map(|p| p.division).or_else(|| place.parse::<Division>().ok());
    let unknown = || Problem::invalid(vec![fault("/place", "neither a known point's code nor a division code of 2 to 12 digits")]);
    let division = division.ok_or_else(unknown)?;
    if !caller.sees(division) {
        return Err(Problem::forbidden(format!("{division} lies outside the division to which this token is bound")));
    }
    app.engine.add_place(id, caller.name(), place).await?;
    Ok((StatusCode::ACCEPTED, Json(show(&app, &caller, id).await?)).into_response())
}
