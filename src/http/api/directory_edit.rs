//! Single edits of the directory: persons, posts, points, shifts. Each is checked, applied whole, written into the history,
//! and taken over by the other gateways; none leaves a place without its last person unless it says `force=true`.
//!
//! A caller bound to a division touches only what lies inside it, and only persons whose every post does.

use super::{
    super::{
        auth::Caller,
        error::Problem,
        extract::{self, Path, Query},
        state::App,
        view::{
            self, Phones,
            directory::{PointView, PostView, RecipientView, ShiftView},
        },
    },
    directory::{Tagged, seen, tag, tagged},
    id,
};
use crate::{
    core::{
        directory::{Directory, Point, Post},
        directory_diff::diff,
        directory_edit::{self as edits, EditError, PersonEdit, PointEdit, PostEdit, ShiftEdit},
        division::Division,
        ids::RecipientId,
        rota::{Seat, Shift},
    },
    engine::directory::Author,
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditQuery {
    force: Option<bool>,
}

impl From<EditError> for Problem {
    fn from(error: EditError) -> Problem {
        match error {
            EditError::NotFound(what) => Problem::not_found(format!("{what} is not known")),
            EditError::Conflict(why) => Problem::conflict(why),
            EditError::Invalid(fields) => Problem::invalid(fields),
        }
    }
}

/// How often an edit is made anew because another came between.
const TRIES: usize = 8;

/// Applies an edit to the directory as it stands now, again where somebody else was first.
async fn apply<T>(
    app: &App,
    caller: &Caller,
    q: &EditQuery,
    what: &str,
    edit: impl Fn(&mut Directory) -> Result<T, Problem>,
) -> Result<(T, Arc<Directory>), Problem> {
    for _ in 0..TRIES {
        app.engine.follow_directory().await?;
        let old = app.engine.directory();
        let mut new = (*old).clone();
        let out = edit(&mut new)?;
        let changes = diff(&old, &new, &app.engine.calling());
        if changes.is_empty() {
            return Ok((out, old));
        }
        if q.force != Some(true) && !changes.uncovered.is_empty() {
            let places: Vec<String> = changes.uncovered.iter().take(10).map(|p| format!("{} ({p})", old.place_name(p))).collect();
            let detail = format!("nobody would be left to call at {}; name somebody first, or confirm with force=true", places.join(", "));
            return Err(Problem::conflict(detail));
        }
        let author = Author { by: caller.name(), how: "api" };
        if app.engine.change_directory(old.version, new, author, &format!("{what}：{}", changes.summary_zh())).await? {
            return Ok((out, app.engine.directory()));
        }
    }
    Err(Problem::unavailable("too many changes of the directory at once; nothing was changed"))
}

/// 412 where the caller saw something else than what stands there.
fn still<T: Serialize>(headers: &HeaderMap, thing: &T) -> Result<(), Problem> {
    let Some(wanted) = headers.get(header::IF_MATCH).and_then(|v| v.to_str().ok()) else { return Ok(()) };
    let now = tag(thing);
    if wanted.split(',').any(|w| matches!(w.trim(), "*") || w.trim() == now) {
        return Ok(());
    }
    Err(Problem::changed(format!("If-Match names {wanted}, but the tag is {now}; read it again")))
}

/// 403 where a bound caller reaches beyond the division.
fn inside(caller: &Caller, division: Division) -> Result<(), Problem> {
    match caller.bound_to() {
        Some(own) if !own.contains(division) => {
            Err(Problem::forbidden(format!("{division} is outside division {own}, to which this token is bound")))
        }
        _ => Ok(()),
    }
}

/// A person may be changed by a bound caller only where every post and shift lies inside.
fn whole_person(caller: &Caller, d: &Directory, id: RecipientId) -> Result<(), Problem> {
    seen(caller, d, id)?;
    d.posts
        .iter()
        .filter(|p| p.recipient == id || p.deputy == Some(id) || p.superior == Some(id))
        .try_for_each(|p| inside(caller, p.place.division))?;
    d.rotas.iter().filter(|(_, all)| all.iter().any(|s| s.recipient == id)).try_for_each(|(seat, _)| inside(caller, seat.division))
}

fn post_named<'a>(caller: &Caller, d: &'a Directory, id: &str) -> Result<&'a Post, Problem> {
    let post = edits::find_post(d, id).and_then(|at| d.posts.get(at)).filter(|p| caller.sees(p.place.division));
    post.ok_or_else(|| Problem::not_found(format!("post {} is not known", id.chars().take(100).collect::<String>())))
}

fn shown_person(d: &Directory, id: RecipientId) -> Result<Tagged<RecipientView>, Problem> {
    let person = d.recipients.get(&id).ok_or_else(Problem::internal)?;
    Ok(tagged(person, view::directory::person(d, person, Phones::Masked)))
}

/// `POST /api/v1/recipients`
pub async fn add_recipient(
    State(app): State<App>,
    caller: Caller,
    Query(q): Query<EditQuery>,
    extract::Json(edit): extract::Json<PersonEdit>,
) -> Result<(StatusCode, Tagged<RecipientView>), Problem> {
    let words = app.engine.policy().role_words();
    if caller.bound_to().is_some() && edit.posts.is_empty() {
        return Err(Problem::field("/posts", "a token bound to a division adds a person with at least one post inside it"));
    }
    let (id, d) = apply(&app, &caller, &q, "新增责任人", |d| {
        let id = edits::put_person(d, None, &edit, &words)?;
        d.posts.iter().filter(|p| p.recipient == id).try_for_each(|p| inside(&caller, p.place.division))?;
        Ok(id)
    })
    .await?;
    Ok((StatusCode::CREATED, shown_person(&d, id)?))
}

/// `PATCH /api/v1/recipients/{id}`
pub async fn change_recipient(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Query(q): Query<EditQuery>,
    headers: HeaderMap,
    extract::Json(edit): extract::Json<PersonEdit>,
) -> Result<Tagged<RecipientView>, Problem> {
    let who: RecipientId = id(&text)?;
    let words = app.engine.policy().role_words();
    let (_, d) = apply(&app, &caller, &q, &format!("变更责任人 {who}"), |d| {
        whole_person(&caller, d, who)?;
        d.recipients.get(&who).map_or(Ok(()), |p| still(&headers, p))?;
        Ok(edits::put_person(d, Some(who), &edit, &words)?)
    })
    .await?;
    shown_person(&d, who)
}

/// `DELETE /api/v1/recipients/{id}`
pub async fn remove_recipient(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Query(q): Query<EditQuery>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let who: RecipientId = id(&text)?;
    apply(&app, &caller, &q, &format!("移除责任人 {who}"), |d| {
        whole_person(&caller, d, who)?;
        d.recipients.get(&who).map_or(Ok(()), |p| still(&headers, p))?;
        Ok(edits::drop_person(d, who)?)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown_post(d: &Directory, id: &str) -> Result<Tagged<PostView>, Problem> {
    let post = edits::find_post(d, id).and_then(|at| d.posts.get(at)).ok_or_else(Problem::internal)?;
    Ok(tagged(post, view::directory::post(d, post)))
}

/// `GET /api/v1/posts/{id}`
pub async fn post(State(app): State<App>, caller: Caller, Path(text): Path<String>) -> Result<Tagged<PostView>, Problem> {
    let d = app.engine.directory();
    post_named(&caller, &d, &text)?;
    shown_post(&d, &text)
}

/// `POST /api/v1/posts`
pub async fn add_post(
    State(app): State<App>,
    caller: Caller,
    Query(q): Query<EditQuery>,
    extract::Json(edit): extract::Json<PostEdit>,
) -> Result<(StatusCode, Tagged<PostView>), Problem> {
    let words = app.engine.policy().role_words();
    let (id, d) = apply(&app, &caller, &q, "新增岗位", |d| {
        if let Some(who) = edit.recipient.filter(|who| caller.bound_to().is_some() && d.recipients.contains_key(who)) {
            seen(&caller, d, who)?;
        }
        let id = edits::add_post(d, &edit, &words, "")?;
        edits::find_post(d, &id).and_then(|at| d.posts.get(at)).map_or(Ok(()), |p| inside(&caller, p.place.division))?;
        Ok(id)
    })
    .await?;
    Ok((StatusCode::CREATED, shown_post(&d, &id)?))
}

/// `PATCH /api/v1/posts/{id}`
pub async fn change_post(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Query(q): Query<EditQuery>,
    headers: HeaderMap,
    extract::Json(edit): extract::Json<PostEdit>,
) -> Result<Tagged<PostView>, Problem> {
    let (_, d) = apply(&app, &caller, &q, "变更岗位", |d| {
        still(&headers, post_named(&caller, d, &text)?)?;
        Ok(edits::change_post(d, &text, &edit)?)
    })
    .await?;
    shown_post(&d, &text)
}

/// `DELETE /api/v1/posts/{id}`
pub async fn remove_post(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Query(q): Query<EditQuery>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    apply(&app, &caller, &q, "撤销岗位", |d| {
        still(&headers, post_named(&caller, d, &text)?)?;
        Ok(edits::drop_post(d, &text)?)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn known_point<'a>(caller: &Caller, d: &'a Directory, code: &str) -> Result<&'a Point, Problem> {
    let point = d.points.get(code).filter(|p| caller.sees(p.division));
    point.ok_or_else(|| Problem::not_found(format!("point {} is not known", code.chars().take(100).collect::<String>())))
}

fn shown_point(caller: &Caller, d: &Directory, code: &str) -> Result<Tagged<PointView>, Problem> {
    let point = known_point(caller, d, code)?;
    Ok(tagged(point, view::directory::point(d, point)))
}

/// `GET /api/v1/points/{id}`
pub async fn point(State(app): State<App>, caller: Caller, Path(code): Path<String>) -> Result<Tagged<PointView>, Problem> {
    shown_point(&caller, &app.engine.directory(), &code)
}

/// `POST /api/v1/points`
pub async fn add_point(
    State(app): State<App>,
    caller: Caller,
    Query(q): Query<EditQuery>,
    extract::Json(edit): extract::Json<PointEdit>,
) -> Result<(StatusCode, Tagged<PointView>), Problem> {
    let words = app.engine.policy().role_words();
    let (code, d) = apply(&app, &caller, &q, "新增点位", |d| {
        let code = edits::put_point(d, None, &edit, &words)?;
        d.points.get(&code).map_or(Ok(()), |p| inside(&caller, p.division))?;
        Ok(code)
    })
    .await?;
    Ok((StatusCode::CREATED, shown_point(&caller, &d, &code)?))
}

/// `PATCH /api/v1/points/{id}`
pub async fn change_point(
    State(app): State<App>,
    caller: Caller,
    Path(code): Path<String>,
    Query(q): Query<EditQuery>,
    headers: HeaderMap,
    extract::Json(edit): extract::Json<PointEdit>,
) -> Result<Tagged<PointView>, Problem> {
    let words = app.engine.policy().role_words();
    let (_, d) = apply(&app, &caller, &q, &format!("变更点位 {code}"), |d| {
        still(&headers, known_point(&caller, d, &code)?)?;
        edits::put_point(d, Some(&code), &edit, &words)?;
        d.points.get(&code).map_or(Ok(()), |p| inside(&caller, p.division))
    })
    .await?;
    shown_point(&caller, &d, &code)
}

/// `DELETE /api/v1/points/{id}`
pub async fn remove_point(
    State(app): State<App>,
    caller: Caller,
    Path(code): Path<String>,
    Query(q): Query<EditQuery>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    apply(&app, &caller, &q, &format!("移除点位 {code}"), |d| {
        still(&headers, known_point(&caller, d, &code)?)?;
        Ok(edits::drop_point(d, &code)?)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn known_shift(caller: &Caller, d: &Directory, id: &str) -> Result<(Seat, Shift), Problem> {
    let found = edits::find_shift(d, id).filter(|(seat, _)| caller.sees(seat.division));
    found.ok_or_else(|| Problem::not_found(format!("shift {} is not known", id.chars().take(100).collect::<String>())))
}

fn shown_shift(caller: &Caller, d: &Directory, id: &str) -> Result<Tagged<ShiftView>, Problem> {
    let (seat, shift) = known_shift(caller, d, id)?;
    Ok(tagged(&shift, view::directory::shift(d, &seat, &shift, Phones::Masked)))
}

/// `POST /api/v1/rotas`
pub async fn add_shift(
    State(app): State<App>,
    caller: Caller,
    Query(q): Query<EditQuery>,
    extract::Json(edit): extract::Json<ShiftEdit>,
) -> Result<(StatusCode, Tagged<ShiftView>), Problem> {
    inside(&caller, edit.division)?;
    let (id, d) = apply(&app, &caller, &q, "新增值班", |d| {
        if d.recipients.contains_key(&edit.recipient) {
            seen(&caller, d, edit.recipient)?;
        }
        Ok(edits::add_shift(d, &edit)?)
    })
    .await?;
    Ok((StatusCode::CREATED, shown_shift(&caller, &d, &id)?))
}

/// `PATCH /api/v1/rotas/{id}`: the shift as it is to be; its id may be another then.
pub async fn change_shift(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Query(q): Query<EditQuery>,
    headers: HeaderMap,
    extract::Json(edit): extract::Json<ShiftEdit>,
) -> Result<Tagged<ShiftView>, Problem> {
    inside(&caller, edit.division)?;
    let (id, d) = apply(&app, &caller, &q, "变更值班", |d| {
        still(&headers, &known_shift(&caller, d, &text)?.1)?;
        edits::drop_shift(d, &text)?;
        Ok(edits::add_shift(d, &edit)?)
    })
    .await?;
    shown_shift(&caller, &d, &id)
}

/// `DELETE /api/v1/rotas/{id}`
pub async fn remove_shift(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Query(q): Query<EditQuery>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    apply(&app, &caller, &q, "撤销值班", |d| {
        still(&headers, &known_shift(&caller, d, &text)?.1)?;
        Ok(edits::drop_shift(d, &text)?)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
