//! One thing that was told or sent, as bytes: small fields as JSON, bodies as they are.

use crate::{
    core::time::Time,
    store::{Commit, Doc, Envelope, Face, FeedItem, Head, Identity, Key, Lane, StoreError, TaskRow},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// SHA-1 of a letter's body, its first ten bytes: by this a letter is known again when its number has changed.
pub type LetterDigest = [u8; 10];

/// What a gateway told somebody or sent on the strength of.
#[derive(Clone, Debug)]
pub enum Told {
    /// A commit that was answered `Done`, and the digests of the letters it consumed where they are known.
    Commit { commit: Box<Commit>, letters: Vec<(u64, LetterDigest)> },
    /// Letters that were carried from one partition to another.
    Carried { source: String, dest: String, before: Vec<u8>, entries: Vec<Vec<u8>> },
    /// A change of documents that was answered with a new version, by the name it is known again by.
    Docs { kind: String, expect: u64, by: String, upsert: Vec<Doc>, delete: Vec<String> },
}

/// What of a commit is neither a head nor a body.
#[derive(Serialize, Deserialize)]
struct Small {
    key: Key,
    due: Option<Time>,
    lane: Lane,
    at: Time,
    consumed: Vec<u64>,
    letters: Vec<(u64, LetterDigest)>,
    send: Vec<(Key, Lane, Time)>,
    face: Option<Face>,
    tasks: Vec<TaskRow>,
    feed: Vec<FeedItem>,
    identity: Option<Identity>,
    blobs: Vec<String>,
}

const COMMIT: u8 = b'C';
const CARRIED: u8 = b'L';
const DOCS: u8 = b'D';

fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("the local journal: {what}"))
}

struct Writer(Vec<u8>);
impl Writer {
    fn bytes(&mut self, b: &[u8]) {
        self.0.extend((b.len() as u64).to_le_bytes());
        self.0.extend_from_slice(b);
    }
    fn json<T: Serialize>(&mut self, what: &T) -> Result<(), StoreError> {
        self.bytes(&serde_json::to_vec(what).map_err(corrupt)?);
        Ok(())
    }
}

struct Reader<'a>(&'a [u8]);
impl<'a> Reader<'a> {
    fn bytes(&mut self) -> Result<&'a [u8], StoreError> {
        let read = |from: &'a [u8]| {
            let (len, rest) = from.split_first_chunk::<8>()?;
            rest.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)
        };
        let (part, rest) = read(self.0).ok_or_else(|| corrupt("an entry ends too early"))?;
        self.0 = rest;
        Ok(part)
    }
    fn json<T: DeserializeOwned>(&mut self) -> Result<T, StoreError> {
        serde_json::from_slice(self.bytes()?).map_err(corrupt)
    }
    fn head(&mut self) -> Result<Head, StoreError> {
        Ok(Head(self.bytes()?.try_into().map_err(|_| corrupt("a head has not 16 bytes"))?))
    }
}

/// # Errors
/// `Corrupt` where a part cannot be written as JSON.
pub fn commit(c: &Commit, letters: Vec<(u64, LetterDigest)>) -> Result<Vec<u8>, StoreError> {
    let mut w = Writer(vec![COMMIT]);
    w.json(&Small {
        key: c.key.clone(),
        due: c.due,
        lane: c.lane,
        at: c.at,
        consumed: c.consumed.clone(),
        letters,
        send: c.send.iter().map(|e| (e.to.clone(), e.lane, e.not_before)).collect(),
        face: c.face.clone(),
        tasks: c.tasks.clone(),
        feed: c.feed.clone(),
        identity: c.identity.clone(),
        blobs: c.blobs.iter().map(|b| b.0.clone()).collect(),
    })?;
    for part in [&c.expect.0[..], &c.head.0, &c.body, &c.journal] {
        w.bytes(part);
    }
    c.send.iter().for_each(|e| w.bytes(&e.body));
    c.blobs.iter().for_each(|b| w.bytes(&b.1));
    Ok(w.0)
}

/// # Errors
/// As [`commit`].
pub fn carried(source: &str, dest: &str, before: &[u8], entries: &[Vec<u8>]) -> Result<Vec<u8>, StoreError> {
    let mut w = Writer(vec![CARRIED]);
    w.json(&(source, dest, entries.len()))?;
    w.bytes(before);
    entries.iter().for_each(|e| w.bytes(e));
    Ok(w.0)
}

/// # Errors
/// As [`commit`].
pub fn docs(kind: &str, expect: u64, by: &str, upsert: &[Doc], delete: &[String]) -> Result<Vec<u8>, StoreError> {
    let mut w = Writer(vec![DOCS]);
    w.json(&(kind, expect, by, upsert.iter().map(|d| &d.id).collect::<Vec<_>>(), delete))?;
    upsert.iter().for_each(|d| w.bytes(&d.body));
    Ok(w.0)
}

/// Reads what one of the above wrote.
///
/// # Errors
/// `Corrupt` on anything else.
pub fn read(frame: &[u8]) -> Result<Told, StoreError> {
    let (kind, rest) = frame.split_first().ok_or_else(|| corrupt("an empty entry"))?;
    let mut r = Reader(rest);
    match *kind {
        COMMIT => {
            let s: Small = r.json()?;
            let (expect, head) = (r.head()?, r.head()?);
            let (body, journal) = (r.bytes()?.to_vec(), r.bytes()?.to_vec());
            let mut send = Vec::with_capacity(s.send.len());
            for (to, lane, not_before) in s.send {
                send.push(Envelope { to, lane, not_before, body: r.bytes()?.to_vec() });
            }
            let mut blobs = Vec::with_capacity(s.blobs.len());
            for name in s.blobs {
                blobs.push((name, r.bytes()?.to_vec()));
            }
            let commit = Commit {
                key: s.key,
                expect,
                head,
                due: s.due,
                lane: s.lane,
                body,
                journal,
                at: s.at,
                consumed: s.consumed,
                send,
                face: s.face,
                tasks: s.tasks,
                feed: s.feed,
                identity: s.identity,
                blobs,
            };
            Ok(Told::Commit { commit: Box::new(commit), letters: s.letters })
        }
        CARRIED => {
            let (source, dest, n): (String, String, usize) = r.json()?;
            let before = r.bytes()?.to_vec();
            let entries = (0..n).map(|_| r.bytes().map(<[u8]>::to_vec)).collect::<Result<_, _>>()?;
            Ok(Told::Carried { source, dest, before, entries })
        }
        DOCS => {
            let (kind, expect, by, ids, delete): (String, u64, String, Vec<String>, Vec<String>) = r.json()?;
            let mut upsert = Vec::with_capacity(ids.len());
            for id in ids {
                upsert.push(Doc { id, body: r.bytes()?.to_vec() });
            }
            Ok(Told::Docs { kind, expect, by, upsert, delete })
        }
        other => Err(corrupt(format!("an entry of the unknown kind {other}"))),
    }
}

/// Entries of one group, one behind the other.
pub(super) fn group(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut w = Writer(Vec::with_capacity(frames.iter().map(|f| f.len() + 8).sum()));
    frames.iter().for_each(|f| w.bytes(f));
    w.0
}

/// Takes a group apart.
pub(super) fn ungroup(group: &[u8]) -> Result<Vec<Told>, StoreError> {
    let mut r = Reader(group);
    let mut out = Vec::new();
    while !r.0.is_empty() {
        out.push(read(r.bytes()?)?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::{CalloutId, WarningId};

    fn full() -> Commit {
        let key = Key::Callout(CalloutId::new(WarningId(7), 3));
        let mut c = Commit::new(key, Head([7; 16]), b"{\"a\":1}".to_vec(), b"[1]".to_vec(), Some(Time(5)), Lane(2), Time(-4));
        c.consumed = vec![4, u64::MAX];
        c.send = vec![Envelope { to: Key::Warning(WarningId(7)), lane: Lane(1), not_before: Time(9), body: vec![0, 255, 1] }];
        c.blobs = vec![("raw".into(), vec![0; 70_000]), (String::new(), Vec::new())];
        c.identity =
            Some(Identity {
                issuer: "i".into(), sender: "s".into(), identifier: "编号".into(), digest: "d".into(), warning: WarningId(7)
            });
        c.feed = vec![FeedItem { kind: "k".into(), warning: None, callout: None, at: Time(1), data: serde_json::json!({"x": [1, "二"]}) }];
        c
    }

    #[test]
    fn what_was_told_reads_back_as_it_was() {
        let c = full();
        let frames = [
            commit(&c, vec![(4, [9; 10])]).unwrap(),
            carried("c", "3", b"1 aa", &[b"2 bb L".to_vec(), Vec::new()]).unwrap(),
            docs("directory", 8, "by", &[Doc { id: "x".into(), body: vec![1, 0] }], &["y".into()]).unwrap(),
        ];
        let back = ungroup(&group(&frames)).unwrap();
        let [
            Told::Commit { commit: d, letters },
            Told::Carried { source, dest, before, entries },
            Told::Docs { kind, expect, by, upsert, delete },
        ] = &back[..]
        else {
            panic!("{back:?}")
        };
        assert_eq!(format!("{c:?}"), format!("{d:?}"));
        assert_eq!(letters[..], [(4, [9; 10])]);
        assert_eq!((source.as_str(), dest.as_str(), &before[..], entries.len()), ("c", "3", &b"1 aa"[..], 2));
        assert_eq!((kind.as_str(), *expect, by.as_str(), upsert.len(), delete.len()), ("directory", 8, "by", 1, 1));
    }

    #[test]
    fn a_torn_entry_is_said_and_never_a_panic() {
        let whole = commit(&full(), Vec::new()).unwrap();
        for cut in (0..whole.len().min(900)).chain([whole.len() - 1]) {
            assert!(matches!(read(&whole[..cut]), Err(StoreError::Corrupt(_))), "cut at {cut}");
        }
        assert!(read(b"X").is_err());
        assert!(read(&[&b"C"[..], &[255; 8]].concat()).is_err());
    }
}
