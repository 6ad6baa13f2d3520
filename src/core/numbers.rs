//! What is known of telephone numbers beyond the directory: which of them receipts proved dead (空号, 停机), and which
//! their owner disowned (非本人).
//!
//! A dead number is never silently dropped: planning puts it last, says so in a finding, and the clerk is shown
//! which receipt says so. A later delivery or answer takes the flag away; so does a change of the number itself. A
//! disowned number rings well enough, at a stranger's: no delivery clears it, only an answer from it.

use super::{ids::AttemptId, phone::Phone, send::Channel, time::Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What stands for the code where somebody who has the number says that he is another.
pub const NOT_ME: &str = "非本人";

/// The evidence that a number is dead: the newest receipt that says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadNumber {
    /// When the receipt was worked.
    pub at: Time,
    pub attempt: AttemptId,
    pub channel: Channel,
    /// The provider account that said so.
    pub provider: String,
    /// What it said: its code and words.
    pub code: String,
}
impl DeadNumber {
    /// One line for people: `7月8日 16:15 aliyun-voice 电话回执 200116 空号（w1-3-2）`.
    pub fn told_zh(&self) -> String {
        let how = match self.channel {
            Channel::Sms => "短信",
            Channel::Voice => "电话",
            Channel::Email => "邮件",
            Channel::Im => "即时消息",
        };
        let when = self.at.beijing().strftime("%Y-%m-%d %H:%M");
        if self.code == NOT_ME {
            return format!("{when} 接收{how}的人回答“{NOT_ME}”（呼叫记录 {}）", self.attempt);
        }
        format!("{when} {} {how}回执“{}”（呼叫记录 {}）", self.provider, self.code, self.attempt)
    }
}

/// What happened to a number, as the number's record is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum NumberNews {
    Dead {
        phone: Phone,
        evidence: DeadNumber,
    },
    /// Delivered, heard or answered at this time.
    Alive {
        phone: Phone,
        at: Time,
        /// By an answer.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        answered: bool,
    },
}

/// All numbers that are flagged now. Serialised by number; never shown but masked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadNumbers(pub BTreeMap<Phone, DeadNumber>);
impl DeadNumbers {
    pub fn is_dead(&self, phone: &Phone) -> bool {
        self.0.contains_key(phone)
    }
    pub fn get(&self, phone: &Phone) -> Option<&DeadNumber> {
        self.0.get(phone)
    }

    /// Takes news in; answers whether it changed anything. What is older than what is known changes nothing.
    pub fn take(&mut self, news: &NumberNews) -> bool {
        match news {
            NumberNews::Dead { phone, evidence } => {
                if self.0.get(phone).is_some_and(|known| known.at >= evidence.at) {
                    return false;
                }
                self.0.insert(phone.clone(), evidence.clone());
                true
            }
            NumberNews::Alive { phone, at, answered } => {
                if self.0.get(phone).is_some_and(|known| known.at <= *at && (*answered || known.code != NOT_ME)) {
                    self.0.remove(phone);
                    return true;
                }
                false
            }
        }
    }

    /// The numbers of a person in the order they are to be tried: what is dead last, else as the clerk wrote
    /// them. Answers whether anything was moved or is dead.
    pub fn order(&self, phones: &mut [Phone]) -> bool {
        if self.0.is_empty() || !phones.iter().any(|p| self.is_dead(p)) {
            return false;
        }
        phones.sort_by_key(|p| self.is_dead(p));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::{CalloutId, WarningId};

    fn evidence(at: i64) -> DeadNumber {
        let attempt = AttemptId { callout: CalloutId::new(WarningId(1), 3), n: 2 };
        DeadNumber { at: Time(at), attempt, channel: Channel::Voice, provider: "aliyun-voice".into(), code: "200116 空号".into() }
    }

    #[test]
    fn a_dead_number_comes_last_and_lives_again_by_a_later_delivery_only() {
        let phone = |n: u32| Phone::parse(&format!("154{n:08}")).unwrap();
        let mut dead = DeadNumbers::default();
        assert!(dead.take(&NumberNews::Dead { phone: phone(1), evidence: evidence(100) }));
        assert!(!dead.take(&NumberNews::Dead { phone: phone(1), evidence: evidence(90) }), "older evidence is no news");
        let mut phones = vec![phone(1), phone(2), phone(3)];
        assert!(dead.order(&mut phones));
        assert_eq!(phones, [phone(2), phone(3), phone(1)], "last, never dropped");
        let alive = |at: i64, answered: bool| NumberNews::Alive { phone: phone(1), at: Time(at), answered };
        assert!(!dead.take(&alive(99, false)), "delivered before it died");
        assert!(dead.take(&alive(101, false)));
        assert!(!dead.is_dead(&phone(1)));
        assert!(!dead.order(&mut [phone(1), phone(2)]));
        // A stranger's number: what is sent there arrives, and that proves nothing.
        assert!(dead.take(&NumberNews::Dead { phone: phone(1), evidence: DeadNumber { code: NOT_ME.into(), ..evidence(200) } }));
        assert!(!dead.take(&alive(201, false)) && dead.is_dead(&phone(1)));
        assert!(dead.take(&alive(202, true)));
    }

    #[test]
    fn the_evidence_is_told_in_one_line() {
        let mut e = evidence(0);
        e.at = Time::parse_rfc3339("2026-07-08T16:15:00+08:00").unwrap();
        assert_eq!(e.told_zh(), "2026-07-08 16:15 aliyun-voice 电话回执“200116 空号”（呼叫记录 w1-3-2）");
        (e.channel, e.code) = (Channel::Sms, NOT_ME.into());
        assert_eq!(e.told_zh(), "2026-07-08 16:15 接收短信的人回答“非本人”（呼叫记录 w1-3-2）");
    }
}
