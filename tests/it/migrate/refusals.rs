//! What is not moved, and says why; what broke off, and begins anew.

use super::fill::*;
use crate::conformance::{one_server, servers, warning};
use async_trait::async_trait;
use jiaoying::store::{
    Key, Store, StoreError,
    memory::MemoryStore,
    redis::{RedisImport, RedisStore, Timing},
    sqlite::SqliteImport,
    transfer::{
        Export, Import, Piece, Scope, Sender,
        mover::{self, MoveError},
    },
};
use std::sync::atomic::{AtomicU32, Ordering};

#[tokio::test]
async fn a_target_that_holds_anything_is_refused_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.db");
    let source = memory(5).await;
    mover::carry(&source, &into_sqlite(&file)).await.unwrap();
    let Err(MoveError::NotEmpty(what)) = mover::carry(&source, &into_sqlite(&file)).await else { panic!("it is full") };
    assert!(what.contains("10 rows of callout"), "{what}");
    let settings = one_server(4);
    mover::carry(&source, &into_redis(&settings).await).await.unwrap();
    let Err(MoveError::NotEmpty(what)) = mover::carry(&source, &into_redis(&settings).await).await else { panic!("it is full") };
    assert!(what.contains("records"), "{what}");
    let kept = redis(&settings).await;
    assert!(kept.load(&[warning(1)]).await.unwrap()[0].is_some());
}

#[tokio::test]
async fn a_store_that_has_only_drawn_its_keys_counts_as_empty_and_gets_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.db");
    let settings = one_server(4);
    let own = |body: &str| vec![jiaoying::store::Doc { id: "references".into(), body: body.as_bytes().to_vec() }];
    sqlite(&file).docs_apply("secret", 0, own("[1]"), vec![]).await.unwrap();
    redis(&settings).await.docs_apply("secret", 0, own("[1]"), vec![]).await.unwrap();
    let source = memory(5).await;
    mover::carry(&source, &into_sqlite(&file)).await.unwrap();
    mover::carry(&source, &into_redis(&settings).await).await.unwrap();
    assert_eq!(sqlite(&file).docs("secret").await.unwrap().1, own("[7]"));
    assert_eq!(redis(&settings).await.docs("secret").await.unwrap().1, own("[7]"));
}

#[tokio::test]
async fn a_store_that_a_gateway_uses_is_neither_source_nor_target() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.db");
    let gateway = sqlite(&file);
    let refused = SqliteImport::open(&file).err().unwrap().to_string();
    assert!(refused.contains("another gateway is using"), "{refused}");
    drop(gateway);
    let settings = one_server(4);
    let gateway = RedisStore::open(settings.clone(), Timing::Given(later())).await.unwrap();
    let source = memory(5).await;
    let Err(MoveError::InUse { whose, n }) = mover::carry(&source, &into_redis(&settings).await).await else { panic!("it is in use") };
    assert_eq!((whose, n), ("the target", 1));
    let target = into_sqlite(&dir.path().join("b.db"));
    let Err(MoveError::InUse { whose, .. }) = mover::carry(&redis(&settings).await, &target).await else { panic!("it is in use") };
    assert_eq!(whose, "the source");
    drop(gateway);
    // The server sees a connection end a moment after it did.
    for _ in 0..500 {
        if redis(&settings).await.gateways().await.unwrap() == 0 {
            break;
        }
        servers::wait();
    }
    mover::carry(&source, &into_redis(&settings).await).await.unwrap();
}

#[tokio::test]
async fn a_chain_that_was_touched_in_either_store_is_named_and_nothing_is_moved() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.db");
    let settings = one_server(4);
    let source = memory(5).await;
    mover::carry(&source, &into_sqlite(&file)).await.unwrap();
    mover::carry(&source, &into_redis(&settings).await).await.unwrap();
    let c = rusqlite::Connection::open(&file).unwrap();
    c.execute("UPDATE journal SET entries = CAST('[{\"what\":\"never was\"}]' AS BLOB) WHERE id = (1 << 56) | (1 << 32) | 3 AND n = 1", [])
        .unwrap();
    drop(c);
    let key = format!("{}:{{p:c}}jw2", settings.prefix);
    assert!(servers::shared().ask(&["LPOP", &key]).len() > 20);
    let targets = [dir.path().join("b.db"), dir.path().join("c.db")];
    let unsound = [
        mover::carry(&sqlite(&file), &into_sqlite(&targets[0])).await.err().unwrap(),
        mover::carry(&redis(&settings).await, &into_sqlite(&targets[1])).await.err().unwrap(),
    ];
    for (e, named) in unsound.iter().zip(["w1-3: the chain breaks at row 1", "w2: the chain breaks at row 1"]) {
        let MoveError::Unsound(faults) = e else { panic!("{e}") };
        assert!(faults.len() == 1 && faults[0].contains(named), "{faults:?}");
    }
    assert!(targets.iter().all(|t| !t.exists()));
}

#[tokio::test]
async fn counts_that_are_not_those_of_the_callouts_are_found() {
    let settings = one_server(1);
    mover::carry(&memory(9).await, &into_redis(&settings).await).await.unwrap();
    servers::shared().ask(&["HINCRBY", &format!("{}:{{p:0}}n1", settings.prefix), "told", "1"]);
    let e = mover::carry(&redis(&settings).await, &MemoryStore::new(later())).await.err().unwrap();
    let MoveError::Unsound(faults) = &e else { panic!("{e}") };
    assert!(faults[0].contains("w1: the kept counts"), "{faults:?}");
}

/// A source where somebody is still at work: each look finds one sequence further on.
struct Moving(MemoryStore, AtomicU32);
#[async_trait]
impl Export for Moving {
    async fn export(&self, scope: Scope, to: Sender) -> Result<Sender, StoreError> {
        let mut to = self.0.export(scope, to).await?;
        to.send(Piece::Sequence("callout".into(), self.1.fetch_add(1, Ordering::Relaxed).into())).await?;
        Ok(to)
    }
    async fn gateways(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}

/// A target that loses its first blob.
struct Leaky(MemoryStore);
#[async_trait]
impl Export for Leaky {
    async fn export(&self, scope: Scope, to: Sender) -> Result<Sender, StoreError> {
        self.0.export(scope, to).await
    }
    async fn gateways(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}
#[async_trait]
impl Import for Leaky {
    async fn holds(&self) -> Result<Option<String>, StoreError> {
        self.0.holds().await
    }
    async fn begin(&self) -> Result<(), StoreError> {
        self.0.begin().await
    }
    async fn put(&self, mut pieces: Vec<Piece>) -> Result<(), StoreError> {
        if let Some(at) = pieces.iter().position(|p| matches!(p, Piece::Blob { .. })) {
            pieces.remove(at);
        }
        self.0.put(pieces).await
    }
    async fn settle(&self) -> Result<(), StoreError> {
        Ok(())
    }
    async fn publish(&self) -> Result<(), StoreError> {
        panic!("it is not whole");
    }
    fn feed_kept(&self) -> u64 {
        u64::MAX
    }
}

#[tokio::test]
async fn a_source_that_changes_meanwhile_and_a_copy_that_lost_something_are_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.db");
    let source = Moving(memory(5).await, AtomicU32::new(0));
    let e = mover::carry(&source, &into_sqlite(&file)).await.err().unwrap();
    assert!(matches!(&e, MoveError::Changed(what) if what.len() == 1), "{e}");
    assert!(!file.exists());
    let e = mover::carry(&source.0, &Leaky(MemoryStore::new(later()))).await.err().unwrap();
    assert!(matches!(&e, MoveError::Different(what) if what[0].contains("原文与方案块")), "{e}");
}

#[tokio::test]
async fn a_move_that_broke_off_is_closed_to_gateways_and_begun_anew_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.db");
    let settings = one_server(4);
    let source = memory(20).await;
    let half: Vec<Piece> = vec![Piece::Sequence("left behind".into(), 7), Piece::DocKind("left".into(), 3)];
    let broken: [&dyn Import; 2] = [&into_sqlite(&file), &into_redis(&settings).await];
    for target in broken {
        target.begin().await.unwrap();
        target.put(half.clone()).await.unwrap();
    }
    let refused = RedisStore::open(settings.clone(), Timing::Given(later())).await.err().unwrap().to_string();
    assert!(refused.contains("run `jiaoying migrate` again"), "{refused}");
    assert!(!file.exists());
    mover::carry(&source, broken[0]).await.unwrap();
    mover::carry(&source, &RedisImport::open(settings.clone(), Timing::Given(later())).await.unwrap()).await.unwrap();
    assert_eq!(redis(&settings).await.docs_version("left").await.unwrap(), 0);
    let store = RedisStore::open(settings, Timing::Given(later())).await.unwrap();
    assert!(store.load(&[Key::Callback(5)]).await.unwrap()[0].is_some());
}

#[tokio::test]
async fn a_store_of_a_newer_format_is_opened_by_no_older_gateway_and_moved_by_none() {
    let settings = one_server(4);
    mover::carry(&memory(5).await, &into_redis(&settings).await).await.unwrap();
    servers::shared().ask(&["HSET", &format!("{}:{{p:c}}meta", settings.prefix), "format", "2"]);
    let timing = || Timing::Given(later());
    let refused = [
        RedisStore::open(settings.clone(), timing()).await.err().unwrap(),
        RedisStore::open_to_move(settings.clone(), timing()).await.err().unwrap(),
        RedisImport::open(settings.clone(), timing()).await.err().unwrap(),
    ];
    for e in refused {
        assert!(e.to_string().contains("has format 2, this program reads format 1"), "{e}");
    }
}
