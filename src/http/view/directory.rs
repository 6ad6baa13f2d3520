//! Persons and posts as the API shows them.

use super::{Phones, at};
use crate::core::directory::{Directory, Post, Recipient};
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
