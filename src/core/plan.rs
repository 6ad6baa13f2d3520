//! The plan: warning × policy × directory → who is called. Made once, kept whole, never re-read
//! from a directory that somebody edits meanwhile.

use super::{
    directory::{Place, Role, Tier},
    division::Division,
    hazard::Level,
    ids::RecipientId,
    phone::Phone,
    policy::{AnswerRule, Who},
    time::{Span, Time},
};
use serde::{Deserialize, Serialize};

/// How many persons one stored blob of the plan holds.
pub const CHUNK: usize = 1000;

/// A person as known when the plan was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanPerson {
    pub id: RecipientId,
    pub name: String,
    pub phones: Vec<Phone>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// A post for which the person is called. `deputy` indexes [`PlanChunk::people`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanPost {
    pub role: Role,
    pub title: String,
    pub place: Place,
    pub place_name: String,
    pub tier: Tier,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deputy: Option<u16>,
    /// A desk's or shift leader's post: index into [`PlanChunk::rotas`]. Whoever stands in that rota may answer
    /// for it as its deputy does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rota: Option<u16>,
    #[serde(default)]
    pub rule: AnswerRule,
    /// Somebody below waits for an answer here (逐级转发).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forwards: bool,
    /// Index into [`super::policy::RunningPolicy::lines`] (双叫应): by which line this post is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u8>,
}
impl PlanPost {
    /// The record on which those below this post wait; see [`relay_record`].
    pub fn relay_record(&self) -> String {
        relay_record(self.tier, self.place.division)
    }
}

/// How the record is named that those wait on who are called once this tier of this division has answered.
/// It stands among the records of places, whose ids have no `/`.
pub fn relay_record(tier: Tier, division: Division) -> String {
    format!("{RELAY}{}/{division}", tier.as_str())
}

/// Whether a place's record is one of a relay.
pub fn is_relay_record(place: &str) -> bool {
    place.starts_with(RELAY)
}

const RELAY: &str = "relay/";

/// The blob of a warning that holds this chunk of its plan.
pub fn plan_blob(n: u32) -> String {
    format!("{PLAN_BLOB}{n}")
}

const PLAN_BLOB: &str = "plan/";

/// The records somebody waits on by this blob of a warning; none where it is no chunk of a plan.
pub fn relay_records(blob: &str, body: &[u8]) -> Vec<String> {
    // Of a chunk of a thousand people, what is asked for.
    #[derive(Deserialize)]
    struct Uppers {
        uppers: Vec<String>,
    }
    #[derive(Deserialize)]
    struct Entry {
        relay: Option<Uppers>,
    }
    #[derive(Deserialize)]
    struct Chunk {
        entries: Vec<Entry>,
    }
    let chunk = blob.starts_with(PLAN_BLOB).then(|| serde_json::from_slice::<Chunk>(body).ok()).flatten();
    chunk.map(|c| c.entries.into_iter().filter_map(|e| e.relay).flat_map(|r| r.uppers).collect()).unwrap_or_default()
}

/// 逐级转发: when this person's turn comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relay {
    /// Called at the latest this long after acceptance, whether or not anybody above has answered: nobody is
    /// forgotten because somebody sleeps.
    pub wait: Span,
    /// The tier's own answer deadline, from when he is called.
    pub own: Span,
    /// Records of those above; an answer in one of them is enough.
    pub uppers: Vec<String>,
}

/// Somebody on duty for a stretch of the time that a plan looks ahead. `person` indexes [`PlanChunk::people`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanShift {
    pub from: Time,
    pub to: Time,
    pub person: u16,
}

/// The shifts of one seat. A warning outlasts the shift it came in, and a rung asks for whoever is on duty when it is
/// taken; so the plan keeps all shifts of the days ahead. The person is *not* looked up in the directory when
/// the rung is taken: what a running warning does follows from its plan alone, so that it is the same after a crash, on
/// another gateway and in a rehearsal, and an edit of the directory cannot disturb it. A swap made after the plan is not seen
/// by callouts; the desk's own number and the standing leader are rung as before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanRota {
    /// The very division of this rota has a standing desk or leader too: at a desk both are called.
    #[serde(default)]
    pub beside: bool,
    /// In order of time.
    pub shifts: Vec<PlanShift>,
}
impl PlanRota {
    /// Who is on duty, each once.
    pub fn at(&self, now: Time) -> Vec<u16> {
        let mut all: Vec<u16> = self.shifts.iter().filter(|s| s.from <= now && now < s.to).map(|s| s.person).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// The rotas an entry's rungs ask, as indexes into [`PlanChunk::rotas`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanDuty {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub township: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub county: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<u16>,
}
impl PlanDuty {
    fn is_none(&self) -> bool {
        *self == PlanDuty::default()
    }
}

/// One callout-to-be (or, where the ladder asks no answer, one person to be told).
/// All indexes are into [`PlanChunk::people`] of the same chunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanEntry {
    pub person: u16,
    /// Never empty; the first gives the callout's division and tier.
    pub posts: Vec<PlanPost>,
    /// The highest level among the places that make it this person's.
    pub level: Level,
    /// Index into [`super::policy::RunningPolicy::ladders`].
    pub ladder: u8,
    /// The answer deadline of this person's tier, from acceptance. Where the night rule holds his calls it counts from
    /// the morning, and in a relay from when those above had time to answer: it is what the policy gives him at that
    /// hour, fixed here, and no rung moves it.
    pub deadline: Span,
    /// Index into [`super::policy::RunningPolicy::feedback`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superior: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub township_desk: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub county_desk: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city_desk: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift_leader: Option<u16>,
    /// Holders of other posts at the same village or point who have no callout of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<Relay>,
    #[serde(default, skip_serializing_if = "PlanDuty::is_none")]
    pub duty: PlanDuty,
    /// Night rule: nothing leaves before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_until: Option<Time>,
    /// Night rule: no call before this; text goes at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_voice_until: Option<Time>,
}
impl PlanEntry {
    /// The people a rung means by `who` at this moment: the standing ones and those the rotas of the chunk name. A desk's
    /// own number comes before the person who sits there; the leader of the rota comes instead of the standing one.
    pub fn people_at(&self, who: Who, rotas: &[PlanRota], now: Time) -> Vec<u16> {
        let rota = |index: Option<u16>| index.and_then(|i| rotas.get(usize::from(i)));
        let on = |r: &PlanRota| -> Vec<u16> { r.at(now).into_iter().filter(|p| *p != self.person).collect() };
        let mut standing = self.people_of(who);
        match who {
            Who::TownshipDesk | Who::CountyDesk | Who::CityDesk => {
                let index = match who {
                    Who::TownshipDesk => self.duty.township,
                    Who::CountyDesk => self.duty.county,
                    _ => self.duty.city,
                };
                let Some(r) = rota(index) else { return standing };
                let there = on(r);
                // A rota nearer than any desk: while somebody is on duty there, the desk further up is not disturbed.
                if !r.beside && !there.is_empty() {
                    return there;
                }
                standing.extend(there.into_iter().filter(|p| Some(*p) != self.desk_of(who)));
                standing
            }
            Who::ShiftLeader => match rota(self.duty.leader).map(on) {
                Some(there) if !there.is_empty() => there,
                _ => standing,
            },
            Who::Deputy => {
                let there: Vec<u16> = self.posts.iter().filter_map(|p| rota(p.rota)).flat_map(on).collect();
                for p in there {
                    if !standing.contains(&p) {
                        standing.push(p);
                    }
                }
                standing
            }
            Who::Holder | Who::Superior | Who::Others => standing,
        }
    }

    fn desk_of(&self, who: Who) -> Option<u16> {
        match who {
            Who::TownshipDesk => self.township_desk,
            Who::CountyDesk => self.county_desk,
            Who::CityDesk => self.city_desk,
            _ => None,
        }
    }

    /// The posts this person may answer for in the holder's place.
    pub fn deputised_by(&self, person: u16, rotas: &[PlanRota]) -> Vec<u16> {
        let by_rota =
            |p: &PlanPost| p.rota.and_then(|i| rotas.get(usize::from(i))).is_some_and(|r| r.shifts.iter().any(|s| s.person == person));
        self.posts.iter().enumerate().filter(|(_, p)| p.deputy == Some(person) || by_rota(p)).map(|(i, _)| i as u16).collect()
    }

    /// The distinct standing people a rung means by `who`, in a stable order, whatever the rotas say.
    pub fn people_of(&self, who: Who) -> Vec<u16> {
        match who {
            Who::Holder => vec![self.person],
            Who::Deputy => {
                let mut all: Vec<u16> = self.posts.iter().filter_map(|p| p.deputy).collect();
                all.sort_unstable();
                all.dedup();
                all.retain(|d| *d != self.person);
                all
            }
            Who::Superior => self.superior.into_iter().collect(),
            Who::TownshipDesk => self.township_desk.into_iter().collect(),
            Who::CountyDesk => self.county_desk.into_iter().collect(),
            Who::CityDesk => self.city_desk.into_iter().collect(),
            Who::ShiftLeader => self.shift_leader.into_iter().collect(),
            Who::Others => self.others.clone(),
        }
    }
}

/// Up to [`CHUNK`] entries and everybody they name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanChunk {
    /// Set where an officer added its places while the warning ran: their clocks begin then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added_at: Option<Time>,
    pub people: Vec<PlanPerson>,
    pub entries: Vec<PlanEntry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rotas: Vec<PlanRota>,
}
