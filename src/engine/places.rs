//! A place that an officer adds to a running warning: its people are planned behind the others.

use super::{
    ActError, Engine,
    apply::{WarningChange, plan_blob, to_json},
    intake::AREA_TASK,
};
use crate::{
    core::{
        directory::{Directory, Place},
        division::Division,
        ids::WarningId,
        message::fit_list,
        plan::{CHUNK, PlanEntry},
        planner::{self, Only, PlanInput, PlanOutput},
        supervise::{self, Watch},
        time::Time,
        warning::{Area, Content, FieldError, Shape},
        warning_life::{WarningPhase, WarningState},
    },
    store::WriteLane,
};

impl Engine {
    /// Adds a place (a point's code or a division code): its people are planned behind the others.
    pub async fn add_place(&self, id: WarningId, who: &str, place: &str) -> Result<(), ActError> {
        let (directory, lookup) = self.people_now().await?;
        let bad = |detail: String| ActError::Invalid(FieldError { pointer: "/place".into(), detail });
        let shape = match place.parse::<Division>() {
            Ok(d) if directory.divisions.contains_key(&d) => Shape::Division(d),
            Ok(d) => return Err(bad(format!("division {d} is not in the directory"))),
            Err(_) if directory.points.contains_key(place) => Shape::Point(place.to_string()),
            Err(_) => return Err(bad(format!("`{place}` is neither a division code nor a point of the directory"))),
        };
        let name = match &shape {
            Shape::Point(code) => directory.points.get(code).map(|p| p.name.clone()),
            _ => place.parse().ok().and_then(|d: Division| directory.divisions.get(&d).map(|d| d.name.clone())),
        };
        let name = name.unwrap_or_else(|| place.to_string());
        for _ in 0..10 {
            let called = self.ordinals(id).await?;
            let Some((seen, _)) = self.load_warning(id).await? else { break };
            let policy = self.policy_of(&seen.policy).await?;
            let (mut refused, mut stale) = (None, false);
            let change = |w: &mut WarningState, now| {
                if w.phase != WarningPhase::Active || w.end.is_some() {
                    refused = Some(ActError::Conflict(format!("{id} is not active")));
                    return None;
                }
                if w.drill_scope.is_some() {
                    refused = Some(ActError::Conflict(format!("{id} is a drill of chosen people; start another for this place")));
                    return None;
                }
                // Who is called already was read before; another place may have been added since.
                stale = w.plan.entries != seen.plan.entries;
                if stale || w.added_places.iter().any(|p| p == place) {
                    return None;
                }
                let content = Content { areas: vec![Area { name: None, shape: shape.clone(), level: None }], ..w.content.clone() };
                let drill = w.drill;
                let input = |only| PlanInput {
                    content: &content,
                    policy: &policy,
                    directory: &directory,
                    lookup: &lookup,
                    now,
                    issuer_divisions: &[],
                    drill,
                    only,
                };
                let all = planner::make_plan(input(None));
                let people = all.chunks.iter().flat_map(|c| c.entries.iter().filter_map(|e| c.people.get(usize::from(e.person))));
                let new = people.filter(|p| !called.contains_key(&p.id));
                let mut recipients: Vec<_> = new.map(|p| p.id).collect();
                recipients.sort_unstable();
                // Those above it answer for more than this place, and know of the warning.
                let here = |e: &PlanEntry| e.posts.iter().any(|p| lies_in(&shape, &p.place));
                let of_here = all
                    .chunks
                    .iter()
                    .flat_map(|c| c.entries.iter().filter(|e| here(e)).filter_map(|e| c.people.get(usize::from(e.person))));
                let known: Vec<_> = of_here.filter(|p| called.contains_key(&p.id)).collect();
                watch_counties(w, &all, &directory, now);
                let only = Only { recipients, ..Only::default() };
                let out = (!only.recipients.is_empty()).then(|| planner::make_plan(input(Some(&only))));
                let mut change = WarningChange {
                    entry: serde_json::json!({"e": "place_added", "place": place, "who": who}),
                    due: Some(now),
                    ..WarningChange::default()
                };
                w.added_places.push(place.to_string());
                for t in w.tasks.iter_mut().filter(|t| t.is_open() && t.title.starts_with(AREA_TASK)) {
                    t.closed = Some("place_added".into());
                    change.tasks.push(t.n);
                }
                if !known.is_empty() {
                    // Their callouts stand as they were planned: what they answered before cannot be for
                    // this place, so a person tells them, and signs for it.
                    let names: Vec<String> = known.iter().map(|p| p.name.clone()).collect();
                    let title = format!("新增地点{name}：{}已在本次叫应名单中，请人工告知并核实", fit_list(&names, 40, "人"));
                    change.tasks.extend(Engine::warning_decides(w, &title, now));
                }
                if let Some(out) = out
                    && extend_plan(w, out, &mut change, now).is_none()
                {
                    refused =
                        Some(ActError::Conflict(format!("{id} has too many different ladders; post the place as a warning of its own")));
                    return None;
                }
                Some(change)
            };
            let found = self.apply_warning(id, WriteLane::Urgent, change).await?;
            if stale {
                continue;
            }
            return match (refused, found) {
                (Some(e), _) => Err(e),
                (None, None) => Err(ActError::NotFound(format!("warning {id}"))),
                _ => Ok(()),
            };
        }
        Err(ActError::NotFound(format!("warning {id}")))
    }
}

/// Puts a second plan behind the first, with the ladders and feedback rules it has besides. Their clocks begin
/// now. `None` where a warning has more different ladders than can be numbered.
fn extend_plan(w: &mut WarningState, out: PlanOutput, change: &mut WarningChange, now: Time) -> Option<()> {
    let fresh = w.policy.ladders.is_empty();
    let ladders = numbers(&mut w.policy.ladders, out.running.ladders)?;
    let feedback = numbers(&mut w.policy.feedback, out.running.feedback)?;
    let lines = numbers(&mut w.policy.lines, out.running.lines)?;
    let first = w.plan.chunks;
    for (n, mut chunk) in out.chunks.into_iter().enumerate() {
        chunk.added_at = Some(now);
        for e in &mut chunk.entries {
            e.ladder = *ladders.get(usize::from(e.ladder))?;
            e.feedback = e.feedback.and_then(|f| feedback.get(usize::from(f)).copied());
            for post in &mut e.posts {
                post.line = post.line.and_then(|l| lines.get(usize::from(l)).copied());
            }
        }
        w.plan.entries = (first as usize + n) as u32 * CHUNK as u32 + chunk.entries.len() as u32;
        w.plan.chunks += 1;
        change.blobs.push((plan_blob(first + n as u32), to_json(&chunk)));
    }
    if fresh {
        w.policy.clocks = out.running.clocks;
        w.policy.night = out.running.night;
        w.policy.source = out.running.source;
    }
    w.plan.expected += out.expected as u32;
    w.plan.told += out.told as u32;
    Some(())
}

/// The counties that come with the place are watched from now on (督办), as the others are; those that are watched
/// already stay so.
fn watch_counties(w: &mut WarningState, all: &PlanOutput, directory: &Directory, now: Time) {
    for at in &all.running.supervise_by {
        if w.policy.supervise_at(Some(at.level)).is_none() {
            w.policy.supervise_by.push(at.clone());
        }
    }
    let name = |d| directory.division_name(d).map_or_else(|| d.to_string(), str::to_string);
    let counties = all.counties.iter().map(|(d, called)| (*d, *called, name(*d)));
    for watch in supervise::watches(&w.policy, counties, now, w.drill) {
        if w.watches.iter().all(|known| known.county != watch.county || known.what != watch.what) {
            w.watches.push(Watch { since: Some(now), ..watch });
        }
    }
}

fn lies_in(shape: &Shape, place: &Place) -> bool {
    match shape {
        Shape::Division(d) => d.contains(place.division),
        Shape::Point(code) => place.point.as_ref() == Some(code),
        _ => false,
    }
}

/// The numbers of `new` among `all`: those that stand there already, and new ones behind them.
fn numbers<T: PartialEq>(all: &mut Vec<T>, new: Vec<T>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(new.len());
    for one in new {
        let at = all.iter().position(|known| *known == one).unwrap_or_else(|| {
            all.push(one);
            all.len() - 1
        });
        out.push(u8::try_from(at).ok()?);
    }
    Some(out)
}
