//! Single edits of the directory, as the API makes them: checked field by field, with a pointer to each fault. The rule that
//! no place loses its last person unawares is asked of the whole result, by whoever applies it (see `directory_diff`).

use super::{
    directory::{Directory, Place, Point, Post, Recipient, Role, Tier},
    division::Division,
    ids::RecipientId,
    phone::Phone,
    role::RoleWords,
    rota::{Seat, Shift},
    time::{Time, rfc3339},
    warning::FieldError,
};
use serde::{Deserialize, Deserializer};

/// Numbers of one person; more cannot be told apart by a callout.
const MAX_PHONES: usize = 8;
/// Characters of a text field.
const MAX_TEXT: usize = 2_000;
/// Characters of a name.
const MAX_NAME: usize = 100;

/// Why an edit is not possible.
#[derive(Clone, Debug, PartialEq)]
pub enum EditError {
    NotFound(String),
    Conflict(String),
    Invalid(Vec<FieldError>),
}

/// Absent keeps, null clears, a value sets.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(d).map(Some)
}
fn present_time<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Option<Time>>, D::Error> {
    rfc3339::option::deserialize(d).map(Some)
}

/// Fields of a person; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonEdit {
    pub name: Option<String>,
    pub phones: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    pub email: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    pub im: Option<Option<String>>,
    /// With a new person only.
    #[serde(default)]
    pub posts: Vec<PostEdit>,
}

/// Fields of a post. `recipient`, `role` and `place` make it the post it is and are not changed afterwards.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostEdit {
    pub recipient: Option<RecipientId>,
    pub role: Option<String>,
    /// A point's code or a division's digits.
    pub place: Option<String>,
    pub title: Option<String>,
    pub tier: Option<Tier>,
    #[serde(default, deserialize_with = "present")]
    pub deputy: Option<Option<RecipientId>>,
    #[serde(default, deserialize_with = "present")]
    pub superior: Option<Option<RecipientId>>,
    #[serde(default, deserialize_with = "present_time")]
    pub valid_from: Option<Option<Time>>,
    #[serde(default, deserialize_with = "present_time")]
    pub valid_to: Option<Option<Time>>,
    pub households: Option<u32>,
    pub people: Option<u32>,
    pub route: Option<String>,
    pub shelter: Option<String>,
    pub note: Option<String>,
}

/// Fields of a point; `code` is not changed afterwards.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointEdit {
    pub code: Option<String>,
    pub name: Option<String>,
    /// A role's key.
    pub kind: Option<String>,
    pub category: Option<String>,
    pub division: Option<Division>,
    #[serde(default, deserialize_with = "present")]
    pub position: Option<Option<[f64; 2]>>,
    pub downstream: Option<Vec<String>>,
    pub households: Option<u32>,
    pub people: Option<u32>,
    pub note: Option<String>,
}

/// A shift of a rota.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShiftEdit {
    pub division: Division,
    /// `duty` or `shift_leader`.
    pub role: String,
    #[serde(with = "rfc3339")]
    pub from: Time,
    #[serde(with = "rfc3339")]
    pub to: Time,
    pub recipient: RecipientId,
    #[serde(default)]
    pub note: String,
}

/// Collects faults under a pointer.
struct Check {
    at: String,
    faults: Vec<FieldError>,
}
impl Check {
    fn new(at: &str) -> Check {
        Check { at: at.to_string(), faults: Vec::new() }
    }
    fn say(&mut self, field: &str, detail: impl Into<String>) {
        self.faults.push(FieldError { pointer: format!("{}/{field}", self.at), detail: detail.into() });
    }
    fn text(&mut self, field: &str, seat: &mut String, new: Option<&String>, limit: usize) {
        let Some(new) = new else { return };
        let new = new.trim();
        if new.chars().count() > limit || new.chars().any(|c| c.is_control() && c != '\n') {
            self.say(field, format!("at most {limit} characters, none of them a control character"));
        } else {
            *seat = new.to_string();
        }
    }
    fn person(&mut self, field: &str, d: &Directory, id: RecipientId) {
        if !d.recipients.contains_key(&id) {
            self.say(field, format!("recipient {id} is not known"));
        }
    }
    fn done(self) -> Result<(), EditError> {
        if self.faults.is_empty() { Ok(()) } else { Err(EditError::Invalid(self.faults)) }
    }
}

fn missing(check: &mut Check, field: &str) {
    check.say(field, format!("missing field `{field}`"));
}

/// Adds a person, or changes the one of this id.
pub fn put_person(d: &mut Directory, id: Option<RecipientId>, edit: &PersonEdit, words: &RoleWords) -> Result<RecipientId, EditError> {
    let mut check = Check::new("");
    let mut person = match id {
        Some(id) => d.recipients.get(&id).cloned().ok_or_else(|| EditError::NotFound(format!("recipient {id}")))?,
        None => Recipient { id: d.next_id(), name: String::new(), phones: Vec::new(), email: None, im: None },
    };
    check.text("name", &mut person.name, edit.name.as_ref(), MAX_NAME);
    if person.name.is_empty() {
        check.say("name", "a person needs a name");
    }
    if let Some(phones) = &edit.phones {
        person.phones.clear();
        for (n, text) in phones.iter().enumerate() {
            match Phone::parse(text) {
                Some(p) if person.phones.contains(&p) => {}
                Some(p) => person.phones.push(p),
                None => check.say(&format!("phones/{n}"), "not a telephone number: 11 digits for a mobile, a landline with its area code"),
            }
        }
        if person.phones.len() > MAX_PHONES {
            check.say("phones", format!("at most {MAX_PHONES} numbers"));
        }
    }
    if let Some(email) = &edit.email {
        person.email = email.as_ref().map(|e| e.trim().to_string()).filter(|e| !e.is_empty());
        let fits = |e: &String| e.split_once('@').is_some_and(|(user, domain)| !user.is_empty() && domain.contains('.')) && e.len() <= 254;
        if person.email.as_ref().is_some_and(|e| !fits(e)) {
            check.say("email", "not an e-mail address");
        }
    }
    if let Some(im) = &edit.im {
        person.im = im.as_ref().map(|e| e.trim().to_string()).filter(|e| !e.is_empty() && e.chars().count() <= MAX_NAME);
    }
    if id.is_some() && !edit.posts.is_empty() {
        check.say("posts", "posts are changed at /api/v1/posts");
    }
    check.done()?;
    let new = person.id;
    d.next_id = d.next_id().0.max(new.0.saturating_add(1));
    d.recipients.insert(new, person);
    for (n, post) in edit.posts.iter().enumerate() {
        let at = format!("/posts/{n}");
        if post.recipient.is_some_and(|r| r != new) {
            return Err(EditError::Invalid(vec![FieldError {
                pointer: format!("{at}/recipient"),
                detail: "a post given with its person needs no recipient".into(),
            }]));
        }
        add_post(d, &PostEdit { recipient: Some(new), ..post.clone() }, words, &at)?;
    }
    Ok(new)
}

/// Takes a person out, with the posts and shifts held; others lose him as deputy and superior.
pub fn drop_person(d: &mut Directory, id: RecipientId) -> Result<(), EditError> {
    d.next_id = d.next_id().0;
    d.recipients.remove(&id).ok_or_else(|| EditError::NotFound(format!("recipient {id}")))?;
    d.posts.retain(|p| p.recipient != id);
    for post in &mut d.posts {
        post.deputy = post.deputy.filter(|p| *p != id);
        post.superior = post.superior.filter(|p| *p != id);
    }
    d.rotas.forget(id);
    Ok(())
}

/// The place a text names.
fn place(d: &Directory, id: &str) -> Option<Place> {
    if let Some(point) = d.points.get(id) {
        return Some(Place { division: point.division, point: Some(point.code.clone()) });
    }
    let division: Division = id.parse().ok()?;
    d.divisions.contains_key(&division).then_some(Place { division, point: None })
}

/// How the API names a post: `p12.flood_control.140521100200`.
pub fn post_id(post: &Post) -> String {
    format!("{}.{}.{}", post.recipient, post.role, post.place)
}

/// The index of the post of this name.
pub fn find_post(d: &Directory, id: &str) -> Option<usize> {
    let mut parts = id.splitn(3, '.');
    let (recipient, role, place) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    d.posts.iter().position(|p: &Post| p.recipient == recipient && p.role.0 == role && p.place.id() == place)
}

/// Adds a post; `at` is the pointer of its fields.
pub fn add_post(d: &mut Directory, edit: &PostEdit, words: &RoleWords, at: &str) -> Result<String, EditError> {
    let mut check = Check::new(at);
    let role = edit.role.as_deref().map(|r| (r, words.role(r)));
    let found = edit.place.as_deref().map(|p| (p, place(d, p)));
    match (&edit.recipient, &role, &found) {
        (Some(recipient), Some((_, Some(role))), Some((_, Some(place)))) => {
            check.person("recipient", d, *recipient);
            let tier = if role.is_desk() { Tier::DutyDesk } else { edit.tier.unwrap_or_else(|| tier_at(place)) };
            let mut post = Post::new(*recipient, role.clone(), tier, place.clone());
            fields(d, &mut post, edit, &mut check);
            check.done()?;
            let id = post_id(&post);
            if d.posts.iter().any(|p| p.key() == post.key()) {
                return Err(EditError::Conflict(format!("post {id} exists; change it by PATCH")));
            }
            d.posts.push(post);
            d.sort_posts();
            Ok(id)
        }
        _ => {
            if edit.recipient.is_none() {
                missing(&mut check, "recipient");
            }
            match role {
                None => missing(&mut check, "role"),
                Some((text, None)) => check.say("role", format!("`{text}` is no role; known are {}", words.known())),
                Some(_) => {}
            }
            match found {
                None => missing(&mut check, "place"),
                Some((text, None)) => check.say("place", format!("`{text}` is neither a point nor a division of the directory")),
                Some(_) => {}
            }
            Err(EditError::Invalid(check.faults))
        }
    }
}

fn tier_at(place: &Place) -> Tier {
    use super::division::DivisionLevel::*;
    match (&place.point, place.division.level()) {
        (Some(_), _) => Tier::Point,
        (None, Province | City) => Tier::City,
        (None, County) => Tier::County,
        (None, Township) => Tier::Township,
        (None, Village) => Tier::Village,
    }
}

/// Changes a post.
pub fn change_post(d: &mut Directory, id: &str, edit: &PostEdit) -> Result<(), EditError> {
    let at = find_post(d, id).ok_or_else(|| EditError::NotFound(format!("post {id}")))?;
    let Some(mut post) = d.posts.get(at).cloned() else { return Err(EditError::NotFound(format!("post {id}"))) };
    let mut check = Check::new("");
    for (field, given) in [("recipient", edit.recipient.is_some()), ("role", edit.role.is_some()), ("place", edit.place.is_some())] {
        if given {
            check.say(field, "makes the post what it is; delete this post and add another");
        }
    }
    if let Some(tier) = edit.tier.filter(|_| !post.role.is_desk()) {
        post.tier = tier;
    }
    fields(d, &mut post, edit, &mut check);
    check.done()?;
    if let Some(seat) = d.posts.get_mut(at) {
        *seat = post;
    }
    Ok(())
}

fn fields(d: &Directory, post: &mut Post, edit: &PostEdit, check: &mut Check) {
    check.text("title", &mut post.title, edit.title.as_ref(), MAX_NAME);
    check.text("route", &mut post.route, edit.route.as_ref(), MAX_TEXT);
    check.text("shelter", &mut post.shelter, edit.shelter.as_ref(), MAX_TEXT);
    check.text("note", &mut post.note, edit.note.as_ref(), MAX_TEXT);
    for (field, given, seat) in [("deputy", edit.deputy, &mut post.deputy), ("superior", edit.superior, &mut post.superior)] {
        if let Some(given) = given {
            if given == Some(post.recipient) {
                check.say(field, "nobody stands in for or over himself");
            } else if let Some(id) = given {
                check.person(field, d, id);
            }
            *seat = given;
        }
    }
    if let Some(t) = edit.valid_from {
        post.valid_from = t;
    }
    if let Some(t) = edit.valid_to {
        post.valid_to = t;
    }
    if let (Some(from), Some(to)) = (post.valid_from, post.valid_to)
        && to <= from
    {
        check.say("valid_to", "must lie after valid_from");
    }
    post.households = edit.households.unwrap_or(post.households);
    post.people = edit.people.unwrap_or(post.people);
}

/// Takes a post out.
pub fn drop_post(d: &mut Directory, id: &str) -> Result<(), EditError> {
    let at = find_post(d, id).ok_or_else(|| EditError::NotFound(format!("post {id}")))?;
    d.posts.remove(at);
    Ok(())
}

/// Adds a point, or changes the one of this code.
pub fn put_point(d: &mut Directory, code: Option<&str>, edit: &PointEdit, words: &RoleWords) -> Result<String, EditError> {
    let mut check = Check::new("");
    let mut point = match code {
        Some(code) => d.points.get(code).cloned().ok_or_else(|| EditError::NotFound(format!("point {code}")))?,
        None => Point::new("", "", "", Division(0)),
    };
    match (code, &edit.code) {
        (Some(_), Some(_)) => check.say("code", "makes the point what it is; delete this point and add another"),
        (None, None) => missing(&mut check, "code"),
        (None, Some(new)) => {
            let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '?' | '#' | '%' | '&');
            if new.is_empty() || new.len() > MAX_NAME || new.contains(bad) || new.parse::<Division>().is_ok() {
                check.say("code", "1 to 100 bytes without spaces or / ? # % &, and not a division's digits");
            } else if d.points.contains_key(new) {
                return Err(EditError::Conflict(format!("point {new} exists; change it by PATCH")));
            }
            point.code.clone_from(new);
        }
        (Some(_), None) => {}
    }
    check.text("name", &mut point.name, edit.name.as_ref(), MAX_NAME);
    check.text("category", &mut point.category, edit.category.as_ref(), MAX_NAME);
    check.text("note", &mut point.note, edit.note.as_ref(), MAX_TEXT);
    if point.name.is_empty() {
        point.name.clone_from(&point.code);
    }
    match &edit.kind {
        Some(kind) => match words.role(kind).filter(|r| !r.is_desk()) {
            Some(role) => point.kind = role.0,
            None => check.say("kind", format!("`{kind}` is no role; known are {}", words.known())),
        },
        None if code.is_none() => missing(&mut check, "kind"),
        None => {}
    }
    match edit.division {
        Some(division) if d.divisions.contains_key(&division) => point.division = division,
        Some(division) => check.say("division", format!("division {division} is not in the list")),
        None if code.is_none() => missing(&mut check, "division"),
        None => {}
    }
    if let Some(position) = edit.position {
        if position.is_some_and(|[x, y]| !(x.abs() <= 180.0 && y.abs() <= 90.0)) {
            check.say("position", "[longitude, latitude] in degrees");
        }
        point.position = position;
    }
    if let Some(below) = &edit.downstream {
        point.downstream.clear();
        for (n, id) in below.iter().enumerate() {
            match place(d, id) {
                Some(p) if p.id() == point.code => check.say(&format!("downstream/{n}"), "a point is not its own downstream"),
                Some(p) if point.downstream.contains(&p.id()) => {}
                Some(p) => point.downstream.push(p.id()),
                None => check.say(&format!("downstream/{n}"), format!("`{id}` is neither a point nor a division of the directory")),
            }
        }
    }
    point.households = edit.households.unwrap_or(point.households);
    point.people = edit.people.unwrap_or(point.people);
    check.done()?;
    let code = point.code.clone();
    // Its people move with it.
    for post in d.posts.iter_mut().filter(|p| p.place.point.as_ref() == Some(&code)) {
        post.place.division = point.division;
    }
    d.points.insert(code.clone(), point);
    d.sort_posts();
    Ok(code)
}

/// Takes a point out, with the posts at it.
pub fn drop_point(d: &mut Directory, code: &str) -> Result<(), EditError> {
    d.points.remove(code).ok_or_else(|| EditError::NotFound(format!("point {code}")))?;
    d.posts.retain(|p| p.place.point.as_deref() != Some(code));
    for point in d.points.values_mut() {
        point.downstream.retain(|id| id != code);
    }
    Ok(())
}

/// How the API names a shift: `140521000000.duty.202607010800.p12`.
pub fn shift_id(seat: &Seat, shift: &Shift) -> String {
    format!("{seat}.{}.{}", shift.from.beijing().strftime("%Y%m%d%H%M"), shift.recipient)
}

/// The shift of this name.
pub fn find_shift(d: &Directory, id: &str) -> Option<(Seat, Shift)> {
    let mut parts = id.split('.');
    let seat: Seat = format!("{}.{}", parts.next()?, parts.next()?).parse().ok()?;
    let shift = d.rotas.of(&seat).iter().find(|s| shift_id(&seat, s) == id)?.clone();
    Some((seat, shift))
}

/// Adds a shift.
pub fn add_shift(d: &mut Directory, edit: &ShiftEdit) -> Result<String, EditError> {
    let mut check = Check::new("");
    let role = Role::new(&edit.role);
    if !role.is_desk() {
        check.say("role", "`duty` or `shift_leader`");
    }
    if !d.divisions.contains_key(&edit.division) {
        check.say("division", format!("division {} is not in the list", edit.division));
    }
    check.person("recipient", d, edit.recipient);
    let shift = Shift { from: edit.from, to: edit.to, recipient: edit.recipient, note: edit.note.trim().chars().take(MAX_TEXT).collect() };
    if !shift.is_sound() {
        check.say("to", "must lie after `from`, by at most 31 days");
    }
    check.done()?;
    let seat = Seat { division: edit.division, role };
    let id = shift_id(&seat, &shift);
    if find_shift(d, &id).is_some() {
        return Err(EditError::Conflict(format!("shift {id} exists")));
    }
    d.rotas.put(&seat, shift);
    Ok(id)
}

/// Takes a shift out.
pub fn drop_shift(d: &mut Directory, id: &str) -> Result<(), EditError> {
    let (seat, shift) = find_shift(d, id).ok_or_else(|| EditError::NotFound(format!("shift {id}")))?;
    d.rotas.remove(&seat, |s| *s == shift);
    Ok(())
}
