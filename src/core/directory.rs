//! The directory (责任人名册): people, the posts they hold, the points and divisions they answer for.
//!
//! A snapshot, built whole and then only read. Lookups that planning needs are indexed here.

use super::{division::Division, ids::RecipientId, phone::Phone, time::Time};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// Where a callout's person stands in the hierarchy (contract, Words).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    City,
    County,
    Township,
    Village,
    Point,
    DutyDesk,
}
impl Tier {
    pub const ALL: [Tier; 6] = [Tier::City, Tier::County, Tier::Township, Tier::Village, Tier::Point, Tier::DutyDesk];
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::City => "city",
            Tier::County => "county",
            Tier::Township => "township",
            Tier::Village => "village",
            Tier::Point => "point",
            Tier::DutyDesk => "duty_desk",
        }
    }
    pub fn name_zh(self) -> &'static str {
        match self {
            Tier::City => "市级",
            Tier::County => "县级",
            Tier::Township => "乡镇",
            Tier::Village => "村级",
            Tier::Point => "点位",
            Tier::DutyDesk => "值班",
        }
    }
}

/// What a post is about (责任类别 of the sheet), such as `flood_control` 防汛 or `duty` 值班. The words a
/// sheet may use for it, and the hazards it answers for, stand in the policy's `[role.*]` tables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Role(pub String);
impl Role {
    /// The one role with a meaning to the engine: the 24-hour desk that ladders climb to.
    pub const DUTY: &'static str = "duty";
    /// 带班领导, rung when a task stays unclaimed.
    pub const SHIFT_LEADER: &'static str = "shift_leader";
}

/// The division or point a post answers for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The point's own division where there is a point.
    pub division: Division,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<String>,
}
impl Place {
    /// The text id in the API: the point's code, else the 12 digits.
    pub fn id(&self) -> String {
        self.point.clone().unwrap_or_else(|| self.division.to_string())
    }
}
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id())
    }
}

/// A person who can be called (责任人).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipient {
    pub id: RecipientId,
    pub name: String,
    /// In the order they are to be tried; may be empty (as in life).
    pub phones: Vec<Phone>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub im: Option<String>,
}

/// A post (责任岗位): one person × one role × one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Post {
    pub recipient: RecipientId,
    pub role: Role,
    /// 职务 as written in the sheet.
    #[serde(default)]
    pub title: String,
    pub tier: Tier,
    pub place: Place,
    /// B角 of this post.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deputy: Option<RecipientId>,
    /// 上级责任人.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superior: Option<RecipientId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<Time>,
    #[serde(default)]
    pub households: u32,
    #[serde(default)]
    pub people: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub route: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shelter: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}
impl Post {
    pub fn valid_at(&self, now: Time) -> bool {
        self.valid_from.is_none_or(|f| f <= now) && self.valid_to.is_none_or(|t| now < t)
    }
}

/// A hazard point, reservoir, valley or fire point (责任对象).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub code: String,
    pub name: String,
    /// The role key of the posts that answer for it, such as `geological`.
    pub kind: String,
    pub division: Division,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<[f64; 2]>,
}

/// A named division of the list in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DivisionName {
    pub code: Division,
    pub name: String,
    /// The other code system's meaning of this code, where the two lists contradict each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clash: Option<String>,
}

/// The whole directory as planning reads it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Directory {
    /// Raised by every applied change; a plan records which one it was made from.
    pub version: u64,
    pub recipients: BTreeMap<RecipientId, Recipient>,
    /// Sorted by (place, role, recipient): the people of a place are neighbours.
    pub posts: Vec<Post>,
    pub points: BTreeMap<String, Point>,
    pub divisions: BTreeMap<Division, DivisionName>,
}

impl Directory {
    pub fn division_name(&self, code: Division) -> Option<&str> {
        self.divisions.get(&code).map(|d| d.name.as_str())
    }

    /// The Chinese name of a place for messages: the point's name, else the division's.
    pub fn place_name(&self, place: &Place) -> String {
        place
            .point
            .as_ref()
            .and_then(|p| self.points.get(p).map(|p| p.name.clone()))
            .or_else(|| self.division_name(place.division).map(str::to_string))
            .unwrap_or_else(|| place.id())
    }
}
