//! The memory store as source and target of a move: the plain statement of what the others do.

use super::{
    MemoryStore,
    table::{Row, Table, Waiting as Letter},
};
use crate::{
    core::ids::WarningId,
    store::{
        Identity, Key, Store, StoreError,
        transfer::{Entity, Export, GATEWAYS, Import, KEYS, Piece, Scope, Sender, Waiting},
    },
};
use async_trait::async_trait;
use std::collections::BTreeSet;

/// Whether a key belongs to what is exported.
pub(super) fn within(scope: Scope, key: &Key) -> bool {
    match scope {
        Scope::Everything => true,
        Scope::Warning(w) => match key {
            Key::Warning(id) | Key::Place(id, _) => *id == w,
            Key::Callout(c) => c.warning == w,
            Key::Line(_) | Key::Callback(_) | Key::Named(_) => false,
        },
    }
}

impl Table {
    fn entity(&self, key: &Key) -> Entity {
        let row = self.rows.get(key);
        let inbox = self.inbox.get(key).into_iter().flat_map(|i| i.values());
        Entity {
            key: key.clone(),
            record: row.map(|r| r.record.clone()),
            face: row.and_then(|r| r.face.clone()),
            journal: self.journal.get(key).cloned().unwrap_or_default(),
            inbox: inbox.map(|l| Waiting { lane: l.lane, ready: l.ready, body: l.body.clone() }).collect(),
        }
    }

    fn pieces(&self, scope: Scope) -> Vec<Piece> {
        let keys: BTreeSet<&Key> = self.rows.keys().chain(self.inbox.keys()).filter(|k| within(scope, k)).collect();
        let mut out: Vec<Piece> = keys.into_iter().map(|k| Piece::Entity(Box::new(self.entity(k)))).collect();
        let blobs = self.blobs.iter().filter(|((k, _), _)| within(scope, k));
        out.extend(blobs.map(|((key, name), body)| Piece::Blob { key: key.clone(), name: name.clone(), body: body.clone() }));
        let of = |w: WarningId| scope == Scope::Everything || scope == Scope::Warning(w);
        out.extend(self.counts.iter().filter(|(w, _)| of(**w)).map(|(w, counts)| Piece::Counts(*w, counts.clone())));
        let tasks = self.tasks.values().filter(|t| t.warning.map_or(scope == Scope::Everything, of));
        out.extend(tasks.cloned().map(Piece::Task));
        if scope != Scope::Everything {
            return out;
        }
        out.extend(self.identities.values().cloned().map(Piece::Identity));
        for (kind, (version, docs)) in &self.docs {
            out.push(Piece::DocKind(kind.clone(), *version));
            let docs = docs.iter().map(|(id, body)| crate::store::Doc { id: id.clone(), body: body.clone() });
            out.extend(docs.map(|d| Piece::Doc(kind.clone(), d)));
        }
        out.extend(self.sequences.iter().map(|(name, given)| Piece::Sequence(name.clone(), *given)));
        out.extend((self.feed_before + 1..).zip(&self.feed).map(|(n, item)| Piece::Feed(n, item.clone())));
        out.push(Piece::FeedTip(self.feed_before + self.feed.len() as u64));
        out
    }

    pub(super) fn put(&mut self, piece: Piece) -> Result<(), StoreError> {
        match piece {
            Piece::Entity(e) => self.put_entity(*e),
            Piece::Blob { key, name, body } => drop(self.blobs.insert((key, name), body)),
            Piece::Counts(..) | Piece::FeedTip(_) | Piece::Floor(_) => {}
            Piece::Task(t) => drop(self.tasks.insert(t.id.clone(), t)),
            Piece::Identity(i) => self.put_identity(i),
            Piece::DocKind(kind, version) => self.docs.entry(kind).or_default().0 = version,
            Piece::Doc(kind, doc) => drop(self.docs.entry(kind).or_default().1.insert(doc.id, doc.body)),
            Piece::Sequence(name, given) => drop(self.sequences.insert(name, given)),
            Piece::Feed(n, item) => {
                if self.feed.is_empty() {
                    self.feed_before = n.saturating_sub(1);
                }
                if n != self.feed_before + self.feed.len() as u64 + 1 {
                    return Err(StoreError::Corrupt(format!("the feed has a gap before {n}")));
                }
                self.feed.push(item);
            }
        }
        Ok(())
    }

    fn put_identity(&mut self, i: Identity) {
        self.identities.insert((i.identifier.clone(), i.sender.clone(), i.issuer.clone()), i);
    }

    fn put_entity(&mut self, e: Entity) {
        if let (Key::Callout(id), Some(face)) = (&e.key, &e.face) {
            self.counts.entry(id.warning).or_default().count(face, true);
        }
        if !e.journal.is_empty() {
            self.journal.insert(e.key.clone(), e.journal);
        }
        if let Some(record) = e.record {
            self.rows.insert(e.key.clone(), Row { record, face: e.face });
        }
        for letter in e.inbox {
            self.letters += 1;
            let waiting = Letter { lane: letter.lane, ready: letter.ready, body: letter.body };
            self.inbox.entry(e.key.clone()).or_default().insert(self.letters, waiting);
        }
        self.list(&e.key);
    }
}

#[async_trait]
impl Export for MemoryStore {
    async fn export(&self, scope: Scope, mut to: Sender) -> Result<Sender, StoreError> {
        let pieces = self.table().pieces(scope);
        for piece in pieces {
            to.send(piece).await?;
        }
        if scope == Scope::Everything {
            to.send(Piece::Floor(self.now())).await?;
        }
        Ok(to)
    }

    async fn gateways(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[async_trait]
impl Import for MemoryStore {
    async fn holds(&self) -> Result<Option<String>, StoreError> {
        let t = self.table();
        let docs: usize =
            t.docs.iter().filter(|(kind, _)| ![KEYS, GATEWAYS].contains(&kind.as_str())).map(|(_, (_, docs))| docs.len()).sum();
        let records = t.rows.len() + t.inbox.len() + t.tasks.len() + t.feed.len() + t.identities.len() + docs + t.sequences.len();
        Ok((records > 0).then(|| format!("{records} rows")))
    }

    async fn begin(&self) -> Result<(), StoreError> {
        self.with(|t| *t = Table::default());
        Ok(())
    }

    async fn put(&self, pieces: Vec<Piece>) -> Result<(), StoreError> {
        let now = self.now();
        self.with(|t| {
            pieces.into_iter().try_for_each(|piece| match piece {
                Piece::Floor(at) if at > now => {
                    Err(StoreError::Unavailable("the clock of the memory store is behind; start it at the other's time".to_string()))
                }
                piece => t.put(piece),
            })
        })
    }

    async fn settle(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn publish(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn feed_kept(&self) -> u64 {
        u64::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{ids::CalloutId, phone::Phone};

    #[test]
    fn a_warning_takes_its_callouts_and_places_along_and_leaves_the_lines() {
        let w = WarningId(2);
        let other = WarningId(3);
        let phone = Phone::parse("15400000001").unwrap();
        for (key, is) in [
            (Key::Warning(w), true),
            (Key::Warning(other), false),
            (Key::Callout(CalloutId::new(w, 7)), true),
            (Key::Callout(CalloutId::new(other, 7)), false),
            (Key::Place(w, "140521101201".into()), true),
            (Key::Line(phone), false),
            (Key::Named("w2".into()), false),
        ] {
            assert_eq!(within(Scope::Warning(w), &key), is, "{key}");
            assert!(within(Scope::Everything, &key));
        }
    }
}
