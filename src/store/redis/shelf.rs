//! What the archive asks of Redis. A warning's records lie in many partitions, which no call changes together:
//! they are marked first, each partition looked at; then the warning's own record goes, which is the moment the warning is
//! archived; then what was marked. Whoever brings it back takes the marks away, so that neither a
//! paused gateway nor a late repeat takes anything of what is live again.

use super::{
    Core, RedisStore, codec,
    codec::corrupt,
    link::{Again, Confirm, Via},
    names::{self, Part},
    reply,
};
use crate::{
    core::{ids::WarningId, time::Time},
    store::{
        Commit, Head, Key, StoreError,
        archive::{Forget, Forgetful, Forgot, Spent},
        transfer::{Entity, Piece},
    },
};
use async_trait::async_trait;
use redis::{Cmd, cmd};
use std::collections::BTreeMap;

/// Records looked at or dropped in one call: a few milliseconds of a server.
const AT_ONCE: usize = 500;
/// About how many bytes one call brings back.
const BYTES: usize = 1 << 20;

impl Core {
    /// A call that may be repeated, confirmed as far as this store confirms: what follows relies on it.
    pub(super) async fn carried(&self, part: Part, call: &Cmd) -> Result<Option<String>, StoreError> {
        let answer = self.fenced(part, Via::Work, call, Again::Safe, self.confirm).await?;
        let why = reply::text(answer)?;
        Ok((!why.is_empty()).then_some(why))
    }

    /// Says in a partition by which attempt its records are about to go, if they can. None of them: says it all the same.
    async fn mark(&self, what: &Forget, part: Part, records: &[(&Key, Head)]) -> Result<Option<String>, StoreError> {
        let none: &[(&Key, Head)] = &[];
        for some in records.chunks(AT_ONCE).chain(records.is_empty().then_some(none)) {
            let mut call = self.link.function("mark_leaving", part);
            call.arg(part.to_string()).arg(what.warning.0).arg(&what.token);
            for (key, head) in some {
                call.arg(names::text(key)).arg(&head.0[..]);
            }
            let answer = self.fenced(part, Via::Work, &call, Again::Safe, Confirm::No).await?;
            let why = reply::text(answer)?;
            if !why.is_empty() {
                return Ok(Some(why));
            }
        }
        Ok(None)
    }

    async fn drop_marked(&self, what: &Forget, part: Part, records: &[(&Key, Head)]) -> Result<Option<String>, StoreError> {
        let chunks = records.chunks(AT_ONCE).count();
        for (n, some) in (1..).zip(records.chunks(AT_ONCE)) {
            let mut call = self.link.function("forget", part);
            call.arg(part.to_string()).arg(what.warning.0).arg(&what.token).arg(u8::from(n == chunks));
            for (key, head) in some {
                call.arg(names::text(key)).arg(&head.0[..]).arg(self.bit_of(key));
            }
            if let Some(why) = self.carried(part, &call).await? {
                return Ok(Some(why));
            }
        }
        Ok(None)
    }

    /// A callout's place in its warning's bitmap; nothing for other records.
    fn bit_of(&self, key: &Key) -> String {
        match key {
            Key::Callout(id) => names::bit(*id, self.partitions).to_string(),
            _ => String::new(),
        }
    }

    async fn forget(&self, what: &Forget) -> Result<Forgot, StoreError> {
        let own = Key::Warning(what.warning);
        let mut parts: BTreeMap<Part, Vec<(&Key, Head)>> = BTreeMap::new();
        for (key, head) in what.heads.iter().filter(|(k, _)| *k != own) {
            parts.entry(self.part(key)).or_default().push((key, *head));
        }
        let mut there = cmd("EXISTS");
        there.arg(self.record_key(&own, 'r'));
        if reply::number::<u64>(self.link.call(Part::CONTROL, Via::Work, &there, Again::Safe).await?)? == 1 {
            self.mark(what, Part::CONTROL, &[]).await?;
            for (part, records) in &parts {
                if let Some(why) = self.mark(what, *part, records).await? {
                    return Ok(Forgot::Changed(why));
                }
            }
            let head = what.heads.iter().find(|(k, _)| *k == own).map_or(Head::NONE, |(_, h)| *h);
            let mut call = self.link.function("leave", Part::CONTROL);
            call.arg(what.warning.0).arg(&what.token).arg(&head.0[..]);
            if let Some(why) = self.carried(Part::CONTROL, &call).await? {
                return Ok(Forgot::Changed(why));
            }
        }
        for (part, records) in &parts {
            if let Some(why) = self.drop_marked(what, *part, records).await? {
                return Ok(Forgot::Changed(why));
            }
        }
        Ok(Forgot::Done)
    }

    fn taking_in(&self, warning: WarningId, part: Part) -> Cmd {
        let mut call = self.link.function("take_in", part);
        call.arg(self.now().0).arg(&self.gateway).arg(part.to_string()).arg(warning.0);
        call
    }

    fn add_record(&self, call: &mut Cmd, e: Entity) -> Result<(), StoreError> {
        let record = e.record.ok_or_else(|| corrupt(format!("{} has no record in the archive", e.key)))?;
        let mut c = Commit::new(e.key.clone(), record.head, Vec::new(), Vec::new(), record.due, record.lane, self.now());
        (c.head, c.face) = (record.head, e.face);
        let (header, face) = codec::encode(&c)?;
        call.arg(names::text(&e.key)).arg([header, face, record.body].concat()).arg(self.bit_of(&e.key));
        let rows = codec::encode_rows(&e.journal);
        call.arg(rows.len()).arg(rows);
        Ok(())
    }

    /// Blobs and tasks, which nobody looks for before their record stands.
    async fn take_in_beside(&self, piece: Piece) -> Result<(), StoreError> {
        match piece {
            Piece::Blob { key, name, body } => {
                let mut set = cmd("HSETNX");
                set.arg(self.record_key(&key, 'b')).arg(name).arg(body);
                self.link.call(self.part(&key), Via::Work, &set, Again::Safe).await.map(drop)
            }
            Piece::Task(t) => {
                let mut call = self.link.function("restore", Part::CONTROL);
                call.arg("T").arg(codec::task_item(&t)?);
                self.link.call(Part::CONTROL, Via::Work, &call, Again::Safe).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    async fn take_in(&self, warning: WarningId, pieces: Vec<Piece>) -> Result<(), StoreError> {
        let mut open: BTreeMap<Part, (Cmd, usize)> = BTreeMap::new();
        let mut ready = Vec::new();
        for piece in pieces {
            let bytes = piece.weight();
            let Piece::Entity(e) = piece else {
                self.take_in_beside(piece).await?;
                continue;
            };
            let part = self.part(&e.key);
            let (call, weight) = open.entry(part).or_insert_with(|| (self.taking_in(warning, part), 0));
            self.add_record(call, *e)?;
            *weight += bytes;
            if *weight >= BYTES {
                ready.extend(open.remove(&part).map(|(call, _)| (part, call)));
            }
        }
        ready.extend(open.into_iter().map(|(part, (call, _))| (part, call)));
        // The control partition is the last of all: what it says is that the rest stands.
        ready.sort_by_key(|(part, _)| *part);
        for (part, call) in ready {
            self.carried(part, &call).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Forgetful for RedisStore {
    async fn forget(&self, what: &Forget) -> Result<Forgot, StoreError> {
        self.core.forget(what).await
    }

    async fn take_in(&self, warning: WarningId, pieces: Vec<Piece>) -> Result<(), StoreError> {
        self.core.take_in(warning, pieces).await
    }

    async fn spent(&self, before: Time, from: &str, most: usize) -> Result<(Vec<Spent>, String), StoreError> {
        self.core.spent(before, from, most).await
    }

    async fn let_go(&self, what: &[Spent]) -> Result<(), StoreError> {
        self.core.let_go(what).await
    }
}
