//! The directory as documents for the store: one per person with the posts inside, one per point,
//! one per division, one per seat and month of the duty rotas. Kinds are applied one after the other, so what crosses kinds is ordered by
//! [`diff_docs`] such that a stop in between leaves unused points, never people at unknown ones.

use super::{
    directory::{Directory, DivisionName, Point, Post, Recipient},
    ids::RecipientId,
    rota::RotaMonth,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Kind of the documents of persons; ids `p123`, and [`NEXT_ID`].
pub const RECIPIENT: &str = "recipient";
/// Kind of the documents of points; the id is the code.
pub const POINT: &str = "point";
/// Kind of the documents of divisions; the id is the 12 digits.
pub const DIVISION: &str = "division";
/// Kind of the documents of duty rotas; ids `140521000000.duty.2026-07`.
pub const ROTA: &str = "rota";
/// Kind of the one document that names the last entry of the history; id [`LAST`].
pub const CHANGE: &str = "change";
/// See [`CHANGE`].
pub const LAST: &str = "last";
/// All kinds, in the order they are written.
pub const KINDS: [&str; 5] = [DIVISION, POINT, RECIPIENT, ROTA, CHANGE];
/// The document among the persons that keeps the next free id: in the same kind, so that it changes
/// in the same atomic step as the persons.
pub const NEXT_ID: &str = "next";

/// A document: kind, id, JSON.
pub type DocRow = (&'static str, String, Vec<u8>);

#[derive(Serialize, Deserialize)]
struct PersonDoc {
    recipient: Recipient,
    posts: Vec<Post>,
}

#[derive(Serialize, Deserialize)]
struct NextDoc {
    next_id: RecipientId,
}

/// What one kind needs to go from one directory to another.
#[derive(Clone, Debug, PartialEq)]
pub struct DocChange {
    pub kind: &'static str,
    /// (id, JSON).
    pub upsert: Vec<(String, Vec<u8>)>,
    pub delete: Vec<String>,
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    // These types are plain data with text keys: serde_json has no way to fail on them.
    serde_json::to_vec(value).unwrap_or_default()
}

fn posts_by_person(d: &Directory) -> BTreeMap<RecipientId, Vec<&Post>> {
    let mut map: BTreeMap<RecipientId, Vec<&Post>> = BTreeMap::new();
    for post in &d.posts {
        map.entry(post.recipient).or_default().push(post);
    }
    map
}

fn person_doc(recipient: &Recipient, posts: Option<&Vec<&Post>>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Ref<'a> {
        recipient: &'a Recipient,
        posts: &'a [&'a Post],
    }
    json(&Ref { recipient, posts: posts.map_or(&[], Vec::as_slice) })
}

impl Directory {
    /// Every document of this directory, in the order of [`KINDS`].
    pub fn to_docs(&self) -> Vec<DocRow> {
        diff_docs(&Directory::default(), self)
            .into_iter()
            .flat_map(|change| change.upsert.into_iter().map(move |(id, body)| (change.kind, id, body)))
            .collect()
    }

    /// Puts a directory together from its documents, in any order. `version` is the store's.
    /// The error names the document that cannot be read; a kind this module does not know is one.
    pub fn from_docs<'a>(version: u64, docs: impl IntoIterator<Item = (&'a str, &'a str, &'a [u8])>) -> Result<Directory, String> {
        let mut d = Directory { version, ..Directory::default() };
        for (kind, id, body) in docs {
            let bad = |e: serde_json::Error| format!("the {kind} document `{id}` cannot be read: {e}");
            match kind {
                DIVISION => {
                    let division: DivisionName = serde_json::from_slice(body).map_err(bad)?;
                    d.divisions.insert(division.code, division);
                }
                POINT => {
                    let point: Point = serde_json::from_slice(body).map_err(bad)?;
                    d.points.insert(point.code.clone(), point);
                }
                RECIPIENT if id == NEXT_ID => {
                    let next: NextDoc = serde_json::from_slice(body).map_err(bad)?;
                    d.next_id = next.next_id.0;
                }
                RECIPIENT => {
                    let doc: PersonDoc = serde_json::from_slice(body).map_err(bad)?;
                    if doc.posts.iter().any(|p| p.recipient != doc.recipient.id) {
                        return Err(format!("the {kind} document `{id}` holds a post of somebody else"));
                    }
                    d.posts.extend(doc.posts);
                    d.recipients.insert(doc.recipient.id, doc.recipient);
                }
                ROTA => d.rotas.take(serde_json::from_slice::<RotaMonth>(body).map_err(bad)?),
                CHANGE => d.change = serde_json::from_slice(body).map_err(bad)?,
                _ => return Err(format!("`{kind}` is no kind of document of the directory (document `{id}`)")),
            }
        }
        d.sort_posts();
        Ok(d)
    }
}

/// What this version makes of a document when it writes it back: less than `body` where a newer one wrote it.
///
/// # Errors
/// As [`Directory::from_docs`].
pub fn written_back(kind: &str, id: &str, body: &[u8]) -> Result<Vec<u8>, String> {
    let again = Directory::from_docs(0, [(kind, id, body)])?.to_docs();
    let same = again.into_iter().find(|(k, i, _)| *k == kind && i == id);
    Ok(same.map(|(_, _, body)| body).unwrap_or_default())
}

fn map_change<K: Ord + ToString, V: PartialEq + Serialize>(kind: &'static str, old: &BTreeMap<K, V>, new: &BTreeMap<K, V>) -> DocChange {
    DocChange {
        kind,
        upsert: new.iter().filter(|(k, v)| old.get(k) != Some(v)).map(|(k, v)| (k.to_string(), json(v))).collect(),
        delete: old.keys().filter(|k| !new.contains_key(k)).map(ToString::to_string).collect(),
    }
}

/// What must be written to turn the stored `old` into `new`, in the order to apply it; kinds without
/// a change are left out.
pub fn diff_docs(old: &Directory, new: &Directory) -> Vec<DocChange> {
    let (old_posts, new_posts) = (posts_by_person(old), posts_by_person(new));
    let mut people = DocChange { kind: RECIPIENT, upsert: Vec::new(), delete: Vec::new() };
    for (id, recipient) in &new.recipients {
        let posts = new_posts.get(id);
        if old.recipients.get(id) != Some(recipient) || old_posts.get(id) != posts {
            people.upsert.push((id.to_string(), person_doc(recipient, posts)));
        }
    }
    people.delete = old.recipients.keys().filter(|id| !new.recipients.contains_key(id)).map(ToString::to_string).collect();
    // What is stored is `old.next_id`; a directory that never had a person needs none.
    let next = new.next_id();
    if old.next_id != next.0 && next.0 > 1 {
        people.upsert.push((NEXT_ID.to_string(), json(&NextDoc { next_id: next })));
    }
    let divisions = map_change(DIVISION, &old.divisions, &new.divisions);
    let points = map_change(POINT, &old.points, &new.points);
    let rotas = map_change(ROTA, &old.rotas.months(), &new.rotas.months());
    let mut change = DocChange { kind: CHANGE, upsert: Vec::new(), delete: Vec::new() };
    if old.change != new.change {
        change.upsert.push((LAST.to_string(), json(&new.change)));
    }
    // Points first while any is added; deleted points are not named by any person left.
    [divisions, points, people, rotas, change].into_iter().filter(|c| !(c.upsert.is_empty() && c.delete.is_empty())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{
        directory::*,
        phone::Phone,
        rota::{Seat, Shift},
        time::Time,
    };
    use super::*;

    fn sample() -> Directory {
        let mut d = Directory { version: 7, ..Directory::default() };
        for (n, name) in [(1, "甲"), (2, "乙")] {
            let phones = vec![Phone::parse(&format!("1540000000{n}")).unwrap()];
            d.recipients.insert(RecipientId(n), Recipient { id: RecipientId(n), name: name.into(), phones, email: None, im: None });
            let place = Place { division: "140521101201".parse().unwrap(), point: Some("DZ-140521-0001".into()) };
            d.posts.push(Post {
                recipient: RecipientId(n),
                role: Role::new("geological"),
                title: "监测员".into(),
                tier: Tier::Point,
                place,
                deputy: Some(RecipientId(3 - n)),
                superior: None,
                valid_from: None,
                valid_to: None,
                households: 3,
                people: 9,
                route: String::new(),
                shelter: String::new(),
                note: String::new(),
            });
        }
        let code = "140521101201".parse().unwrap();
        d.divisions.insert(code, DivisionName { code, name: "某村".into(), clash: None });
        let point = Point::new("DZ-140521-0001", "后沟", "geological", code);
        d.points.insert(point.code.clone(), point);
        d.next_id = 3;
        let shift = Shift { from: Time(0), to: Time(1000), recipient: RecipientId(2), note: String::new() };
        d.rotas.put(&Seat::desk("140521".parse().unwrap()), shift);
        d.change = 9;
        d
    }
    fn read(version: u64, docs: &[DocRow]) -> Directory {
        Directory::from_docs(version, docs.iter().map(|(k, i, b)| (*k, i.as_str(), b.as_slice()))).unwrap()
    }

    #[test]
    fn documents_read_back_as_the_same_directory() {
        let d = sample();
        assert_eq!(read(7, &d.to_docs()), d);
        assert!(Directory::from_docs(1, [("recipient", "p1", b"{}".as_slice())]).unwrap_err().contains("`p1`"));
        assert!(Directory::from_docs(1, [("rumour", "x", b"{}".as_slice())]).is_err());
    }

    #[test]
    fn a_change_of_one_person_writes_one_document() {
        let old = sample();
        let mut new = old.clone();
        new.posts[0].title = "组长".into();
        let changes = diff_docs(&old, &new);
        assert_eq!(changes.len(), 1);
        assert_eq!((changes[0].kind, changes[0].upsert.len(), changes[0].delete.len()), (RECIPIENT, 1, 0));
        assert_eq!(changes[0].upsert[0].0, "p1");
        assert!(diff_docs(&old, &old).is_empty());
    }

    #[test]
    fn the_id_of_a_person_who_left_is_not_given_again_after_a_restart() {
        let old = sample();
        let mut new = old.clone();
        new.recipients.remove(&RecipientId(2));
        new.posts.retain(|p| p.recipient != RecipientId(2));
        assert_eq!(new.next_id(), RecipientId(3));
        let mut docs: BTreeMap<(&str, String), Vec<u8>> = old.to_docs().into_iter().map(|(k, i, b)| ((k, i), b)).collect();
        for change in diff_docs(&old, &new) {
            docs.extend(change.upsert.into_iter().map(|(i, b)| ((change.kind, i), b)));
            change.delete.into_iter().for_each(|i| drop(docs.remove(&(change.kind, i))));
        }
        let rows: Vec<DocRow> =
            docs.into_iter().filter_map(|((k, i), b)| Some((KINDS.into_iter().find(|known| *known == k)?, i, b))).collect();
        assert_eq!(read(7, &rows).next_id(), RecipientId(3));
    }
}
