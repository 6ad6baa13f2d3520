//! The findings of one message while it is read. Bounded: a message with ten thousand foreign codes
//! says so once, not ten thousand times.

use crate::core::warning::Finding;
use std::collections::BTreeMap;

/// How many findings of one kind are told one by one.
const EACH: usize = 5;

#[derive(Debug, Default)]
pub(super) struct Notes {
    told: Vec<Finding>,
    count: BTreeMap<&'static str, usize>,
    /// Areas made so far.
    areas: usize,
}

/// More parts than the divisions and points of a large province: past it somebody sends rubbish.
pub(super) const MAX_AREAS: usize = 20_000;

impl Notes {
    /// Notes something odd; the same sentence twice is noted once.
    pub fn add(&mut self, code: &'static str, detail: impl Into<String>) {
        let detail = detail.into();
        if self.told.iter().any(|f| f.code == code && f.detail == detail) {
            return;
        }
        let n = self.count.entry(code).or_default();
        *n += 1;
        if *n <= EACH {
            self.told.push(Finding::new(code, detail));
        }
    }

    /// Whether another area may be made: one more than is allowed, by which the message is then refused, but
    /// not the hundred thousands that fit into a body.
    pub fn room(&mut self) -> bool {
        self.areas += 1;
        self.areas <= MAX_AREAS + 1
    }

    /// The findings in the order they were noted, with the number left out at the last of each kind.
    pub fn finish(mut self) -> Vec<Finding> {
        for (code, n) in &self.count {
            if *n > EACH
                && let Some(last) = self.told.iter_mut().rev().find(|f| f.code == *code)
            {
                last.detail.push_str(&format!("（另有 {} 处同类情况）", n - EACH));
            }
        }
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_findings_of_one_kind_are_told_a_few_times_and_counted() {
        let mut notes = Notes::default();
        for n in 0..1000 {
            notes.add("foreign_geocode", format!("编码 {n}"));
            notes.add("same", "同一句话");
        }
        let list = notes.finish();
        assert_eq!(list.len(), EACH + 1);
        assert!(list.iter().any(|f| f.detail.contains("另有 995 处")), "{list:?}");
    }
}
