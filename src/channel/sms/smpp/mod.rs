//! SMPP 3.4 for a direct carrier line: one connection (transceiver) that messages go out by, and receipts and
//! replies come in by. PDUs by the crate `rusmpp`; the connection is held here, so that what left is known for
//! certain and nothing is ever submitted twice by itself.
//!
//! | fact | where from | what is done about it |
//! |---|---|---|
//! | submit_sm has no idempotence; a connection may break between submit and response | SMPP 3.4 | such a message is `unknown`; one that was not yet written is `retryable` |
//! | receipts name the SMSC's message id alone (`id:… stat:…` or TLVs 0x001E, 0x0427) | appendix B, §5.3.2 | matched by that id; both forms are read, the TLV stands first |
//! | some SMSCs answer in hexadecimal and report in decimal, or the reverse | seen at carriers | `receipt_id` says so |
//! | Chinese is UCS2 (data_coding 8), 70 characters, 67 in each part | GSM 03.38, 03.40 | as `long` says: parts with a UDH (8 bit), or one message_payload |
//! | each part of a long message has an id and a receipt of its own | appendix B | the last part's counts: a handset shows nothing before all are there |
//! | deliver_sm not answered ESME_ROK is sent again | §4.6 | it is answered only when kept raw and durable |
//! | errors' texts and codes above 0x400 are the carrier's own | §5.1.3 | a status nobody described is `unknown`, never sent again blindly |
//! | connections run in the clear | practice: leased line or VPN | no TLS here; put the line into a tunnel |
//! | query_sm is optional and rarely switched on | practice | there is no look-up; the receipt tells |

pub mod errors;
mod link;
mod receipt;
mod settings;
mod text;

pub use settings::{Long, ReceiptId, Settings};

use crate::channel::{
    AccountLimits, Address, CallbackItem, CallbackReply, Day, Filing, Inbox, Lookup, Message, MessageKind, Provider, SendRequest,
    e164::{e164, is_mainland_mobile},
    filing, long_sms,
};
use crate::core::{
    send::{Channel, Outcome},
    time::Time,
};
use async_trait::async_trait;
use link::{Answer, Link};
use rusmpp::{
    Pdu,
    pdus::SubmitSm,
    tlvs::MessageSubmissionRequestTlvValue,
    types::{AnyOctetString, COctetString, OctetString},
    values::{DataCoding, EsmClass, MessagePayload, Npi, RegisteredDelivery, Ton},
};
use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

/// What raw PDUs are kept as: their bytes in hexadecimal.
pub const RAW: &str = "application/x-smpp-pdu-hex";

/// One bind to one SMSC.
pub struct Smpp {
    settings: Settings,
    link: Link,
    /// Names a long message's parts; wraps, as its field in the header does.
    long: AtomicU8,
}

impl Smpp {
    /// `Err` names every faulty key. The connection is made by [`Provider::hold`].
    pub fn new(settings: Settings) -> Result<Smpp, String> {
        let faults = settings.faults();
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        Ok(Smpp { link: Link::new(&settings), settings, long: AtomicU8::new(0) })
    }

    fn body(&self, message: &Message) -> String {
        match &self.settings.sign_name {
            Some(name) => format!("【{name}】{}", message.text),
            None => message.text.clone(),
        }
    }

    /// The PDUs of one message. `Err` when a field does not fit its place.
    fn submits(&self, phone: &str, body: &str) -> Result<Vec<Pdu>, String> {
        let s = &self.settings;
        let units = text::ucs2(body);
        let source = COctetString::from_string(s.source.clone()).map_err(|e| format!("source: {e}"))?;
        let to = COctetString::from_string(phone.to_string()).map_err(|e| format!("the number: {e}"))?;
        let base = || {
            SubmitSm::builder()
                .source_addr_ton(Ton::from(s.source_ton))
                .source_addr_npi(Npi::from(s.source_npi))
                .source_addr(source.clone())
                .dest_addr_ton(if phone.starts_with("86") { Ton::International } else { Ton::Unknown })
                .dest_addr_npi(Npi::Isdn)
                .destination_addr(to.clone())
                .registered_delivery(RegisteredDelivery::from(1))
                .data_coding(DataCoding::Ucs2)
        };
        let octets = |bytes: Vec<u8>| OctetString::from_vec(bytes).map_err(|e| format!("the text: {e}"));
        if units.len() <= text::SINGLE || s.long == Long::Payload {
            let bytes = text::bytes(&units);
            let single = base().esm_class(EsmClass::from(0));
            let pdu = if units.len() <= text::SINGLE {
                single.short_message(octets(bytes)?).build()
            } else {
                let payload = MessagePayload::new(AnyOctetString::from_vec(bytes));
                single.push_tlv(MessageSubmissionRequestTlvValue::MessagePayload(payload)).build()
            };
            return Ok(vec![Pdu::SubmitSm(pdu)]);
        }
        let reference = self.long.fetch_add(1, Ordering::Relaxed);
        let mut pdus = Vec::new();
        for part in text::parts(&units, reference)? {
            pdus.push(Pdu::SubmitSm(base().esm_class(EsmClass::from(text::UDHI)).short_message(octets(part)?).build()));
        }
        Ok(pdus)
    }
}

#[async_trait]
impl Provider for Smpp {
    fn account(&self) -> &str {
        &self.settings.account
    }
    fn channel(&self) -> Channel {
        Channel::Sms
    }
    fn limits(&self) -> &AccountLimits {
        &self.settings.limits
    }

    async fn send(&self, r: &SendRequest) -> Outcome {
        let phone = match &r.to {
            Address::Phone(p) if is_mainland_mobile(p) && self.settings.country_code => e164(p).trim_start_matches('+').to_string(),
            Address::Phone(p) if is_mainland_mobile(p) => p.reveal().to_string(),
            Address::Phone(p) => {
                return Outcome::PermanentNumber { detail: format!("{p} is not a mainland mobile number: it cannot receive SMS") };
            }
            Address::Email { .. } | Address::Group { .. } => {
                return Outcome::PermanentNumber { detail: "an e-mail address cannot receive SMS".into() };
            }
        };
        let pdus = match self.submits(&phone, &self.body(&r.message)) {
            Ok(pdus) => pdus,
            Err(detail) => return Outcome::PermanentContent { detail },
        };
        let mut id = None;
        for (n, pdu) in pdus.into_iter().enumerate() {
            match self.link.submit(pdu).await {
                Answer::Taken(message_id) => id = Some(receipt::taken_as(&message_id, self.settings.receipt_id)),
                Answer::Refused(status) => return errors::classify(status, n),
                // Parts that left before make no message by themselves: nothing was shown to anybody.
                Answer::NotSent(detail) => return Outcome::Retryable { detail },
                Answer::Refusing(detail) => return Outcome::Config { detail },
                Answer::Lost(detail) => return Outcome::Unknown { detail },
            }
        }
        match id.filter(|id| !id.is_empty()) {
            Some(provider_message_id) => Outcome::Accepted { provider_message_id },
            None => Outcome::Unknown { detail: "accepted without an id of the message".into() },
        }
    }

    async fn lookup(&self, _reference: &str, _to: &Address, _sent: Time) -> Lookup {
        Lookup::Unanswered("SMPP lines have no query that can be relied on; the message's receipt will tell".into())
    }
    fn has_lookup(&self) -> bool {
        false
    }

    /// `body`: one PDU as [`RAW`].
    fn read_callback(&self, _content_type: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String> {
        receipt::read(body, self.settings.receipt_id)
    }
    fn callback_reply(&self, ok: bool) -> CallbackReply {
        CallbackReply { status: if ok { 200 } else { 500 }, content_type: "text/plain; charset=utf-8", body: String::new() }
    }
    fn echoes_reference(&self) -> bool {
        false
    }

    async fn hold(&self, inbox: Arc<dyn Inbox>) {
        self.link.hold(&self.settings, inbox).await;
    }

    fn sms_count(&self, message: &Message) -> usize {
        long_sms::cost(self.settings.sign_name.as_deref(), &message.text).count
    }
    fn refuses_long_sms(&self) -> bool {
        self.settings.segments_max == 1
    }
    fn knows_wording(&self, _kind: MessageKind, _drill: bool, variant: &str, today: Option<Day>) -> bool {
        filing::free_text_may_go(variant, (self.settings.link_filing, self.settings.link_valid_until), today)
    }
    fn filings(&self) -> Vec<Filing> {
        let s = &self.settings;
        filing::of_free_text(s.sign_name.as_deref(), (s.sign_filing, s.sign_valid_until), (s.link_filing, s.link_valid_until))
    }

    fn check_message(&self, message: &Message) -> Result<(), String> {
        if message.text.trim().is_empty() {
            return Err("the message is empty".into());
        }
        if message.drill && !message.text.contains("演练") {
            return Err("a drill is not sent in the words of a real warning: its text lacks the mark 演练".into());
        }
        let units = text::ucs2(&self.body(message)).len();
        let most = self.settings.segments_max * text::PART;
        if units > text::SINGLE && units > most {
            return Err(format!("the message has {units} characters, at most {most} are allowed (segments_max)"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::MessageKind;
    use crate::core::phone::Phone;

    fn account(extra: &str) -> Smpp {
        let text = format!(
            "account = 'line'\nendpoint = '127.0.0.1:9'\nsystem_id = 'id'\npassword = 'secret'\nsource = '10690001'\nsign_name = '某某应急'\n{extra}"
        );
        Smpp::new(toml::from_str(&text).unwrap()).unwrap()
    }
    fn submit(pdu: &Pdu) -> &SubmitSm {
        match pdu {
            Pdu::SubmitSm(s) => s,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_message_of_70_is_one_part_and_one_of_71_two_or_a_payload() {
        let p = account("");
        let single = p.submits("8615400000001", &"雨".repeat(70)).unwrap();
        assert_eq!((single.len(), submit(&single[0]).short_message().len()), (1, 140));
        assert_eq!(u8::from(submit(&single[0]).esm_class), 0);
        let two = p.submits("8615400000001", &"雨".repeat(71)).unwrap();
        assert_eq!(two.iter().map(|p| submit(p).short_message().len()).collect::<Vec<_>>(), [140, 14]);
        assert_eq!(u8::from(submit(&two[1]).esm_class), 0x40);
        let payload = account("long = 'payload'").submits("8615400000001", &"雨".repeat(71)).unwrap();
        assert_eq!((payload.len(), submit(&payload[0]).short_message().len(), submit(&payload[0]).tlvs().len()), (1, 0, 1));
        assert_eq!(u8::from(submit(&payload[0]).registered_delivery), 1);
    }

    #[tokio::test]
    async fn without_a_bind_nothing_leaves() {
        let p = account("");
        let message = Message {
            kind: MessageKind::Callout,
            drill: false,
            variant: String::new(),
            variables: Vec::new(),
            text: "暴雨".into(),
            subject: None,
            html: None,
        };
        let of = |to| SendRequest { reference: "r".into(), to, message: message.clone() };
        let phone = |n: &str| Address::Phone(Phone::parse(n).unwrap());
        assert_eq!(p.send(&of(phone("15400000001"))).await.class(), "retryable");
        assert_eq!(p.send(&of(phone("03562111111"))).await.class(), "permanent_number");
        assert!(p.check_message(&Message { text: "雨".repeat(400), ..message }).unwrap_err().contains("segments_max"));
    }
}
