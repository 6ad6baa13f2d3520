//! The accounts' board: how each stands, in one durable record that all gateways share. Written only when something
//! changes. Its clock is a record's like any other: due, leased, stepped, committed; by whichever gateway has the
//! lease, so that one alone asks and one attempt alone tries.

use super::{
    ActError, Engine,
    apply::to_json,
    limits::{Account, Accounts},
    newer::read_whole,
};
use crate::{
    channel::{Address, Lookup},
    core::{
        ids::{AttemptId, CalloutId, MAX_ORDINAL, WarningId},
        phone::Phone,
        route::{
            canary::Canary,
            pace::Pace,
            standing::{Board, Happened, News, Order, PROBE_EVERY, Standing, Turned},
        },
        send::Channel,
        time::Time,
    },
    store::{Claim, Commit, Committed, FeedItem, Head, Key, Lane, Record, StoreError, WriteLane},
    telemetry::metrics,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError, atomic::Ordering};

/// Conflicts that are decided anew before the caller is told.
const TRIES: usize = 20;
/// Nobody's number (the prefix is not assigned): a question about it finds nothing.
const NOBODY: &str = "15400000000";

/// The board's record.
pub(super) fn key() -> Key {
    Key::Named("accounts".into())
}

/// Accounts whose query is to be asked now.
#[derive(Default)]
pub(super) struct Probes(Mutex<Vec<Arc<Account>>>);

/// One account's query, to be asked with [`Engine::probe`].
pub struct Probe(Arc<Account>);

/// An account as people and programs see it.
pub struct AccountView {
    pub name: String,
    pub channel: &'static str,
    pub weight: u32,
    /// Percent of the weight that its health leaves it.
    pub health: u32,
    pub up: bool,
    /// Of the usual pace; below where the provider said that it is sent to too fast.
    pub slowed: bool,
    pub why: String,
    pub standing: Standing,
    /// Where test calls are made by it.
    pub canary: Option<Canary>,
}

/// What an operator may order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Pin { until: Option<Time> },
    Unpin,
    Disable,
    Enable,
}

impl Accounts {
    /// Takes over how the accounts stand, unless something newer is known.
    fn install(&self, board: &Board) {
        // Readings of the same moment may come in any order.
        if self.known.fetch_max(board.n, Ordering::Relaxed) <= board.n {
            self.take_over(board);
        }
    }

    fn take_over(&self, board: &Board) {
        for a in self.all() {
            let standing = board.of(a.name());
            let mut s = a.state();
            if s.standing != standing {
                if standing.is_up() && !s.standing.is_up() {
                    // Failures of before it came back are none of its new life's.
                    s.figures = s.figures.anew();
                }
                s.standing = standing;
            }
        }
    }

    /// Raises the pace of accounts nobody complained about for a while.
    pub(super) fn ease(&self, now: Time) {
        for a in self.all() {
            let rises = a.pace.lock().unwrap_or_else(PoisonError::into_inner).rises(now);
            if rises {
                a.new_gate();
            }
        }
    }
}

impl Account {
    fn pace(&self) -> Pace {
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    async fn board(&self) -> Result<(Board, Option<Record>), StoreError> {
        let key = key();
        let record = self.store.load(std::slice::from_ref(&key)).await?.pop().flatten();
        let board = record.as_ref().map(|r| read_whole(&key, &r.body)).transpose()?.unwrap_or_default();
        Ok((board, record))
    }

    /// Reads how the accounts stand, as other gateways may have found.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn follow_board(&self) -> Result<(), StoreError> {
        match self.board().await {
            // Whatever is known here: a failover may have taken the newest away.
            Ok((board, _)) => {
                self.accounts.known.store(board.n, Ordering::Relaxed);
                self.accounts.take_over(&board);
            }
            // It stays as it was here; the newer gateway sees to the board.
            Err(e @ StoreError::Newer(_)) => tracing::warn!(error = %e, "how the accounts stand cannot be read"),
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// Begins to ask accounts that have a query, although nothing is wrong. What it does is done once in a store's life;
    /// then the board's own clock goes on.
    ///
    /// # Errors
    /// The board cannot be written.
    pub async fn begin_probing(&self) -> Result<(), StoreError> {
        let clock = |a: &Arc<Account>| (a.name().to_string(), self.clock_of(a, self.store.now()));
        self.change_board("", self.accounts.all().iter().map(clock).collect()).await.map(|_| ())
    }

    fn clock_of(&self, account: &Account, now: Time) -> Happened {
        let traffic = account.state().figures.took.is_some_and(|t| t + PROBE_EVERY > now);
        Happened::Clock { by: self.settings.gateway.clone(), can_probe: account.provider.has_lookup(), traffic }
    }

    /// Writes down what outcomes said of accounts.
    pub(super) async fn write_learned(&self, learned: Vec<(String, Happened)>) -> Result<(), StoreError> {
        if learned.is_empty() {
            return Ok(());
        }
        self.change_board("", learned).await.map(|_| ())
    }

    /// Changes the board, durably, and tells everybody once of accounts that went down or came up. `by`: the operator.
    async fn change_board(&self, by: &str, what: Vec<(String, Happened)>) -> Result<Vec<(String, Turned)>, StoreError> {
        for _ in 0..TRIES {
            let (mut board, record) = self.board().await?;
            let now = self.store.now();
            let (turned, commit) = self.board_commit(&mut board, record.as_ref(), by, &what, now);
            let Some(commit) = commit else {
                self.accounts.install(&board);
                return Ok(turned);
            };
            if matches!(self.store.commit(WriteLane::Urgent, vec![commit]).await?.first(), Some(Committed::Done)) {
                self.took(&board, &turned);
                return Ok(turned);
            }
        }
        Err(StoreError::Unavailable("the accounts are changed by others faster than this could be recorded".into()))
    }

    /// The board after what happened, and the commit that makes it so; none where nothing changes.
    fn board_commit(
        &self,
        board: &mut Board,
        record: Option<&Record>,
        by: &str,
        what: &[(String, Happened)],
        now: Time,
    ) -> (Vec<(String, Turned)>, Option<Commit>) {
        let (mut all, mut entries, mut feed) = (Vec::new(), Vec::new(), Vec::new());
        for (name, happened) in what {
            let mut standing = board.of(name);
            let turned = standing.happened(happened, now);
            if !turned.changed {
                continue;
            }
            entries.push(json!({"e": "account", "account": name, "is": standing, "by": by}));
            if let (Some(news), Some(account)) = (turned.news, self.accounts.named(name)) {
                feed.push(news_item(news, account, &standing, now));
            }
            board.accounts.insert(name.clone(), standing);
            all.push((name.clone(), turned));
        }
        if entries.is_empty() {
            return (all, None);
        }
        board.n += 1;
        let due = board.due(|name| self.accounts.named(name).is_some(), now);
        let head = record.map_or(Head::NONE, |r| r.head);
        let mut commit = Commit::new(key(), head, to_json(board), to_json(&entries), due, Lane::URGENT, now);
        commit.feed = feed;
        (all, Some(commit))
    }

    /// What was made durable holds here, and is told.
    fn took(&self, board: &Board, turned: &[(String, Turned)]) {
        self.accounts.install(board);
        for (name, turned) in turned {
            let Some(account) = self.accounts.named(name) else { continue };
            let standing = account.standing();
            metrics::provider_up(account.provider.channel().as_str(), name, account.works());
            let (up, step, why) = (standing.is_up(), standing.step, standing.why.as_str());
            // Most turns of a healthy account are its clock's.
            match turned.news.is_some() || !up || step > 0 {
                true => tracing::warn!(account = %name, up, step, %why, "an account changed"),
                false => tracing::debug!(account = %name, "an account's clock was set"),
            }
            if turned.probe {
                self.probes.0.lock().unwrap_or_else(PoisonError::into_inner).push(account.clone());
            }
        }
    }

    /// The board came due: a breaker's time is over, a pin ends, an idle account is asked.
    pub(super) async fn work_board(&self, claim: Claim) -> Result<(), StoreError> {
        let now = self.store.now();
        let mut board: Board = match &claim.record {
            Some(r) => read_whole(&claim.key, &r.body)?,
            None => Board::default(),
        };
        let what: Vec<(String, Happened)> = self.accounts.all().iter().map(|a| (a.name().to_string(), self.clock_of(a, now))).collect();
        let (turned, commit) = self.board_commit(&mut board, claim.record.as_ref(), "", &what, now);
        let Some(commit) = commit else {
            let due = board.due(|name| self.accounts.named(name).is_some(), now).unwrap_or(now + PROBE_EVERY);
            return self.store.release(&[(claim.key, claim.nonce)], due.max(now + crate::core::time::Span::ms(1))).await;
        };
        if matches!(self.store.commit(WriteLane::Urgent, vec![commit]).await?.first(), Some(Committed::Done)) {
            self.took(&board, &turned);
        }
        Ok(())
    }

    /// Queries that came due; each is to be asked with [`Engine::probe`].
    pub fn take_probes(&self) -> Vec<Probe> {
        std::mem::take(&mut *self.probes.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().map(Probe).collect()
    }

    /// Asks an account about a message that never was: whoever says so works.
    ///
    /// # Errors
    /// The answer cannot be written down.
    pub async fn probe(&self, Probe(account): Probe) -> Result<(), StoreError> {
        // No warning has this number, so that no receipt can ever be taken for this one's.
        let nothing = AttemptId { callout: CalloutId::new(WarningId(0), MAX_ORDINAL - 1), n: 1 };
        let to = Address::Phone(Phone::parse(NOBODY).ok_or_else(|| StoreError::Corrupt("nobody's number".into()))?);
        let (ok, why) = match account.provider.lookup(&self.references.attempt(nothing), &to, self.store.now()).await {
            Lookup::Found { .. } | Lookup::NotFound => (true, String::new()),
            Lookup::Unanswered(why) => (false, format!("查询无应答：{why}")),
        };
        self.change_board("", vec![(account.name().to_string(), Happened::Probed { ok, why })]).await.map(|_| ())
    }

    /// What an operator orders about an account; recorded with his name, for all gateways.
    ///
    /// # Errors
    /// No such account; a pin that would be over already; the last account of a channel is not disabled.
    pub async fn order_account(&self, name: &str, officer: &str, wanted: Wanted) -> Result<AccountView, ActError> {
        let Some(account) = self.accounts.named(name) else { return Err(ActError::NotFound(format!("account {name}"))) };
        let now = self.store.now();
        let order = |until| Some(Order { by: officer.to_string(), at: now, until });
        let (act, what) = match wanted {
            Wanted::Pin { until: Some(t) } if t <= now => {
                let detail = "is over already; leave it out to pin until it is unpinned".to_string();
                return Err(ActError::Invalid(crate::core::warning::FieldError { pointer: "/until".into(), detail }));
            }
            Wanted::Pin { until } => ("pin_account", Happened::Pin(order(until))),
            Wanted::Unpin => ("unpin_account", Happened::Pin(None)),
            Wanted::Disable => {
                let channel = account.provider.channel();
                let left = |a: &&Arc<Account>| a.provider.channel() == channel && a.name() != name && a.standing().disabled.is_none();
                // Groups are not each other's substitutes.
                if channel != Channel::Im && !self.accounts.all().iter().any(|a| left(&a)) {
                    return Err(ActError::Conflict(format!(
                        "{name} is the last account of {channel}: nobody would be called by it any more"
                    )));
                }
                ("disable_account", Happened::Disable(order(None)))
            }
            Wanted::Enable => ("enable_account", Happened::Disable(None)),
        };
        self.audit(officer, act, name).await?;
        let mut all = vec![(name.to_string(), what)];
        if let Wanted::Pin { .. } = wanted {
            // One pin a channel: the newest.
            let same = |a: &&Arc<Account>| a.provider.channel() == account.provider.channel() && a.name() != name;
            all.extend(self.accounts.all().iter().filter(same).map(|a| (a.name().to_string(), Happened::Pin(None))));
        }
        self.change_board(officer, all).await?;
        Ok(self.view_of(account))
    }

    /// All accounts as they stand.
    pub fn account_views(&self) -> Vec<AccountView> {
        self.accounts.all().iter().map(|a| self.view_of(a)).collect()
    }

    fn view_of(&self, a: &Account) -> AccountView {
        let standing = a.standing();
        AccountView {
            name: a.name().to_string(),
            channel: a.provider.channel().as_str(),
            weight: a.weight,
            health: standing.effective(1),
            up: a.works(),
            slowed: !a.pace().is_full(),
            why: a.stopped().unwrap_or_else(|| standing.why.clone()),
            canary: self.canaries.of(a.name()),
            standing,
        }
    }
}

fn news_item(news: News, account: &Account, standing: &Standing, now: Time) -> FeedItem {
    let (kind, why) = match news {
        News::Down => ("provider.down", Value::from(standing.why.as_str())),
        News::Up => ("provider.up", Value::Null),
    };
    let data = json!({"provider": account.name(), "channel": account.provider.channel(), "why": why, "at": now.rfc3339()});
    FeedItem { kind: kind.into(), warning: None, callout: None, at: now, data }
}
