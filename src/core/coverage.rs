//! Coverage (覆盖): for each place × hazard × level, whether somebody would be called now, and through a door that
//! opens. What is missing is found on a dry day, by the very rows and questions that planning uses
//! ([`super::planner::survey`]); nothing here decides who is called.
//!
//! Rooms: [`filing`] says which parts of the directory were not confirmed since the yearly date · `places` holds the
//! places and who answers for them · `gaps` looks for what is missing there · `dead` looks at the numbers of those whom
//! only rungs ring · `never` at people whom nothing calls.

mod dead;
pub mod filing;
mod gaps;
mod never;
mod places;

pub use filing::{Filing, FilingDate, Filings};
pub use gaps::coverage;

use super::{
    callout::Channels,
    directory::{Directory, Place},
    division::Division,
    hazard::{HazardCode, Level},
    ids::RecipientId,
    numbers::DeadNumber,
    phone::Phone,
    planner::{Lookup, survey::SurveyRow},
    policy::Policy,
    time::Time,
};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// What coverage is computed from.
#[derive(Clone, Copy, Debug)]
pub struct CoverageInput<'a> {
    pub policy: &'a Policy,
    pub directory: &'a Directory,
    /// Built from this very directory; knows the dead numbers.
    pub lookup: &'a Lookup,
    /// For which channels there is an account.
    pub channels: Channels,
    pub now: Time,
    /// When the directory must be confirmed each year; `None`: never asked.
    pub filing: Option<FilingDate>,
    pub filings: &'a Filings,
    /// Only places inside this division.
    pub within: Option<Division>,
    pub hazard: Option<&'a HazardCode>,
    pub level: Option<Level>,
}

/// What can be missing, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GapKind {
    /// The policy would call people of this place, and there are none.
    Nobody,
    /// People are called there, and none of them has a door that opens.
    NoDoor,
    /// All who are called there have one usable number together.
    OneNumber,
    /// A person who is called has no door that opens.
    NoNumber,
    /// A number was proved dead by a receipt: of a person who is called, or of one whom rungs ring (deputies, superiors,
    /// desks, shift leaders, everybody still to come on a rota).
    DeadNumber,
    /// Nobody may answer in the holder's place, or his deputy has no door that opens.
    NoDeputy,
    /// A point lacks a responsible person (or an entry) that its kind must have, or a row calls only people of a role
    /// that nobody holds at the place.
    RoleEmpty,
    /// A city, county or township without a 24-hour desk.
    NoDesk,
    /// A desk without a usable number.
    DeskWithoutNumber,
    /// There are people for the desk, but nobody is on duty now.
    DeskUnstaffed,
    /// A city or county whose unclaimed tasks ring nobody of its own: no shift leader is registered, none is on duty now,
    /// or none has a usable number; of a township just the last, for who stands there is rung before the county's.
    NoShiftLeader,
    /// A person holds a post, and no row of the policy calls him by any post of his, for no hazard and level.
    NeverCalled,
    /// Not confirmed since the yearly date.
    StaleFiling,
}
impl GapKind {
    pub const ALL: [GapKind; 13] = [
        GapKind::Nobody,
        GapKind::NoDoor,
        GapKind::OneNumber,
        GapKind::NoNumber,
        GapKind::DeadNumber,
        GapKind::NoDeputy,
        GapKind::RoleEmpty,
        GapKind::NoDesk,
        GapKind::DeskWithoutNumber,
        GapKind::DeskUnstaffed,
        GapKind::NoShiftLeader,
        GapKind::NeverCalled,
        GapKind::StaleFiling,
    ];
    pub fn as_str(self) -> &'static str {
        match self {
            GapKind::Nobody => "nobody",
            GapKind::NoDoor => "no_door",
            GapKind::OneNumber => "one_number",
            GapKind::NoNumber => "no_number",
            GapKind::DeadNumber => "dead_number",
            GapKind::NoDeputy => "no_deputy",
            GapKind::RoleEmpty => "role_empty",
            GapKind::NoDesk => "no_desk",
            GapKind::DeskWithoutNumber => "desk_without_number",
            GapKind::DeskUnstaffed => "desk_unstaffed",
            GapKind::NoShiftLeader => "no_shift_leader",
            GapKind::NeverCalled => "never_called",
            GapKind::StaleFiling => "stale_filing",
        }
    }
    pub fn name_zh(self) -> &'static str {
        match self {
            GapKind::Nobody => "无人可叫",
            GapKind::NoDoor => "有人但无有效联系方式",
            GapKind::OneNumber => "只有一个号码",
            GapKind::NoNumber => "责任人无有效联系方式",
            GapKind::DeadNumber => "号码失效（有回执）",
            GapKind::NoDeputy => "无代理人（B角）",
            GapKind::RoleEmpty => "责任岗位空缺",
            GapKind::NoDesk => "无24小时值班电话",
            GapKind::DeskWithoutNumber => "值班室无有效号码",
            GapKind::DeskUnstaffed => "值班无人在岗",
            GapKind::NoShiftLeader => "带班领导缺失",
            GapKind::NeverCalled => "在册但规则从不叫应",
            GapKind::StaleFiling => "名册逾期未核对",
        }
    }
    /// Somebody may not be called at all because of it.
    pub fn is_grave(self) -> bool {
        matches!(self, GapKind::Nobody | GapKind::NoDoor)
    }
}
impl std::str::FromStr for GapKind {
    type Err = String;
    fn from_str(s: &str) -> Result<GapKind, String> {
        GapKind::ALL
            .into_iter()
            .find(|k| k.as_str() == s)
            .ok_or_else(|| format!("`{s}` is not a kind of gap: {}", GapKind::ALL.map(GapKind::as_str).join(", ")))
    }
}

/// One thing that is missing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gap {
    pub kind: GapKind,
    /// The point's code or the 12 digits.
    #[serde(serialize_with = "place_id")]
    pub place: Place,
    pub place_name: String,
    pub division: Division,
    /// `沁水县 龙港镇 梁庄村`: where that is.
    pub path: String,
    /// The person it is about, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<RecipientId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Masked.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "masked")]
    pub phone: Option<Phone>,
    /// Rows of the policy (indices into [`Coverage::rows`]) for which it matters; empty: for all.
    pub rows: Vec<u16>,
    /// One line for people.
    pub detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<DeadNumber>,
}

fn place_id<S: Serializer>(place: &Place, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&place.id())
}
fn masked<S: Serializer>(phone: &Option<Phone>, s: S) -> Result<S::Ok, S::Error> {
    phone.as_ref().map(Phone::masked).serialize(s)
}

/// All gaps, by kind, then by place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coverage {
    pub rows: Vec<SurveyRow>,
    pub gaps: Vec<Gap>,
    /// Places looked at: divisions and points.
    pub places: usize,
    /// People who are called by at least one of the rows.
    pub people: usize,
}
impl Coverage {
    /// How many gaps of each kind there are; kinds without any are left out.
    pub fn counts(&self) -> BTreeMap<GapKind, usize> {
        let mut counts = BTreeMap::new();
        self.gaps.iter().for_each(|g| *counts.entry(g.kind).or_default() += 1);
        counts
    }
}
