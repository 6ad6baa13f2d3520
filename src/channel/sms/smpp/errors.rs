//! command_status of a response → what it means here; states of receipts.

use crate::channel::ReceiptResult;
use crate::core::{send::Outcome, time::Span};
use rusmpp::CommandStatus as S;

/// `part`: how many parts of the same message were taken before.
pub fn classify(status: S, part: usize) -> Outcome {
    let code = u32::from(status);
    let detail =
        if part == 0 { format!("command_status 0x{code:08X}") } else { format!("command_status 0x{code:08X} for part {}", part + 1) };
    match status {
        S::EsmeRthrottled => Outcome::Throttled { after: Some(Span::secs(1)), whole_account: true, detail },
        S::EsmeRmsgqful => Outcome::Throttled { after: Some(Span::secs(5)), whole_account: true, detail },
        // Of the number or its form.
        S::EsmeRinvdstadr | S::EsmeRinvdlname | S::EsmeRinvnumdests | S::EsmeRinvdestflag => Outcome::PermanentNumber { detail },
        // Of this message.
        S::EsmeRinvmsglen | S::EsmeRinvprtflg | S::EsmeRinvsched | S::EsmeRinvexpiry | S::EsmeRinvdcs | S::EsmeRprohibited => {
            Outcome::PermanentContent { detail }
        }
        // Of what every message of this account carries, or of the bind.
        S::EsmeRinvbndsts
        | S::EsmeRinvcmdid
        | S::EsmeRinvcmdlen
        | S::EsmeRinvregdlvflg
        | S::EsmeRinvsrcadr
        | S::EsmeRbindfail
        | S::EsmeRinvpaswd
        | S::EsmeRinvsysid
        | S::EsmeRinvsertyp
        | S::EsmeRinvesmclass
        | S::EsmeRinvsrcton
        | S::EsmeRinvsrcnpi
        | S::EsmeRinvdstton
        | S::EsmeRinvdstnpi
        | S::EsmeRinvsystyp
        | S::EsmeRinvtlvstream
        | S::EsmeRtlvnotallwd
        | S::EsmeRinvtlvlen
        | S::EsmeRmissingtlv
        | S::EsmeRinvtlvval
        | S::EsmeRsertypunauth
        | S::EsmeRsertypunavail
        | S::EsmeRsertypdenied => Outcome::Config { detail },
        // Refused, for no reason of ours.
        S::EsmeRsyserr | S::EsmeRsubmitfail | S::EsmeRxTAppn | S::EsmeRxRAppn => Outcome::Retryable { detail },
        // What no standard describes (0x400 and above are the carrier's own) proves nothing.
        _ => Outcome::Unknown { detail },
    }
}

/// Whether a refused bind is a matter of configuration: then every message says so until it is mended.
pub fn bind_is_config(status: S) -> bool {
    matches!(status, S::EsmeRinvpaswd | S::EsmeRinvsysid | S::EsmeRbindfail | S::EsmeRinvsystyp | S::EsmeRinvcmdid)
}

/// `stat:` of appendix B (or the same by message_state), and the network's own `err:`.
pub fn receipt(stat: &str, err: &str) -> ReceiptResult {
    match stat {
        "DELIVRD" => ReceiptResult::Delivered,
        "ACCEPTD" | "ENROUTE" | "SCHEDULED" | "UNKNOWN" | "" => ReceiptResult::Waiting,
        code => ReceiptResult::Failed {
            code: code.into(),
            detail: err.chars().take(160).collect(),
            // No such user, as the three carriers write it in place of a state.
            number_dead: matches!(code, "MK:0001" | "MN:0001" | "MB:1043"),
            config: false,
            // Rejected on the way, not undeliverable: by another line it may pass.
            elsewhere: code == "REJECTD",
        },
    }
}

/// message_state (TLV 0x0427) as the word of appendix B.
pub fn state_word(state: u8) -> &'static str {
    match state {
        0 => "SCHEDULED",
        1 => "ENROUTE",
        2 => "DELIVRD",
        3 => "EXPIRED",
        4 => "DELETED",
        5 => "UNDELIV",
        6 => "ACCEPTD",
        8 => "REJECTD",
        9 => "SKIPPED",
        _ => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every submit_sm status of the standard → its class. What the engine does then is drawn up by tests/it/vendors/smpp_codes.rs.
    #[test]
    fn every_status_has_its_class() {
        let table: &[(&str, &[u32])] = &[
            ("throttled", &[0x58, 0x14]),
            ("permanent_number", &[0x0B, 0x33, 0x34, 0x40]),
            ("permanent_content", &[0x01, 0x06, 0x61, 0x62, 0x101, 0x104]),
            (
                "config",
                &[
                    0x02, 0x03, 0x04, 0x07, 0x0A, 0x0D, 0x0E, 0x0F, 0x15, 0x43, 0x48, 0x49, 0x50, 0x51, 0x53, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4,
                    0x100, 0x102, 0x103,
                ],
            ),
            ("retryable", &[0x08, 0x45, 0x64, 0x66]),
            ("unknown", &[0x05, 0x0C, 0x65, 0xFE, 0xFF, 0x400, 0x4FF, 0xFFFF_FFFF]),
        ];
        for (class, codes) in table {
            for code in *codes {
                assert_eq!(classify(S::from(*code), 0).class(), *class, "0x{code:X}");
            }
        }
        assert!(matches!(classify(S::EsmeRthrottled, 1), Outcome::Throttled { detail, .. } if detail.contains("part 2")));
    }

    #[test]
    fn every_state_is_read() {
        assert_eq!(receipt("DELIVRD", "000"), ReceiptResult::Delivered);
        for waiting in [0, 1, 6, 7] {
            assert_eq!(receipt(state_word(waiting), ""), ReceiptResult::Waiting, "{waiting}");
        }
        for failed in [3, 4, 5, 8, 9] {
            assert!(
                matches!(receipt(state_word(failed), "1"), ReceiptResult::Failed { number_dead: false, config: false, .. }),
                "{failed}"
            );
        }
        assert!(matches!(receipt("MK:0001", ""), ReceiptResult::Failed { number_dead: true, .. }));
    }
}
