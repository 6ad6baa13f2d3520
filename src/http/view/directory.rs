//! Persons and posts as the API shows them.

use super::{Phones, at};
use crate::core::{
    directory::{Directory, Point, Post, Recipient},
    directory_edit::{post_id, shift_id},
    directory_history::{Change, NumberTime, PersonPast},
    rota::{Seat, Shift},
};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct RecipientView {
    pub id: String,
    pub name: String,
    pub phones: Vec<String>,
    pub email: Option<String>,
    pub im: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posts: Option<Vec<PostView>>,
}

#[derive(Debug, Serialize)]
pub struct PostView {
    /// `p12.flood_control.140521100200`: for PATCH and DELETE.
    pub id: String,
    pub recipient_id: String,
    pub role: String,
    pub title: String,
    pub tier: &'static str,
    pub place: String,
    pub place_name: String,
    pub division: String,
    pub deputy: Option<String>,
    pub superior: Option<String>,
    pub valid_from: Option<String>,
    pub valid_to: Option<String>,
    pub households: u32,
    pub people: u32,
    pub route: String,
    pub shelter: String,
    pub note: String,
}

pub fn recipient(person: &Recipient, phones: Phones) -> RecipientView {
    RecipientView {
        id: person.id.to_string(),
        name: person.name.clone(),
        phones: person.phones.iter().map(|n| phones.show(n)).collect(),
        email: person.email.as_deref().map(|e| mail(e, phones)),
        im: person.im.as_deref().map(|i| mail(i, phones)),
        posts: None,
    }
}

/// An address is as personal as a number: shown only as much as tells it from another.
fn mail(address: &str, phones: Phones) -> String {
    if phones == Phones::Revealed {
        return address.to_string();
    }
    let first: String = address.chars().take(1).collect();
    match address.split_once('@') {
        Some((_, domain)) => format!("{first}***@{domain}"),
        None => format!("{first}***"),
    }
}

pub fn post(directory: &Directory, p: &Post) -> PostView {
    PostView {
        id: post_id(p),
        recipient_id: p.recipient.to_string(),
        role: p.role.0.clone(),
        title: p.title.clone(),
        tier: p.tier.as_str(),
        place: p.place.id(),
        place_name: directory.place_name(&p.place),
        division: p.place.division.to_string(),
        deputy: p.deputy.map(|d| d.to_string()),
        superior: p.superior.map(|d| d.to_string()),
        valid_from: p.valid_from.map(at),
        valid_to: p.valid_to.map(at),
        households: p.households,
        people: p.people,
        route: p.route.clone(),
        shelter: p.shelter.clone(),
        note: p.note.clone(),
    }
}

/// A person with the posts held.
pub fn person(directory: &Directory, p: &Recipient, phones: Phones) -> RecipientView {
    let posts = directory.posts.iter().filter(|post| post.recipient == p.id).map(|q| post(directory, q)).collect();
    RecipientView { posts: Some(posts), ..recipient(p, phones) }
}

#[derive(Debug, Serialize)]
pub struct PointView {
    pub code: String,
    pub name: String,
    pub kind: String,
    pub category: String,
    pub division: String,
    pub division_name: String,
    pub position: Option<[f64; 2]>,
    pub downstream: Vec<DownstreamView>,
    pub households: u32,
    pub people: u32,
    pub note: String,
}

#[derive(Debug, Serialize)]
pub struct DownstreamView {
    pub place: String,
    /// Empty where the directory does not know the place any more.
    pub name: String,
}

pub fn point(directory: &Directory, p: &Point) -> PointView {
    let below = |id: &String| {
        let division = id.parse().ok().and_then(|d| directory.division_name(d)).map(str::to_string);
        let name = directory.points.get(id).map(|p| p.name.clone()).or(division).unwrap_or_default();
        DownstreamView { place: id.clone(), name }
    };
    PointView {
        code: p.code.clone(),
        name: p.name.clone(),
        kind: p.kind.clone(),
        category: p.category.clone(),
        division: p.division.to_string(),
        division_name: directory.division_name(p.division).unwrap_or_default().to_string(),
        position: p.position,
        downstream: p.downstream.iter().map(below).collect(),
        households: p.households,
        people: p.people,
        note: p.note.clone(),
    }
}

#[derive(Debug, Serialize)]
pub struct ShiftView {
    pub id: String,
    pub division: String,
    pub role: String,
    pub from: String,
    pub to: String,
    pub recipient: PersonView,
    pub note: String,
}

#[derive(Debug, Serialize)]
pub struct PersonView {
    pub id: String,
    pub name: String,
    pub phones: Vec<String>,
}

pub fn shift(directory: &Directory, seat: &Seat, s: &Shift, phones: Phones) -> ShiftView {
    let person = directory.recipients.get(&s.recipient);
    ShiftView {
        id: shift_id(seat, s),
        division: seat.division.to_string(),
        role: seat.role.0.clone(),
        from: at(s.from),
        to: at(s.to),
        recipient: PersonView {
            id: s.recipient.to_string(),
            name: person.map(|p| p.name.clone()).unwrap_or_default(),
            phones: person.map(|p| p.phones.iter().map(|n| phones.show(n)).collect()).unwrap_or_default(),
        },
        note: s.note.clone(),
    }
}

#[derive(Debug, Serialize)]
pub struct ChangeView {
    pub change: u64,
    pub at: String,
    pub by: String,
    pub how: String,
    pub summary: String,
    /// How many documents it changed.
    pub count: usize,
}

pub fn change(c: &Change) -> ChangeView {
    ChangeView { change: c.change, at: at(c.at), by: c.by.clone(), how: c.how.clone(), summary: c.summary.clone(), count: c.count }
}

#[derive(Debug, Serialize)]
pub struct PastView {
    #[serde(flatten)]
    pub change: ChangeView,
    /// What changed, in Chinese.
    pub what: Vec<String>,
    /// How the person stood before; `null`: was not there.
    pub before: Option<RecipientView>,
}

#[derive(Debug, Serialize)]
pub struct NumberView {
    pub phone: String,
    pub from: Option<String>,
    pub until: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct HistoryView {
    /// Newest first.
    pub items: Vec<PastView>,
    /// Every number the person has or had.
    pub phones: Vec<NumberView>,
}

pub fn history(directory: &Directory, past: &[PersonPast], numbers: &[NumberTime], phones: Phones) -> HistoryView {
    let items = past.iter().map(|p| PastView {
        change: change(&p.change),
        what: p.what.clone(),
        before: p.before.as_ref().map(|v| {
            let posts = v.posts.iter().map(|q| post(directory, q)).collect();
            RecipientView { posts: Some(posts), ..recipient(&v.recipient, phones) }
        }),
    });
    let phones = numbers.iter().map(|n| NumberView { phone: phones.show(&n.phone), from: n.from.map(at), until: n.until.map(at) });
    HistoryView { items: items.collect(), phones: phones.collect() }
}
