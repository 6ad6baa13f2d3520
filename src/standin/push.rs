//! Callbacks out, as Aliyun pushes them: JSON arrays of up to 100, an answer wanted within 700 ms,
//! pushed again after 1, 5 and 10 minutes, then never.

#![expect(clippy::disallowed_methods, reason = "a provider has a clock of its own; it follows tokio's, which tests can stop")]

use super::settings::StandinSettings;
use crate::core::time::{Span, Time};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Semaphore, mpsc},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Elements of one push at most.
const BATCH: usize = 100;
/// How long Aliyun waits for an answer; never scaled, it is the gateway's real time.
const ANSWER_WITHIN: Duration = Duration::from_millis(700);
const AGAIN_AFTER: [Span; 3] = [Span::mins(1), Span::mins(5), Span::mins(10)];
const IN_FLIGHT: usize = 8;

/// Which callback an item belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// SmsReport
    Receipt,
    /// SmsUp
    Reply,
    /// VoiceCallReport
    MidCall,
    /// VoiceReport
    CallEnded,
}
impl Kind {
    const ALL: [Kind; 4] = [Kind::Receipt, Kind::Reply, Kind::MidCall, Kind::CallEnded];
    fn is_voice(self) -> bool {
        matches!(self, Kind::MidCall | Kind::CallEnded)
    }
}

/// One element of a push.
struct Item {
    body: Value,
    /// The OutId of the message that a person's reaction is about.
    about: Option<Box<str>>,
}

/// Something a person said or pressed that the gateway took: it answered the push with 200.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Told {
    pub kind: Kind,
    /// OutId of what was reacted to.
    pub about: Box<str>,
    /// The element as it was pushed.
    pub body: Value,
    /// Which try was taken, from 1.
    pub tries: usize,
}

/// One array to push, due at a time. `attempt` 0 is a single new item, gathered with others.
struct Due {
    at: Instant,
    seq: u64,
    kind: Kind,
    attempt: usize,
    items: Vec<Item>,
}
impl Due {
    fn key(&self) -> (Instant, u64) {
        (self.at, self.seq)
    }
}
impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[derive(Default)]
struct Targets {
    sms: Option<String>,
    voice: Option<String>,
}

struct Inner {
    client: reqwest::Client,
    targets: Mutex<Targets>,
    /// Whether there is a target for SMS, and for voice.
    wanted: [AtomicBool; 2],
    again: [Duration; 3],
    seq: AtomicU64,
    pushed: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
    told: Mutex<Vec<Told>>,
    tx: mpsc::UnboundedSender<Due>,
    in_flight: Arc<Semaphore>,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

/// Hands items over to the task that pushes them when they are due.
#[derive(Clone)]
pub struct Pusher(Arc<Inner>);

impl Pusher {
    pub(super) fn start(s: &StandinSettings, client: reqwest::Client, tracker: &TaskTracker, cancel: CancellationToken) -> Pusher {
        let (tx, rx) = mpsc::unbounded_channel();
        let inner = Inner {
            client,
            targets: Mutex::new(Targets { sms: s.sms_callback.clone(), voice: s.voice_callback.clone() }),
            wanted: [AtomicBool::new(s.sms_callback.is_some()), AtomicBool::new(s.voice_callback.is_some())],
            again: AGAIN_AFTER.map(|span| s.scaled(span)),
            seq: AtomicU64::new(0),
            pushed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            told: Mutex::default(),
            tx,
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT)),
            tracker: tracker.clone(),
            cancel: cancel.clone(),
        };
        let pusher = Pusher(Arc::new(inner));
        let running = run(pusher.clone(), rx);
        tracker.spawn(async move {
            tokio::select! {
                biased;
                () = cancel.cancelled() => {}
                () = running => {}
            }
        });
        pusher
    }

    pub fn set_targets(&self, sms: Option<String>, voice: Option<String>) {
        self.0.wanted[0].store(sms.is_some(), Ordering::Relaxed);
        self.0.wanted[1].store(voice.is_some(), Ordering::Relaxed);
        *self.0.targets.lock().unwrap_or_else(PoisonError::into_inner) = Targets { sms, voice };
    }
    /// Whether anybody is there to push this to: spares making items nobody will read.
    pub fn wants(&self, kind: Kind) -> bool {
        self.0.wanted[usize::from(kind.is_voice())].load(Ordering::Relaxed)
    }
    fn target(&self, kind: Kind) -> Option<String> {
        let t = self.0.targets.lock().unwrap_or_else(PoisonError::into_inner);
        if kind.is_voice() { t.voice.clone() } else { t.sms.clone() }
    }

    /// Pushes an item after a (real) delay. Without an address for it, it is forgotten, as by a
    /// provider whose customer configured none.
    pub fn push(&self, kind: Kind, after: Duration, body: Value) {
        if self.wants(kind) {
            self.enqueue(Instant::now() + after, kind, 0, vec![Item { body, about: None }]);
        }
    }
    /// The same for what a person does about the message `out_id`: kept in [`Pusher::told`] once taken.
    pub fn push_about(&self, kind: Kind, after: Duration, body: Value, out_id: &str) {
        if self.wants(kind) {
            self.enqueue(Instant::now() + after, kind, 0, vec![Item { body, about: Some(out_id.into()) }]);
        }
    }
    fn enqueue(&self, at: Instant, kind: Kind, attempt: usize, items: Vec<Item>) {
        let seq = self.0.seq.fetch_add(1, Ordering::Relaxed);
        // The receiver is gone only when the stand-in has stopped.
        let _ = self.0.tx.send(Due { at, seq, kind, attempt, items });
    }

    /// Pushed, failed pushes, items given up after the last try.
    pub fn tallies(&self) -> (u64, u64, u64) {
        let read = |c: &AtomicU64| c.load(Ordering::Relaxed);
        (read(&self.0.pushed), read(&self.0.failed), read(&self.0.given_up))
    }

    /// Everything people did that the gateway took, in that order: what it must never lose.
    pub fn told(&self) -> Vec<Told> {
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Posts one array, and arranges for it to go again when the answer is not right.
    async fn post(self, due: Due) {
        let Some(url) = self.target(due.kind) else { return };
        let count = due.items.len() as u64;
        let body: Vec<&Value> = due.items.iter().map(|i| &i.body).collect();
        let asking = async {
            let reply = self.0.client.post(&url).timeout(ANSWER_WITHIN).json(&body).send().await.ok()?;
            let ok = reply.status().as_u16() == 200;
            let answer: Value = reply.json().await.ok()?;
            (ok && answer["code"].is_number()).then_some(())
        };
        let taken = tokio::select! {
            biased;
            () = self.0.cancel.cancelled() => return,
            taken = asking => taken,
        };
        if taken.is_some() {
            self.0.pushed.fetch_add(count, Ordering::Relaxed);
            let (kind, tries) = (due.kind, due.attempt + 1);
            let acts = due.items.into_iter().filter_map(|i| i.about.map(|about| Told { kind, about, body: i.body, tries }));
            self.0.told.lock().unwrap_or_else(PoisonError::into_inner).extend(acts);
            return;
        }
        self.0.failed.fetch_add(1, Ordering::Relaxed);
        match self.0.again.get(due.attempt) {
            Some(after) => self.enqueue(Instant::now() + *after, due.kind, due.attempt + 1, due.items),
            None => {
                self.0.given_up.fetch_add(count, Ordering::Relaxed);
            }
        }
    }
}

/// Waits for the earliest, gathers what is due, and posts it.
async fn run(pusher: Pusher, mut rx: mpsc::UnboundedReceiver<Due>) {
    let mut waiting: BinaryHeap<Reverse<Due>> = BinaryHeap::new();
    loop {
        let next = waiting.peek().map(|Reverse(d)| d.at);
        let sleep = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            due = rx.recv() => match due {
                Some(due) => waiting.push(Reverse(due)),
                None => return,
            },
            () = sleep => {}
        }
        while let Ok(due) = rx.try_recv() {
            waiting.push(Reverse(due));
        }
        for due in gather(&mut waiting, Instant::now()) {
            let Ok(permit) = pusher.0.in_flight.clone().acquire_owned().await else { return };
            let posting = pusher.clone().post(due);
            pusher.0.tracker.spawn(async move {
                posting.await;
                drop(permit);
            });
        }
    }
}

/// What is due now, new items of one kind joined to arrays of at most [`BATCH`].
fn gather(waiting: &mut BinaryHeap<Reverse<Due>>, now: Instant) -> Vec<Due> {
    let mut ready: Vec<Due> = Vec::new();
    let mut open: [Option<usize>; Kind::ALL.len()] = [None; Kind::ALL.len()];
    while waiting.peek().is_some_and(|Reverse(d)| d.at <= now) {
        let Some(Reverse(due)) = waiting.pop() else { break };
        let slot = open.get_mut(due.kind as usize);
        match slot {
            Some(slot) if due.attempt == 0 => match slot.and_then(|i| ready.get_mut(i)).filter(|d| d.items.len() < BATCH) {
                Some(batch) => batch.items.extend(due.items),
                None => {
                    *slot = Some(ready.len());
                    ready.push(due);
                }
            },
            _ => ready.push(due),
        }
    }
    ready
}

/// Beijing time without a zone, as Aliyun writes it.
fn beijing(ms: i64) -> String {
    Time(ms).beijing().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// An SmsReport element.
pub fn receipt_item(phone: &str, out_id: &str, biz_id: &str, err_code: &str, sent_at: i64, at: i64) -> Value {
    let delivered = err_code == "DELIVERED";
    json!({
        "phone_number": phone, "send_time": beijing(sent_at), "report_time": beijing(at), "success": delivered,
        "err_code": err_code, "err_msg": if delivered { "用户接收成功" } else { "用户接收失败" },
        "sms_size": "1", "biz_id": biz_id, "out_id": out_id,
    })
}
/// An SmsUp element.
pub fn reply_item(phone: &str, text: &str, sequence_id: u64, at: i64) -> Value {
    json!({"phone_number": phone, "content": text, "send_time": beijing(at), "dest_code": "1234", "sequence_id": sequence_id.to_string()})
}
/// A VoiceCallReport element that carries a key.
pub fn key_item(out_id: &str, call_id: &str, key: &str, at: i64) -> Value {
    json!({"call_id": call_id, "status_code": "300000", "dtmf": key, "status_time": beijing(at), "out_id": out_id})
}
/// A VoiceReport element.
pub fn call_item(phone: &str, out_id: &str, call_id: &str, status_code: &str, keys: &str, started_at: i64, at: i64) -> Value {
    let mut item = json!({
        "status_code": status_code, "callee": phone, "caller": "03560000000", "voice_type": "voice", "toll_type": "LOCAL",
        "originate_time": beijing(started_at), "ring_time": beijing(started_at), "end_time": beijing(at),
        "duration": ((at - started_at).max(0) / 1000).to_string(), "call_id": call_id, "out_id": out_id,
        "status_msg": status_message(status_code),
    });
    if !keys.is_empty() {
        item["dtmf"] = json!(keys);
    }
    item
}
fn status_message(code: &str) -> &'static str {
    match code {
        "200000" => "用户听完语音",
        "200001" => "用户接听后挂断",
        "200002" => "用户占线",
        "200003" => "用户无应答",
        "200004" => "无效号码",
        "200008" => "按键超时",
        _ => "执行完成",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(at: Instant, seq: u64, kind: Kind, attempt: usize) -> Reverse<Due> {
        Reverse(Due { at, seq, kind, attempt, items: vec![Item { body: json!(seq), about: None }] })
    }

    #[tokio::test]
    async fn what_is_due_is_gathered_by_kind_a_hundred_at_most_and_repeats_go_alone() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut waiting: BinaryHeap<Reverse<Due>> = (0..150).map(|i| due(now, i, Kind::Receipt, 0)).collect();
        waiting.extend([due(now, 200, Kind::Reply, 0), due(now, 201, Kind::Receipt, 1), due(later, 202, Kind::Reply, 0)]);
        let ready = gather(&mut waiting, now);
        let shape: Vec<(Kind, usize, usize)> = ready.iter().map(|d| (d.kind, d.attempt, d.items.len())).collect();
        assert_eq!(shape, [(Kind::Receipt, 0, 100), (Kind::Receipt, 0, 50), (Kind::Reply, 0, 1), (Kind::Receipt, 1, 1)]);
        assert_eq!(ready[0].items[0].body, json!(0), "in order");
        assert_eq!(waiting.len(), 1);
    }
}
