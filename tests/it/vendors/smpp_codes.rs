//! The table of a direct carrier line: every command_status of SMPP 3.4 and 5.0 that may answer a submit, every state of
//! a receipt → what that is here → what the engine does next. Over a real line, as [`super::codes`] does for the others.

use super::{
    codes::{agreed, following, named, named_receipt},
    follows::Said,
    kit::{ask, phone, soon},
    smpp::{account, bound, held, smsc},
};
use jiaoying::{
    channel::CallbackItem,
    core::send::Channel,
    standin::smpp::{Fate, SmppSettings},
};
use std::fmt::Write;

/// Sections 4.7.6 of SMPP 5.0 and 5.1.3 of SMPP 3.4; 0x400 to 0x4FF are the carrier's own.
const STATUSES: [u32; 50] = [
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x14, 0x15, 0x33, 0x34, 0x40, 0x42, 0x43, 0x44,
    0x45, 0x48, 0x49, 0x50, 0x51, 0x53, 0x54, 0x55, 0x58, 0x61, 0x62, 0x64, 0x65, 0x66, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xFE, 0xFF, 0x100,
    0x101, 0x102, 0x103, 0x104, 0x400, 0x4FF,
];
/// Appendix B of SMPP 3.4, and what the three carriers write in its place for a number that is nobody's.
const STATES: [&str; 13] = [
    "DELIVRD",
    "ACCEPTD",
    "ENROUTE",
    "SCHEDULED",
    "UNKNOWN",
    "EXPIRED",
    "DELETED",
    "UNDELIV",
    "REJECTD",
    "SKIPPED",
    "MK:0001",
    "MN:0001",
    "MB:1043",
];

#[tokio::test]
async fn every_status_and_state_has_its_class_and_what_follows() {
    let refused = (1..).zip(STATUSES).map(|(n, code)| (n, Fate::Status(code)));
    let taken = (101..).zip(STATES).map(|(n, stat)| (n, Fate::Stat(stat)));
    let fates = refused.chain(taken).map(|(n, fate): (u32, _)| (format!("86154{n:08}"), fate)).collect();
    let s = smsc(SmppSettings { fates, ..SmppSettings::default() }).await;
    let p = account(&s.addr().to_string(), "");
    let mut came = held(&p, true);
    bound(&p).await;
    let mut page = String::from("smpp_sms: what it says → what that is → what the engine does next\n\n");
    for (n, code) in (1..).zip(STATUSES) {
        let outcome = p.send(&ask(phone(n), "r")).await;
        assert_ne!(outcome.class(), "accepted", "0x{code:X}");
        let name = named(&outcome);
        let next = following(Channel::Sms, &name, Said::Reply(outcome)).await;
        writeln!(page, "0x{code:08X} → {name} → {next}").unwrap();
    }
    assert!(s.taken().is_empty(), "what was refused is not kept");
    page.push('\n');
    for (n, stat) in (101..).zip(STATES) {
        assert_eq!(p.send(&ask(phone(n), "r")).await.class(), "accepted", "{stat}");
        let items = p.read_callback(None, &soon(came.recv()).await.unwrap()).unwrap();
        let [CallbackItem::Receipt { result, .. }] = items.as_slice() else { panic!("{stat}: {items:?}") };
        let name = named_receipt(result);
        let next = following(Channel::Sms, &name, Said::Receipt(result.clone())).await;
        writeln!(page, "receipt {stat} → {name} → {next}").unwrap();
    }
    agreed("smpp_sms", &page);
}
