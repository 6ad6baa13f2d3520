//! What officers did, was told as done and lost in a failover: done again by a letter, or put before somebody.

use super::stage::{CHIEF, Night, On, TOWN_DESK, VILLAGE, red, village};
use crate::simulate::{poll::now, town::Builder};
use jiaoying::{
    channel::MessageKind::{Callout, End, Return},
    core::{
        callout::state::{Task, TaskKind},
        directory::{Directory, Tier},
        ids::WarningId,
        send::Channel::Sms,
        time::{Span, Time},
        warning_life::{EndOrder, WarningEnd},
        warning_orphan::LostAct,
    },
    store::{Commit, Envelope, Head, Key, Lane, Store, WriteLane},
};
use serde_json::{Value, json};

const NEIGHBOUR: &str = "邻村主任";
const NEXT_VILLAGE: &str = "140521101203";

/// The village and, beside it, another one with somebody to call.
fn two_villages() -> Directory {
    let mut b: Builder = village();
    b.name(NEXT_VILLAGE, "东河村");
    let chief = b.person(NEIGHBOUR, &["15400000081"]);
    b.post(chief, "party_government", Tier::Village, NEXT_VILLAGE);
    b.done()
}

/// Hands letters to a warning as a repair does.
fn hand(n: &mut Night, name: &str, w: WarningId, letters: &[Value]) {
    let body = |l: &Value| serde_json::to_vec(l).unwrap();
    let send = letters.iter().map(|l| Envelope { to: Key::Warning(w), lane: Lane::URGENT, not_before: Time(0), body: body(l) });
    let key = Key::Named(format!("recovered/{name}"));
    let mut c = Commit::new(key, Head::NONE, b"{}".to_vec(), body(&json!([{"e": name}])), None, Lane::URGENT, n.w.now());
    c.send = send.collect();
    now(n.w.store.commit(WriteLane::Urgent, vec![c])).unwrap();
    n.settle();
}

fn act(n: &Night, act: LostAct) -> Value {
    json!({"letter": "act", "act": act, "at": n.w.now()})
}

pub fn an_act_that_a_failover_lost_is_done_again_and_only_once(on: On) {
    let mut n = Night::with(on, two_villages());
    let w = n.post(&red("a"));
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout);
    let expires = n.w.warning(w).expires_at + Span::hours(3);
    let acts = [
        LostAct::Extended { who: "值班员".into(), expires },
        LostAct::PlaceAdded { who: "值班员".into(), place: NEXT_VILLAGE.into() },
        LostAct::Read { title: "阅读 154****0099 的来信：桥断了".into() },
    ];
    let letters: Vec<Value> = acts.into_iter().map(|a| act(&n, a)).collect();
    hand(&mut n, "first", w, &letters);
    n.after(Span::secs(5)).expect(NEIGHBOUR, Sms, Callout);
    assert_eq!(n.w.warning(w).expires_at, expires);
    let row = n.expect_own_task(w, "桥断了");
    hand(&mut n, "second", w, &letters);
    n.after(Span::secs(5)).expect_nothing(NEIGHBOUR, Callout);
    let is = n.w.warning(w);
    assert_eq!((is.added_places.len(), is.tasks.len(), is.expires_at), (1, 1, expires));
    // Its task as an officer had left it: taken, and read.
    let task = |closed: Option<&str>| LostAct::Task {
        task: Task {
            n: 7,
            kind: TaskKind::Read,
            title: row.title.clone(),
            opened: Time(0),
            due: expires,
            claimed_by: Some("李".into()),
            claimed_at: Some(Time(1)),
            taken_by: None,
            division: None,
            closed: closed.map(str::to_string),
            note: closed.map(|_| "已转交".into()),
        },
    };
    let letter = act(&n, task(None));
    hand(&mut n, "third", w, &[letter]);
    assert_eq!(n.expect_own_task(w, "桥断了").claimed_by.as_deref(), Some("李"));
    let letter = act(&n, task(Some("read")));
    hand(&mut n, "fourth", w, &[letter]);
    let is = n.w.warning(w);
    assert_eq!((is.tasks[0].closed.as_deref(), is.tasks[0].note.as_deref()), (Some("read"), Some("已转交")));
}

pub fn a_permission_to_return_that_was_lost_with_the_end_waits_until_the_end_is_told(on: On) {
    let mut n = Night::in_the_village(on);
    let w = n.post(&red("a"));
    n.after(Span::secs(10)).expect(CHIEF, Sms, Callout).then_reply("1");
    let back = LostAct::ReturnPermitted { who: "值班员".into(), places: vec![VILLAGE.into()], note: "地质队已复核".into() };
    let order = EndOrder {
        reason: WarningEnd::Cancelled,
        at: n.w.now(),
        by: None,
        who: "值班员".into(),
        note: "雨停了".into(),
        cursor: 0,
        spare_serious: false,
        within: vec![],
    };
    // In the order in which they were done, and also where the letters come the other way round.
    let letters = [act(&n, back), json!({"letter": "end", "order": order})];
    hand(&mut n, "both", w, &letters);
    n.after(Span::secs(5)).expect(CHIEF, Sms, End);
    n.expect(CHIEF, Sms, Return).says("可以返回");
    let is = n.w.warning(w);
    assert_eq!((is.closed_reason, is.returns.len(), is.tasks.iter().filter(|t| t.is_open()).count()), (Some(WarningEnd::Cancelled), 1, 0));
}

pub fn an_act_that_cannot_be_done_again_is_put_before_the_duty_room(on: On) {
    let mut n = Night::with(on, two_villages());
    let w = n.post(&red("a"));
    n.after(Span::secs(5)).expect(TOWN_DESK, Sms, Callout);
    let is = n.w.warning(w).expires_at;
    let shorter = act(&n, LostAct::Extended { who: "王".into(), expires: is - Span::mins(30) });
    hand(&mut n, "shorter", w, &[shorter]);
    assert_eq!(n.w.warning(w).expires_at, is, "somebody may have decided since");
    n.expect_own_task(w, "王 于");
    n.cancel(w);
    n.after(Span::secs(5));
    let place = act(&n, LostAct::PlaceAdded { who: "李".into(), place: NEXT_VILLAGE.into() });
    hand(&mut n, "place", w, &[place]);
    let row = n.expect_own_task(w, "新增地点 140521101203；主备切换后丢失，现已不能补做");
    n.after(Span::secs(5)).expect_nothing(NEIGHBOUR, Callout);
    n.complete(&row, "张", "read", None);
}
