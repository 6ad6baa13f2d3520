//! Nonces already seen, so that a request sent twice byte for byte is refused as Aliyun refuses it.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
};

const SHARDS: usize = 64;
/// Hashes kept in one generation of one shard: two million nonces remembered in all.
const GENERATION: usize = 16_384;

/// Two generations of hashes a shard; the older is dropped when the newer is full.
pub struct Nonces {
    shards: Vec<Mutex<(HashSet<u64>, HashSet<u64>)>>,
    hasher: RandomState,
}
impl Default for Nonces {
    fn default() -> Self {
        Nonces { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }
}
impl Nonces {
    /// Whether this nonce is new.
    pub fn is_new(&self, nonce: &str) -> bool {
        let hash = self.hasher.hash_one(nonce);
        let mut shard = self.shards[hash as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        let (young, old) = &mut *shard;
        if old.contains(&hash) || !young.insert(hash) {
            return false;
        }
        if young.len() >= GENERATION {
            *old = std::mem::take(young);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_new_once_even_after_many_others() {
        let n = Nonces::default();
        assert!(n.is_new("first"));
        for i in 0..100_000 {
            assert!(n.is_new(&format!("n{i}")));
        }
        assert!(!n.is_new("first") && !n.is_new("n99999"));
    }
}
