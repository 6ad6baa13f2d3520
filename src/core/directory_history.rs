//! The history of the directory: every applied change with who made it, when and how, and what stood there before. So a
//! number that somebody had last summer is found, with the days from which and until which it was his.
//!
//! The engine writes an entry before the change it is of, for a record and the directory cannot be written in one step.
//! Whether an entry came to pass is told by a chain: the directory names its last entry ([`Directory::change`]) and
//! each entry the one before it. An entry outside the chain is of a change that somebody else's came before.

use super::{
    directory::{Directory, Post, Recipient},
    directory_docs::{DocRow, RECIPIENT, diff_docs},
    ids::RecipientId,
    phone::Phone,
    time::Time,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One change of the directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub change: u64,
    /// The change this one was made after; 0: the first that is known.
    pub after: u64,
    pub at: Time,
    /// The name of the token or user.
    pub by: String,
    /// `import`, `api`, `cli` …
    pub how: String,
    /// One line in Chinese, without numbers.
    pub summary: String,
    /// How many documents it changed.
    pub count: usize,
}

/// A document as it stood before a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// Of which change.
    pub change: u64,
    /// `recipient/p12`, `point/DZ-1`, `rota/140521000000.duty.2026-07`.
    pub id: String,
    /// `None`: it did not exist.
    pub was: Option<Value>,
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "e", rename_all = "snake_case")]
pub enum Line {
    Change(Change),
    Before(Before),
}

/// What stood in every document that differs between two directories; bookkeeping aside.
pub fn before(change: u64, old: &Directory, new: &Directory) -> Vec<Before> {
    let docs: Vec<DocRow> = old.to_docs();
    let known: HashMap<(&str, &str), &[u8]> = docs.iter().map(|(k, id, body)| ((*k, id.as_str()), body.as_slice())).collect();
    let mut out = Vec::new();
    for doc in diff_docs(old, new) {
        let ids = doc.upsert.iter().map(|(id, _)| id).chain(&doc.delete);
        for id in ids.filter(|id| !(doc.kind == RECIPIENT && *id == super::directory_docs::NEXT_ID)) {
            let was = known.get(&(doc.kind, id.as_str())).and_then(|body| serde_json::from_slice(body).ok());
            out.push(Before { change, id: format!("{}/{id}", doc.kind), was });
        }
    }
    out
}

/// The changes that came to pass, newest first, with what they replaced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    pub changes: Vec<Change>,
    before: BTreeMap<u64, Vec<Before>>,
}

impl History {
    /// From all lines of the journal; `last` is what the directory in force names.
    pub fn read(lines: impl IntoIterator<Item = Line>, last: u64) -> History {
        let mut all: BTreeMap<u64, Change> = BTreeMap::new();
        let mut before: BTreeMap<u64, Vec<Before>> = BTreeMap::new();
        for line in lines {
            match line {
                Line::Change(c) => drop(all.insert(c.change, c)),
                Line::Before(b) => before.entry(b.change).or_default().push(b),
            }
        }
        let mut out = History::default();
        let mut at = last;
        while let Some(change) = all.remove(&at) {
            at = change.after;
            out.changes.push(change);
        }
        let real: BTreeSet<u64> = out.changes.iter().map(|c| c.change).collect();
        before.retain(|change, _| real.contains(change));
        out.before = before;
        out
    }

    /// The changes of one document, newest first, each with what stood before it.
    pub fn of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = (&'a Change, Option<&'a Value>)> {
        self.changes.iter().filter_map(move |c| {
            let b = self.before.get(&c.change)?.iter().find(|b| b.id == id)?;
            Some((c, b.was.as_ref()))
        })
    }

    /// A person's past, newest first; `now` is how the person stands, if still there.
    pub fn person(&self, id: RecipientId, now: Option<(&Recipient, Vec<&Post>)>) -> Vec<PersonPast> {
        let doc = format!("{RECIPIENT}/{id}");
        let mut after: Option<Version> =
            now.map(|(r, posts)| Version { recipient: r.clone(), posts: posts.into_iter().cloned().collect() });
        let mut out = Vec::new();
        for (change, was) in self.of(&doc) {
            let before: Option<Version> = was.and_then(|v| serde_json::from_value(v.clone()).ok());
            out.push(PersonPast { change: change.clone(), what: what(before.as_ref(), after.as_ref()), before: before.clone() });
            after = before;
        }
        out
    }

    /// Every number a person has or had, with the times from which and until which; `None` at an end that is not known or
    /// has not come.
    pub fn numbers(&self, id: RecipientId, now: Option<&Recipient>) -> Vec<NumberTime> {
        let doc = format!("{RECIPIENT}/{id}");
        let mut open: Vec<NumberTime> = now.map(|r| r.phones.as_slice()).unwrap_or_default().iter().map(NumberTime::of).collect();
        let mut done: Vec<NumberTime> = Vec::new();
        for (change, was) in self.of(&doc) {
            let before: Vec<Phone> =
                was.and_then(|v| serde_json::from_value::<Version>(v.clone()).ok()).map(|v| v.recipient.phones).unwrap_or_default();
            let (still, begun): (Vec<NumberTime>, Vec<NumberTime>) = open.into_iter().partition(|n| before.contains(&n.phone));
            done.extend(begun.into_iter().map(|n| NumberTime { from: Some(change.at), ..n }));
            open = still;
            let ended = before.iter().filter(|p| !open.iter().any(|n| n.phone == **p));
            let ended: Vec<NumberTime> = ended.map(|p| NumberTime { until: Some(change.at), ..NumberTime::of(p) }).collect();
            open.extend(ended);
        }
        done.extend(open);
        done.sort_by_key(|n| std::cmp::Reverse((n.until.unwrap_or(Time(i64::MAX)), n.from)));
        done
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version {
    pub recipient: Recipient,
    pub posts: Vec<Post>,
}

/// One change of one person.
#[derive(Clone, Debug, PartialEq)]
pub struct PersonPast {
    pub change: Change,
    /// In Chinese: `手机`, `新增岗位 …`.
    pub what: Vec<String>,
    /// How the person stood before; `None`: was not there.
    pub before: Option<Version>,
}

/// A number with its time.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberTime {
    pub phone: Phone,
    pub from: Option<Time>,
    pub until: Option<Time>,
}
impl NumberTime {
    fn of(phone: &Phone) -> NumberTime {
        NumberTime { phone: phone.clone(), from: None, until: None }
    }
}

fn what(before: Option<&Version>, after: Option<&Version>) -> Vec<String> {
    let directory = |v: &Version| {
        let mut d = Directory::default();
        d.recipients.insert(v.recipient.id, v.recipient.clone());
        d.posts.clone_from(&v.posts);
        d
    };
    match (before, after) {
        (None, _) => vec!["新增".into()],
        (_, None) => vec!["移除".into()],
        // Which of them is in office makes no difference to what changed.
        (Some(b), Some(a)) => super::directory_diff::diff(&directory(b), &directory(a), &Default::default())
            .changed
            .into_iter()
            .flat_map(|c| c.what)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(phone: Option<&str>) -> Directory {
        let mut d = Directory::default();
        if let Some(phone) = phone {
            let id = RecipientId(1);
            let phones = vec![Phone::parse(phone).unwrap()];
            d.recipients.insert(id, Recipient { id, name: "甲".into(), phones, email: None, im: None });
        }
        d
    }
    fn change(n: u64, after: u64, at: i64) -> Line {
        let c = Change { change: n, after, at: Time(at), by: "管理员".into(), how: "api".into(), summary: String::new(), count: 1 };
        Line::Change(c)
    }

    #[test]
    fn a_number_keeps_its_days_and_what_never_came_to_pass_is_not_history() {
        let (none, one, two) = (with(None), with(Some("15400000001")), with(Some("15400000002")));
        let mut lines = vec![change(1, 0, 10), change(2, 1, 20), change(3, 1, 21), change(4, 2, 30)];
        lines.extend(before(1, &none, &one).into_iter().map(Line::Before));
        // 3 was decided on the same state as 2 and lost the race.
        lines.extend(before(2, &one, &two).into_iter().map(Line::Before));
        lines.extend(before(3, &one, &none).into_iter().map(Line::Before));
        lines.extend(before(4, &two, &one).into_iter().map(Line::Before));
        let h = History::read(lines, 4);
        assert_eq!(h.changes.iter().map(|c| c.change).collect::<Vec<_>>(), [4, 2, 1]);
        let r = &one.recipients[&RecipientId(1)];
        let past = h.person(RecipientId(1), Some((r, Vec::new())));
        assert_eq!(past.iter().map(|p| p.what.join("，")).collect::<Vec<_>>(), ["手机", "手机", "新增"]);
        let mut found: Vec<(String, Option<i64>, Option<i64>)> = h
            .numbers(RecipientId(1), Some(r))
            .into_iter()
            .map(|n| (n.phone.reveal().to_string(), n.from.map(|t| t.0), n.until.map(|t| t.0)))
            .collect();
        found.sort();
        assert_eq!(
            found,
            [
                ("15400000001".to_string(), Some(10), Some(20)),
                ("15400000001".to_string(), Some(30), None),
                ("15400000002".to_string(), Some(20), Some(30)),
            ]
        );
    }
}
