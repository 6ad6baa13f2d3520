//! The directory (责任人名册): people, the posts they hold, the points and divisions they answer for.
//!
//! A snapshot, built whole and then only read. Fast lookups: [`super::directory_index`]; what changed
//! between two snapshots: [`super::directory_diff`]; as stored documents: [`super::directory_docs`].

pub use super::role::Role;
use super::{division::Division, ids::RecipientId, phone::Phone, rota::Rotas, time::Time};
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
    /// From the words of a sheet (责任层级), without spaces; what stands in parentheses is ignored:
    /// `县(市、区)` is `县`. `None` when it is none of them.
    pub fn from_word(text: &str) -> Option<Tier> {
        let word = text.split(['(', '（']).next().unwrap_or(text);
        Some(match word {
            "市" | "市级" | "地市" | "地市级" | "设区市" => Tier::City,
            "县" | "县级" | "区" | "区级" | "区县" | "县区" | "县级市" => Tier::County,
            "乡" | "镇" | "乡级" | "镇级" | "乡镇" | "乡镇级" | "街道" | "镇街" | "乡镇街道" => Tier::Township,
            "村" | "村级" | "社区" | "村居" | "村社" | "村社区" | "行政村" => Tier::Village,
            "点" | "点位" | "点级" | "隐患点" | "监测点" => Tier::Point,
            "值班" | "值班室" | "值守" => Tier::DutyDesk,
            _ => return None,
        })
    }
    /// The word a sheet uses for it.
    pub fn word(self) -> &'static str {
        match self {
            Tier::City => "市",
            Tier::County => "县",
            Tier::Township => "乡",
            Tier::Village => "村",
            Tier::Point => "点",
            Tier::DutyDesk => "值班",
        }
    }
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
    /// A post of which nothing more is known.
    pub fn new(recipient: RecipientId, role: Role, tier: Tier, place: Place) -> Post {
        Post {
            recipient,
            role,
            title: String::new(),
            tier,
            place,
            deputy: None,
            superior: None,
            valid_from: None,
            valid_to: None,
            households: 0,
            people: 0,
            route: String::new(),
            shelter: String::new(),
            note: String::new(),
        }
    }
    /// What makes a post this post and no other; also the order of [`Directory::posts`].
    pub fn key(&self) -> (&Place, &Role, RecipientId) {
        (&self.place, &self.role, self.recipient)
    }
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
    /// Longitude, latitude in degrees (WGS 84 or as the office gave them).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<[f64; 2]>,
    /// What it is, as offices call it: `滑坡`, `风险区`, `小(2)型水库`, `山洪沟`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub category: String,
    /// What lies downstream, as place ids (codes of points, 12 digits of divisions), nearest first: called with this
    /// point where the policy's row says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub downstream: Vec<String>,
    /// Households and people it threatens.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub households: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub people: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}
impl Point {
    /// A point of which no more is known than its name and where it is.
    pub fn new(code: impl Into<String>, name: impl Into<String>, kind: impl Into<String>, division: Division) -> Point {
        Point {
            code: code.into(),
            name: name.into(),
            kind: kind.into(),
            division,
            position: None,
            category: String::new(),
            downstream: Vec::new(),
            households: 0,
            people: 0,
            note: String::new(),
        }
    }
}

fn is_zero(n: &u32) -> bool {
    *n == 0
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
    /// Ids below this were given once and are never given again, even when their person is gone.
    /// See [`Directory::next_id`], which also heeds the persons present.
    #[serde(default)]
    pub next_id: u32,
    /// Who sits at the desks and leads the shifts, from when to when.
    #[serde(default)]
    pub rotas: Rotas,
    /// The last entry of the history (see [`super::directory_history`]); 0 before the first.
    #[serde(default)]
    pub change: u64,
}

impl Directory {
    /// The id for the next new person: never one that was given before.
    pub fn next_id(&self) -> RecipientId {
        let after_last = self.recipients.last_key_value().map_or(1, |(id, _)| id.0.saturating_add(1));
        RecipientId(after_last.max(self.next_id).max(1))
    }

    /// Puts the posts into the order that lookups rely on. To be called once after building.
    pub fn sort_posts(&mut self) {
        self.posts.sort_by(|a, b| a.key().cmp(&b.key()));
    }

    /// The posts of one division and everything inside it, points included: a slice, since posts
    /// are sorted by place.
    pub fn posts_in(&self, within: Division) -> &[Post] {
        let (from, to) = within.range();
        let start = self.posts.partition_point(|p| p.place.division.0 < from);
        let end = self.posts.partition_point(|p| p.place.division.0 < to);
        self.posts.get(start..end).unwrap_or_default()
    }

    /// The posts of exactly this place.
    pub fn posts_at(&self, place: &Place) -> &[Post] {
        let start = self.posts.partition_point(|p| p.place < *place);
        let end = self.posts.partition_point(|p| p.place <= *place);
        self.posts.get(start..end).unwrap_or_default()
    }

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
