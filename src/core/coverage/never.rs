//! People who hold a post and whom no row of the policy calls by any of theirs: they believe that the telephone will ring.

use super::{CoverageInput, Gap, GapKind, gaps::bare};
use crate::core::{
    directory::Post,
    ids::RecipientId,
    planner::{
        lookup::tier_of,
        survey::{Stop, SurveyRow, Surveyor},
    },
    policy::Selector,
};
use std::collections::BTreeSet;

/// A gap for each of their posts in force. `ever` says, post by post of the directory, whether one of `rows` calls it;
/// `rows` are all of the policy's. Desks and shift leaders are rung by rungs and never meant here.
pub(super) fn called(input: &CoverageInput<'_>, rows: &[SurveyRow], ever: &[bool]) -> Vec<Gap> {
    let directory = input.directory;
    let holds = |p: &Post| p.valid_at(input.now);
    let called: BTreeSet<RecipientId> =
        directory.posts.iter().zip(ever).filter(|(p, ever)| **ever && holds(p)).map(|(p, _)| p.recipient).collect();
    let inside = |p: &Post| input.within.is_none_or(|w| w.contains(p.place.division));
    let never: Vec<&Post> = directory
        .posts
        .iter()
        .filter(|p| holds(p) && inside(p) && !p.role.is_desk() && !called.contains(&p.recipient))
        .filter(|p| directory.recipients.contains_key(&p.recipient))
        .collect();
    if never.is_empty() {
        return Vec::new();
    }
    let mut farthest = vec![Stop::Hazard; never.len()];
    let everybody = Selector::default();
    for row in rows {
        let Some(mut surveyor) = Surveyor::new(input.policy, directory, input.lookup, row, &everybody, input.now) else { continue };
        for (post, stop) in never.iter().zip(&mut farthest) {
            *stop = surveyor.stops_at(post).max(*stop);
        }
    }
    let by_rungs = asked_by_rungs(input);
    let gap = |(post, stop): (&&Post, Stop)| {
        let person = directory.recipients.get(&post.recipient)?;
        let role = input.policy.role_name(&post.role);
        let title = if post.title.is_empty() { String::new() } else { format!("“{}”", post.title) };
        let only = if by_rungs.contains(&person.id) { "；他只在作为代理人、上级或值班人员时被叫到" } else { "" };
        let tier = tier_of(post).name_zh();
        let detail = format!("{}的{tier}“{role}”岗位{title}，任何灾种、级别的规则都不叫：{}{only}", person.name, why(stop, tier, role));
        Some(Gap {
            recipient: Some(person.id),
            name: Some(person.name.clone()),
            ..bare(directory, GapKind::NeverCalled, &post.place, detail)
        })
    };
    never.iter().zip(farthest).filter_map(gap).collect()
}

fn why(stop: Stop, tier: &str, role: &str) -> String {
    match stop {
        Stop::Hazard => format!("没有一条要叫人的规则管“{role}”负责的灾种"),
        Stop::Tier => format!("这些灾种的规则都不叫{tier}责任人"),
        Stop::Role => format!("这些灾种的规则在{tier}只叫别的责任类别"),
        Stop::Depth => format!("规则只叫别级行政区划的{tier}“{role}”"),
        Stop::Title => "职务中没有规则要找的字样".into(),
        Stop::Point => "规则只叫有相应点位的地方，此处没有".into(),
        Stop::Preferred => "此处另有人的职务更合规则，只叫他".into(),
    }
}

/// Those whom a rung may ask all the same.
fn asked_by_rungs(input: &CoverageInput<'_>) -> BTreeSet<RecipientId> {
    let posts = input.directory.posts.iter();
    let desks = posts.clone().filter(|p| p.role.is_desk()).map(|p| p.recipient);
    posts.flat_map(|p| [p.deputy, p.superior]).flatten().chain(desks).chain(input.directory.rotas.people()).collect()
}
