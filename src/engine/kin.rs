//! A message that refers to nothing and yet has a predecessor: found among the issuer's warnings in force
//! before references are bound (`core::kinship` says which), and then treated as if it had been named.

use super::{Engine, apply::from_json};
use crate::{
    core::{
        division::Division,
        kinship::{Kin, kin},
        planner::{self, Target},
        time::{Span, Time},
        warning::{Finding, MessageType},
        warning_life::WarningState,
    },
    store::{Key, StoreError},
};

/// No warning in force was accepted longer ago, unless somebody extended it again and again.
const LOOK_BACK: Span = Span::hours(15 * 24);

impl Engine {
    /// Adds what the message speaks of to its references, with a finding.
    pub(super) async fn find_kin(&self, w: &mut WarningState, now: Time) -> Result<(), StoreError> {
        let alone = w.content.message_type == MessageType::Alert && w.content.event.is_none();
        if w.drill || alone || !w.content.references.is_empty() || w.relations.continues.is_some() {
            return Ok(());
        }
        let (mut sure, mut anywhere, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        let mut before = Some(w.id);
        'all: loop {
            let batch = self.reports.warnings(before, 200).await?;
            for record in &batch {
                let Key::Warning(id) = &record.key else { continue };
                before = Some(*id);
                // One that cannot be read must not hold up what is new.
                let Ok(old) = from_json::<WarningState>(&record.key, &record.body) else {
                    tracing::error!(warning = %id, "it cannot be read, so nothing is taken to continue it");
                    continue;
                };
                if old.accepted_at + LOOK_BACK < now {
                    break 'all;
                }
                if old.issuer != w.issuer {
                    continue;
                }
                match kin(&w.content, &old, now) {
                    Some(k @ (Kin::Event | Kin::Text)) => sure.push((k, old.id, old.content.identifier)),
                    Some(Kin::EventPart) => parts.push((Kin::EventPart, old.id, old.content.identifier)),
                    Some(Kin::Anywhere) => anywhere.push((Kin::Anywhere, old.id, old.content.identifier)),
                    None => {}
                }
            }
            if batch.len() < 200 {
                break;
            }
        }
        if sure.is_empty() && anywhere.len() == 1 {
            sure = anywhere;
        }
        if !parts.is_empty() {
            w.relations.within = self.divisions_of(w).await?;
            // Where it is itself cannot be said: nothing older is touched, and the task about its area stands.
            if !w.relations.within.is_empty() {
                w.relations.parts = parts.iter().map(|(_, id, _)| *id).collect();
                sure.extend(parts);
            }
        }
        for (kin, id, identifier) in sure {
            let why = match kin {
                Kin::Event => "同一事件的前一阶段",
                Kin::EventPart => "同一事件的前一阶段（仅限本报文的区域，其余区域原预警继续有效）",
                Kin::Text | Kin::Anywhere => "同一单位、同一灾种、区域相同的在效预警",
            };
            w.findings.push(Finding::new("reference_found", format!("报文没有引用，按{why}接续 {id}（{identifier}）")));
            w.content.references.push(identifier);
        }
        Ok(())
    }

    /// The divisions that a message's own areas are read as. Points are left out: nothing around one is ended.
    async fn divisions_of(&self, w: &WarningState) -> Result<Vec<Division>, StoreError> {
        let (directory, lookup) = self.people_now().await?;
        let rights = self.issuers.iter().find(|i| i.id == w.issuer).map(|i| i.divisions.clone()).unwrap_or_default();
        let resolved = planner::resolve(&w.content, &directory, &lookup, &rights);
        let division = |t: &Target| match t {
            Target::Division(d) => Some(*d),
            Target::Point(_) => None,
        };
        Ok(resolved.targets.keys().filter_map(division).collect())
    }
}
