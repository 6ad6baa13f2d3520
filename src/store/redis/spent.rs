//! What belongs to no warning and is over (see `store::archive`). It is found by walking over the keys of journals, a
//! stretch a call, because nothing lists it: a list would cost every commit what one call in fifteen seconds saves.

use super::{
    Core,
    codec::corrupt,
    link::{Again, Via},
    names::{self, Part},
    reply,
};
use crate::{
    core::time::Time,
    store::{
        Head, Key, StoreError,
        archive::{FEW, Spent, leaves_whole},
    },
};
use std::collections::BTreeMap;

/// Journals of callbacks, lines and names.
const JOURNALS: &str = "j[bln]*";
/// Steps of the walk in one call, of a thousand keys each: about as many milliseconds of a server.
const STEPS: usize = 60;
/// Records looked at or let go of in one call.
const AT_ONCE: usize = 200;

impl Core {
    /// The walk goes from primary to primary; one that takes another's place is walked over the next time.
    pub(super) async fn spent(&self, before: Time, from: &str, most: usize) -> Result<(Vec<Spent>, String), StoreError> {
        let (mut at, mut cursor) = match from.split_once(' ') {
            Some((n, cursor)) => (n.parse::<usize>().map_err(corrupt)?, cursor.to_string()),
            None => (0, "0".to_string()),
        };
        let topology = self.link.topology();
        let primaries: Vec<Part> = topology.primaries().into_values().filter_map(|parts| parts.first().copied()).collect();
        let mut out = Vec::new();
        for _ in 0..STEPS {
            let Some(part) = primaries.get(at) else { return Ok((out, String::new())) };
            let mut keys: BTreeMap<Part, Vec<(Key, bool)>> = BTreeMap::new();
            let mut take = |found: super::export::Found| {
                let key = found.rest.get(1..).and_then(names::parse);
                if let Some((key, whole)) = key.and_then(|k| leaves_whole(&k).map(|whole| (k, whole))) {
                    keys.entry(found.part).or_default().push((key, whole));
                }
                Ok(())
            };
            cursor = self.scan_step(*part, &cursor, JOURNALS, &mut take).await?;
            for (part, keys) in keys {
                for some in keys.chunks(AT_ONCE) {
                    out.extend(self.spent_of(part, some, before).await?);
                }
            }
            if cursor == "0" {
                at += 1;
            }
            if out.len() >= most {
                break;
            }
        }
        Ok((out, format!("{at} {cursor}")))
    }

    async fn spent_of(&self, part: Part, keys: &[(Key, bool)], before: Time) -> Result<Vec<Spent>, StoreError> {
        let mut call = self.link.function("spent", part);
        call.arg(part.to_string()).arg(before.0).arg(FEW);
        for (key, whole) in keys {
            call.arg(names::text(key)).arg(u8::from(*whole));
        }
        let found = reply::array(self.link.call(part, Via::Read, &call, Again::Safe).await?)?;
        let read = keys.iter().zip(found).map(|((key, whole), found)| {
            let [row, head] = reply::parts(found)?;
            let (row, head): (u64, Vec<u8>) = (reply::number(row)?, reply::bytes(head)?);
            if row == 0 {
                return Ok(None);
            }
            let head = head.try_into().map_err(|_| corrupt(format!("a row of the journal of {key} has no head")))?;
            Ok(Some(Spent { key: key.clone(), row, head: Head(head), whole: *whole }))
        });
        Ok(read.collect::<Result<Vec<_>, StoreError>>()?.into_iter().flatten().collect())
    }

    pub(super) async fn let_go(&self, what: &[Spent]) -> Result<(), StoreError> {
        let mut parts: BTreeMap<Part, Vec<&Spent>> = BTreeMap::new();
        for s in what {
            parts.entry(self.part(&s.key)).or_default().push(s);
        }
        for (part, all) in parts {
            for some in all.chunks(AT_ONCE) {
                let mut call = self.link.function("let_go", part);
                call.arg(part.to_string());
                for s in some {
                    call.arg(names::text(&s.key)).arg(u8::from(s.whole)).arg(s.row).arg(&s.head.0[..]);
                }
                self.carried(part, &call).await?;
            }
        }
        Ok(())
    }
}
