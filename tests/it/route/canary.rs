//! Canaries (点名): rung on a durable schedule by every account, marked, counted nowhere; a failure is told once and is felt
//! by the account's share.

use super::house::{House, Said, Spy, accepts, start};
use jiaoying::{
    channel::{CallbackItem, MessageKind, ReceiptResult},
    core::{
        phone::Phone,
        route::canary::Schedule,
        send::{Channel, Outcome},
        time::Span,
    },
    engine::canary::Canaries,
};

use crate::{simulate::poll::now, smoke::stage::village};

fn canaries() -> Canaries {
    Canaries {
        schedule: Schedule { times: Vec::new(), every: Span::hours(1), within: Span::mins(5) },
        sms: vec![Phone::parse("15400009999").unwrap()],
        voice: Vec::new(),
        email: Vec::new(),
        accounts: Vec::new(),
    }
}

fn delivered(house: &mut House, from: usize) {
    let fresh: Vec<(&'static str, String)> = house.left[from..].iter().map(|(_, a, r)| (*a, r.reference.clone())).collect();
    for (account, reference) in fresh {
        let item = CallbackItem::Receipt {
            reference: Some(reference),
            provider_message_id: None,
            at: None,
            result: ReceiptResult::Delivered,
            keys: None,
        };
        house.callback(account, item);
    }
}

#[test]
fn every_account_rings_its_canary_on_the_schedule_and_one_that_fails_is_told_once_and_loses_its_share() {
    let spies = vec![Spy::new("sms-a", Channel::Sms, |_, r| accepts(r)), Spy::new("sms-b", Channel::Sms, |_, r| accepts(r))];
    let mut house = House::with(village().done(), spies, &[], |_| {}, Some(canaries()));
    now(house.engine.follow_canaries()).unwrap();
    house.after(Span::mins(2));
    assert_eq!(house.left.len(), 2, "each once");
    for (_, _, r) in &house.left {
        assert_eq!((r.message.kind, r.message.drill), (MessageKind::Canary, true));
        assert!(r.message.text.contains("[演练]") && r.message.text.contains("不是预警"), "{}", r.message.text);
    }
    delivered(&mut house, 0);
    let canary = |house: &House, n: usize| house.engine.account_views().remove(n).canary.unwrap();
    assert_eq!((canary(&house, 0).ok(), canary(&house, 1).ok()), (Some(true), Some(true)));

    // The next hour one of them takes it and tells nothing more; a restart between changes nothing.
    house.restart();
    house.after(Span::mins(60));
    assert_eq!(house.left.len(), 4);
    let b = house.left.iter().skip(2).position(|(_, a, _)| *a == "sms-b").unwrap() + 2;
    let item = CallbackItem::Receipt {
        reference: Some(house.left[b].2.reference.clone()),
        provider_message_id: None,
        at: None,
        result: ReceiptResult::Delivered,
        keys: None,
    };
    house.callback("sms-b", item);
    house.after(Span::mins(6));
    assert_eq!((canary(&house, 0).ok(), canary(&house, 1).ok()), (Some(false), Some(true)));
    assert_eq!(house.told("canary.failed").len(), 1);
    assert!(house.stands("sms-a").1 < 100 && house.stands("sms-b").1 == 100);

    // Twice in a row is the account: it is broken, and everybody is told.
    let from = house.left.len();
    house.spies["sms-a"].say(|_, _| Said { outcome: Outcome::Retryable { detail: "HTTP 503".into() }, after: Span::ms(10), taken: false });
    house.after(Span::mins(60));
    assert!(house.left.len() > from);
    let of_a = house.told("canary.failed").iter().filter(|i| i.data["provider"] == "sms-a").count();
    assert_eq!((of_a, house.told("provider.down").len()), (1, 1), "told once");
    assert!(house.clock_is_after(start() + Span::hours(2)));
    assert!(now(jiaoying::store::Reports::warnings(house.memory.as_ref(), None, 10)).unwrap().is_empty(), "no warning, no sum");
}

#[test]
fn a_limit_of_the_canarys_number_says_nothing_of_the_account() {
    let limited = |_: usize, _: &jiaoying::channel::SendRequest| Said {
        outcome: Outcome::Throttled { after: None, whole_account: false, detail: "LimitExceeded.DeliveryFrequencyLimit".into() },
        after: Span::ms(10),
        taken: false,
    };
    let mut house = House::with(village().done(), vec![Spy::new("sms-a", Channel::Sms, limited)], &[], |_| {}, Some(canaries()));
    now(house.engine.follow_canaries()).unwrap();
    house.after(Span::hours(5));
    assert!(house.left.len() >= 4);
    assert_eq!(house.stands("sms-a"), (true, 100, String::new()));
    assert!(house.told("canary.failed").is_empty() && house.told("provider.down").is_empty());
    let shown = house.engine.account_views().remove(0).canary.unwrap();
    assert_eq!((shown.ok(), shown.outcome()), (None, "throttled"));
    house.spies["sms-a"].say(|_, r| accepts(r));
    let from = house.left.len();
    while house.left.len() == from {
        house.after(Span::mins(1));
    }
    delivered(&mut house, from);
    assert_eq!(house.engine.account_views().remove(0).canary.unwrap().ok(), Some(true));
}
