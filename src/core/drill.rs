//! Drills (演练): what one is narrowed to, and the roll call (点名) by which every number is proved once a quarter.
//!
//! Rooms: [`roll`] says which numbers are proved and which are due · [`schedule`] when a drill starts by itself ·
//! [`outcome`] what came of a drill, person by person and channel by channel.
//!
//! A drill rings real phones: everything here only narrows, marks and counts. That it never mixes with real
//! warnings, never has more than half of a number's quota and stops for a real warning is kept where those live.

pub mod outcome;
pub mod roll;
pub mod schedule;

use super::{
    callout::Channels,
    directory::{Directory, Place, Post, Recipient, Tier},
    division::Division,
    hazard::{HazardCode, Level},
    ids::RecipientId,
    phone::Phone,
    policy::{Call, Group, Ladder, Policy, Rule, Rung, RunningPolicy, Selector, Voice, Who},
    send::Channel,
    time::{Span, Time},
    warning::{Area, Content, MessageType, Shape, Status},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a drill is narrowed to; kept with it. Empty lists are no limits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DrillScope {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Tier>,
    /// Only these channels are used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<Channel>,
    /// Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<RecipientId>,
    /// Sorted; each of them is the first number its person is called by, in a roll call the only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<Phone>,
    /// A roll call: everybody named is called, whatever his posts answer for, and nobody in his place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub roll_call: bool,
    /// It may ring at night although the policy says otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_night: bool,
    /// The schedule that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
}
impl DrillScope {
    /// Nothing is narrowed or different.
    pub fn is_plain(&self) -> bool {
        *self == DrillScope::default()
    }

    /// Of these channels, those that the drill may use.
    pub fn narrowed(&self, all: Channels) -> Channels {
        let used = |c| self.channels.is_empty() || self.channels.contains(&c);
        Channels { sms: all.sms && used(Channel::Sms), voice: all.voice && used(Channel::Voice), email: all.email && used(Channel::Email) }
    }
}

/// The hazard of a roll call: none, so that every role answers for it.
pub const ROLL_CALL: &str = "点名";
/// How long a roll call waits for answers before it is over.
pub const ROLL_CALL_LASTS: Span = Span::hours(6);

/// The message of a roll call over these areas.
pub fn roll_call_content(identifier: String, areas: Vec<Area>, now: Time) -> Content {
    Content {
        identifier,
        sender: "roll-call".into(),
        sent: now,
        status: Status::Exercise,
        message_type: MessageType::Alert,
        references: Vec::new(),
        hazard: HazardCode(ROLL_CALL.into()),
        level: Level::Blue,
        headline: "责任人号码点名（演练）".into(),
        description: String::new(),
        instruction: String::new(),
        effective: None,
        onset: None,
        expires: Some(now + ROLL_CALL_LASTS),
        areas,
        event: None,
        stage: None,
        sender_name: None,
        parameters: BTreeMap::from([("eventName".to_string(), ROLL_CALL.to_string())]),
        restricted: false,
    }
}

/// An area that is a whole division.
pub fn whole(division: Division) -> Area {
    Area { name: None, shape: Shape::Division(division), level: None }
}

/// The policy of a roll call: everybody by one ladder, the policy's own `点名` where it has one, else an SMS, and
/// a call to who has not answered after ten minutes; no deputy, desk or task: it is the number that is asked.
pub fn roll_call_policy(policy: &Policy) -> Policy {
    let mut p = policy.clone();
    p.ladders.entry(ROLL_CALL.to_string()).or_insert_with(|| Ladder {
        answer: true,
        deadline: Tier::ALL.into_iter().map(|t| (t, ROLL_CALL_LASTS)).collect(),
        rungs: vec![Rung {
            at: super::policy::At::Start(Span::ZERO),
            call: vec![Who::Holder],
            send: vec![Channel::Sms, Channel::Email],
            voice: Some(Voice { after: Span::mins(10), every: Span::mins(30), times: 2, second_number_from: 9, night: false }),
            task: None,
        }],
        repeat: Span::hours(24),
    });
    let everybody = Group { name: "全部人员".into(), select: vec![Selector { feedback: false, ..Selector::default() }] };
    p.groups = BTreeMap::from([(ROLL_CALL.to_string(), everybody)]);
    let call = Call { who: vec![ROLL_CALL.into()], ladder: ROLL_CALL.into(), ..Call::default() };
    p.rules = vec![Rule { name: ROLL_CALL.into(), calls: vec![call], ..Rule::default() }];
    p
}

/// The directory of a roll call: the people named, one post each, where they hold one or stand in for somebody. A
/// deputy without a post of his own is reached too. Of several posts it is one inside `within`, the divisions that are
/// called, where he has one; of several numbers it is the one that is due, so that no other is rung in its place.
pub fn roll_call_directory(directory: &Directory, scope: &DrillScope, within: &[Division], now: Time) -> Directory {
    let named = |id: &RecipientId| scope.recipients.binary_search(id).is_ok();
    let mut posts: BTreeMap<RecipientId, Post> = BTreeMap::new();
    for inside in [true, false] {
        let here = |d: Division| within.iter().any(|w| w.contains(d)) == inside;
        let valid = || directory.posts.iter().filter(|p| p.valid_at(now) && here(p.place.division));
        for post in valid().filter(|p| named(&p.recipient)) {
            posts.entry(post.recipient).or_insert_with(|| post.clone());
        }
        for post in valid() {
            if let Some(deputy) = post.deputy.filter(named) {
                posts.entry(deputy).or_insert_with(|| Post {
                    recipient: deputy,
                    deputy: None,
                    title: format!("{}代理人", post.title),
                    ..post.clone()
                });
            }
        }
        for (seat, shifts) in directory.rotas.iter().filter(|(seat, _)| here(seat.division)) {
            for id in shifts.iter().map(|s| s.recipient).filter(named) {
                let place = Place { division: seat.division, point: None };
                let post = || Post { title: "值班员".into(), ..Post::new(id, seat.role.clone(), Tier::DutyDesk, place) };
                posts.entry(id).or_insert_with(post);
            }
        }
    }
    let mut people: BTreeMap<RecipientId, Recipient> =
        directory.recipients.iter().filter(|(id, _)| named(id)).map(|(id, r)| (*id, r.clone())).collect();
    let due = |p: &Phone| scope.first.binary_search(p).is_ok();
    for person in people.values_mut().filter(|r| r.phones.iter().any(due)) {
        person.phones.retain(due);
    }
    let mut d = Directory { recipients: people, posts: posts.into_values().collect(), ..Directory::default() };
    d.version = directory.version;
    d.points = directory.points.clone();
    d.divisions = directory.divisions.clone();
    d.sort_posts();
    d
}

/// The running policy with these channels only; an empty list is no limit.
pub fn only_channels(running: &mut RunningPolicy, channels: &[Channel]) {
    if channels.is_empty() {
        return;
    }
    for rung in running.ladders.iter_mut().flat_map(|l| &mut l.ladder.rungs) {
        rung.send.retain(|c| channels.contains(c));
        if !channels.contains(&Channel::Voice) {
            rung.voice = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::directory::Role;

    const HERE: &str = "140521101201";
    const ELSEWHERE: &str = "140502101201";

    fn division(d: &str) -> Division {
        d.parse().unwrap()
    }

    /// One person with a mobile and a landline, and a post in each of these.
    fn directory(places: &[&str]) -> Directory {
        let id = RecipientId(1);
        let phones = ["15400000001", "03562111111"].map(|p| Phone::parse(p).unwrap()).to_vec();
        let person = Recipient { id, name: "甲".into(), phones, email: None, im: None };
        let post = |d: &&str| Post::new(id, Role("flood_control".into()), Tier::Village, Place { division: division(d), point: None });
        Directory { recipients: BTreeMap::from([(id, person)]), posts: places.iter().map(post).collect(), ..Directory::default() }
    }

    fn roll_call(first: &str) -> DrillScope {
        let first = vec![Phone::parse(first).unwrap()];
        DrillScope { recipients: vec![RecipientId(1)], first, roll_call: true, ..DrillScope::default() }
    }

    #[test]
    fn a_roll_call_has_only_the_number_that_is_due() {
        let phones = |first: &str| {
            let d = roll_call_directory(&directory(&[HERE]), &roll_call(first), &[division("140521")], Time(0));
            d.recipients[&RecipientId(1)].phones.iter().map(|p| p.reveal().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(phones("03562111111"), ["03562111111"], "else the mobile answers and the landline is never rung");
        assert_eq!(phones("15400000001"), ["15400000001"]);
        assert_eq!(phones("15400000009").len(), 2, "who has another number by now is called by what he has");
    }

    #[test]
    fn a_roll_call_of_a_division_calls_people_by_their_post_there() {
        for places in [[ELSEWHERE, HERE], [HERE, ELSEWHERE]] {
            let at = |within: &str| {
                let d = roll_call_directory(&directory(&places), &roll_call("15400000001"), &[division(within)], Time(0));
                d.posts.iter().map(|p| p.place.division.to_string()).collect::<Vec<_>>()
            };
            assert_eq!(at("140521").len(), 1);
            assert!(division("140521").contains(division(&at("140521")[0])));
            assert!(division("140502").contains(division(&at("140502")[0])));
        }
    }

    #[test]
    fn a_landline_is_not_due_where_the_drill_only_writes() {
        let all = Channels { sms: true, voice: true, email: true };
        let scope = DrillScope { channels: vec![Channel::Sms], ..DrillScope::default() };
        let roll =
            |scope: &DrillScope| roll::Roll::of(&directory(&[HERE]), scope.narrowed(all), &BTreeMap::new(), Time(0), None, &[]).numbers;
        assert_eq!((roll(&scope), roll(&DrillScope::default())), (1, 2));
    }
}
