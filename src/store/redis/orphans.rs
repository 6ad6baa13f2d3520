//! Forks: what was told or sent on a chain that is not there any more, because somebody decided anew on
//! the state before it.

use super::{Core, names::Part, replay::Missing};
use crate::store::StoreError;
use std::collections::BTreeMap;

impl Core {
    pub(super) async fn save_orphans(&self, _new: &BTreeMap<Part, (String, u64)>, all: Vec<Missing>) -> Result<(), StoreError> {
        for m in all {
            tracing::error!(key = %m.commit.key, "a fork");
        }
        Ok(())
    }
}
