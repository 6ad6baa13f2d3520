//! deliver_sm, as it was kept: receipts (by TLV or by the text of appendix B) and what people wrote.

use super::{errors, settings::ReceiptId, text};
use crate::channel::{CallbackItem, sign::hex};
use crate::core::time::Time;
use rusmpp::{Command, Pdu, pdus::DeliverSm, tlvs::TlvValue, tokio_codec::CommandCodec};
use sha2::{Digest, Sha256};
use tokio_util::{bytes::BytesMut, codec::Decoder};

/// esm_class: bits that say receipt, and those of any kind of it.
const RECEIPT: u8 = 0x04;
const INTERMEDIATE: u8 = 0x20;
const KIND: u8 = 0x3C;

/// command_id, command_status and sequence_number of a whole PDU.
pub(super) fn header(pdu: &[u8]) -> Option<(u32, u32, u32)> {
    let word = |at: usize| pdu.get(at..at + 4).map(|w| w.iter().fold(0_u32, |n, b| (n << 8) | u32::from(*b)));
    Some((word(4)?, word(8)?, word(12)?))
}

/// A whole PDU read.
pub(super) fn decode(pdu: &[u8]) -> Result<Command, String> {
    let mut bytes = BytesMut::from(pdu);
    let read = CommandCodec::new().without_max_length().decode(&mut bytes);
    read.map_err(|e| format!("not a PDU: {e}"))?.ok_or_else(|| "half a PDU".into())
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    text.chunks(2).map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)).collect()
}

pub(super) fn read(body: &[u8], ids: ReceiptId) -> Result<Vec<CallbackItem>, String> {
    let bytes = unhex(body.trim_ascii()).ok_or("not a PDU in hexadecimal")?;
    match decode(&bytes)?.pdu() {
        Some(Pdu::DeliverSm(d)) => one(d, ids).map(|item| vec![item]),
        _ => Err("not a deliver_sm".into()),
    }
}

fn one(d: &DeliverSm, ids: ReceiptId) -> Result<CallbackItem, String> {
    let mut body: Vec<u8> = d.short_message().clone().into_vec();
    let (mut by_tlv, mut state) = (None, None);
    for tlv in d.tlvs() {
        match tlv.value() {
            Some(TlvValue::MessagePayload(p)) => body = p.value.clone().into_vec(),
            Some(TlvValue::ReceiptedMessageId(id)) => by_tlv = Some(id.as_str().to_string()),
            Some(TlvValue::MessageState(s)) => state = Some(errors::state_word(u8::from(*s))),
            _ => {}
        }
    }
    let class = u8::from(d.esm_class);
    let coding = u8::from(d.data_coding);
    let said = text::read(coding, class & text::UDHI != 0, &body);
    if class & KIND & (RECEIPT | INTERMEDIATE) == 0 {
        let phone = d.source_addr.as_str().to_string();
        let dedupe = hex(&Sha256::digest([phone.as_bytes(), b"|", &body].concat()));
        // Two equal answers are two only when they come apart, which nobody can tell here; one is enough.
        return Ok(CallbackItem::Reply { phone, text: said, at: None, extend: Some(d.destination_addr.as_str().to_string()), dedupe });
    }
    let by_text = field(&said, "id").map(|id| same_form(id, ids));
    let id = by_tlv.or(by_text).filter(|id| !id.is_empty()).ok_or("a receipt without an id")?;
    let word = field(&said, "stat").map(str::to_string);
    let word = state.map(str::to_string).or(word).unwrap_or_default();
    let result = if class & KIND & INTERMEDIATE != 0 {
        crate::channel::ReceiptResult::Waiting
    } else {
        errors::receipt(&word, field(&said, "err").unwrap_or_default())
    };
    let at = field(&said, "done date").and_then(time);
    Ok(CallbackItem::Receipt { reference: None, provider_message_id: Some(id), at, result, keys: None })
}

/// `id:IIII sub:001 dlvrd:001 submit date:YYMMDDhhmm done date:YYMMDDhhmm stat:DDDDDDD err:E text:…`
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    // What a person wrote stands last and may say anything.
    let known = text.split_once("text:").or_else(|| text.split_once("Text:")).map_or(text, |(head, _)| head);
    let at = known.match_indices(name).find(|(at, _)| {
        let begins = known.get(..*at).is_some_and(|before| before.is_empty() || before.ends_with(' '));
        begins && known.get(at + name.len()..).is_some_and(|after| after.starts_with(':'))
    })?;
    known.get(at.0 + name.len() + 1..)?.split_whitespace().next()
}

fn same_form(id: &str, ids: ReceiptId) -> String {
    let converted = match ids {
        ReceiptId::Same => None,
        ReceiptId::DecimalOfHex => id.parse::<u64>().ok().map(|n| format!("{n:x}")),
        ReceiptId::HexOfDecimal => u64::from_str_radix(id, 16).ok().map(|n| n.to_string()),
    };
    converted.unwrap_or_else(|| id.to_string())
}

/// The id of a response as [`same_form`] makes it of a receipt's: no leading zeros, lower case.
pub(super) fn taken_as(id: &str, ids: ReceiptId) -> String {
    let plain = match ids {
        ReceiptId::Same => None,
        ReceiptId::DecimalOfHex => u64::from_str_radix(id, 16).ok().map(|n| format!("{n:x}")),
        ReceiptId::HexOfDecimal => id.parse::<u64>().ok().map(|n| n.to_string()),
    };
    plain.unwrap_or_else(|| id.to_string())
}

/// YYMMDDhhmm, with or without seconds, in Beijing time.
fn time(text: &str) -> Option<Time> {
    if !matches!(text.len(), 10 | 12) || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |a: usize, b: usize| text.get(a..b).unwrap_or("00");
    let spelt = format!("20{}-{}-{}T{}:{}:{}", part(0, 2), part(2, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 12));
    spelt.parse::<jiff::civil::DateTime>().ok().and_then(Time::from_beijing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::ReceiptResult;
    use rusmpp::{
        CommandStatus,
        tlvs::MessageDeliveryRequestTlvValue,
        types::{COctetString, OctetString},
        values::{DataCoding, EsmClass, MessageState},
    };

    fn deliver(class: u8, coding: DataCoding, body: &[u8]) -> DeliverSm {
        DeliverSm::builder()
            .source_addr(COctetString::from_string("8615400000001".into()).unwrap())
            .destination_addr(COctetString::from_string("10690001".into()).unwrap())
            .esm_class(EsmClass::from(class))
            .data_coding(coding)
            .short_message(OctetString::from_vec(body.to_vec()).unwrap())
            .build()
    }
    fn item(d: DeliverSm, ids: ReceiptId) -> Result<CallbackItem, String> {
        let mut bytes = BytesMut::new();
        let command = Command::new(CommandStatus::EsmeRok, 1, Pdu::DeliverSm(d));
        tokio_util::codec::Encoder::encode(&mut CommandCodec::new(), &command, &mut bytes).unwrap();
        let kept = hex(&bytes);
        read(kept.as_bytes(), ids).map(|mut all| all.remove(0))
    }
    const TEXT: &[u8] =
        b"id:0123456789 sub:001 dlvrd:001 submit date:2607210610 done date:2607210611 stat:DELIVRD err:000 text:stat:EXPIRED id:7";

    #[test]
    fn a_receipt_of_appendix_b_is_read() {
        match item(deliver(4, DataCoding::McSpecific, TEXT), ReceiptId::Same).unwrap() {
            CallbackItem::Receipt { provider_message_id, at, result, reference: None, .. } => {
                assert_eq!((provider_message_id.as_deref(), result), (Some("0123456789"), ReceiptResult::Delivered));
                assert_eq!(at.unwrap().rfc3339(), "2026-07-21T06:11:00+08:00");
            }
            other => panic!("{other:?}"),
        }
        let undelivered = String::from_utf8_lossy(TEXT).replace("stat:DELIVRD err:000", "stat:UNDELIV err:012");
        let failed = item(deliver(4, DataCoding::McSpecific, undelivered.as_bytes()), ReceiptId::Same).unwrap();
        assert!(
            matches!(failed, CallbackItem::Receipt { result: ReceiptResult::Failed { ref code, ref detail, .. }, .. } if code == "UNDELIV" && detail == "012")
        );
    }

    #[test]
    fn tlvs_stand_above_the_text_and_ids_are_brought_to_one_form() {
        let mut d = deliver(4, DataCoding::McSpecific, b"");
        d.push_tlv(MessageDeliveryRequestTlvValue::ReceiptedMessageId(COctetString::from_string("ab12".into()).unwrap()));
        d.push_tlv(MessageDeliveryRequestTlvValue::MessageState(MessageState::from(5)));
        let read = item(d, ReceiptId::Same).unwrap();
        assert!(
            matches!(read, CallbackItem::Receipt { provider_message_id: Some(ref id), result: ReceiptResult::Failed { .. }, .. } if id == "ab12")
        );
        assert_eq!(same_form("255", ReceiptId::DecimalOfHex), "ff");
        // What the response said, in capitals and with zeros before it, is the same id.
        assert_eq!(
            (taken_as("0A1B2C3D", ReceiptId::DecimalOfHex), same_form("169552957", ReceiptId::DecimalOfHex)),
            ("a1b2c3d".into(), "a1b2c3d".into())
        );
        assert_eq!((taken_as("007", ReceiptId::HexOfDecimal), taken_as("007", ReceiptId::Same)), ("7".into(), "007".into()));
        assert_eq!((same_form("ff", ReceiptId::HexOfDecimal), same_form("x", ReceiptId::HexOfDecimal)), ("255".into(), "x".into()));
    }

    #[test]
    fn what_a_person_wrote_is_a_reply_even_if_it_looks_like_a_receipt() {
        let body = text::bytes(&text::ucs2("id:1 stat:DELIVRD 收到"));
        match item(deliver(0, DataCoding::Ucs2, &body), ReceiptId::Same).unwrap() {
            CallbackItem::Reply { phone, text, extend, .. } => {
                assert_eq!(
                    (phone.as_str(), text.as_str(), extend.as_deref()),
                    ("8615400000001", "id:1 stat:DELIVRD 收到", Some("10690001"))
                );
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn odd_bodies_are_told() {
        for bad in [&b""[..], b"0", b"zz", b"00000010000000150000000000000001", b"ffffffff000000150000000000000001"] {
            assert!(read(bad, ReceiptId::Same).is_err(), "{bad:?}");
        }
        assert!(item(deliver(4, DataCoding::McSpecific, b"stat:DELIVRD"), ReceiptId::Same).unwrap_err().contains("id"));
    }
}
