//! Those who are called: some answer at once, some late, some by the wrong key, some never.

use super::{acts::Act, play::Play, rng::Rng};
use jiaoying::{
    channel::{CallbackItem, MessageKind, Rang, ReceiptResult},
    core::{
        callout::state::Relation,
        ids::{AttemptId, CalloutId, RecipientId},
        phone::Phone,
        time::{Span, Time},
    },
    engine::TokenAction,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temper {
    Link,
    Reply,
    Key,
    /// Says something else, presses something else.
    Clumsy,
    Silent,
    /// A quarter of an hour or more later.
    Late,
    Declines,
}
impl Temper {
    pub fn random(rng: &mut Rng) -> Temper {
        use Temper::{Clumsy, Declines, Key, Late, Link, Reply, Silent};
        *rng.pick(&[Link, Link, Reply, Reply, Reply, Key, Key, Clumsy, Silent, Silent, Silent, Late, Declines])
    }
}

/// The digit a message asks for, as a reader finds it: 回2确认.
pub fn asked_digit(text: &str) -> Option<u8> {
    text.match_indices('回').find_map(|(i, c)| {
        let digits: String = text[i + c.len()..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    })
}

impl Play {
    /// A message reached a person.
    pub fn reads(&mut self, phone: &Phone, kind: MessageKind, text: &str, who: &[(CalloutId, u8)]) {
        let Some((id, contact)) = who.first().copied() else { return };
        let Some(person) = self.person(id, contact) else { return };
        if kind == MessageKind::Feedback {
            if self.calm || self.rng.chance(60) {
                let wait = self.rng.between(5, 600);
                self.after(Span::secs(wait), Act::Report { id, contact });
            }
            return;
        }
        if !super::laws::asks(kind) {
            return;
        }
        let soon = self.rng.between(3, 180);
        let reply = |text: String, dedupe: u64| CallbackItem::Reply {
            phone: phone.reveal().into(),
            text,
            at: None,
            extend: None,
            dedupe: dedupe.to_string(),
        };
        let n = self.rng.next();
        match self.tempers.get(&person).copied().unwrap_or(Temper::Silent) {
            Temper::Link if self.rng.chance(80) => {
                for (id, contact) in who {
                    self.after(Span::secs(soon), Act::Link { id: *id, contact: *contact, action: TokenAction::Answer });
                    if self.rng.chance(50) {
                        self.after(Span::secs(soon + 60), Act::Report { id: *id, contact: *contact });
                    }
                }
            }
            Temper::Reply if self.rng.chance(85) => {
                let digit = asked_digit(text).unwrap_or(1);
                let said = match self.rng.below(5) {
                    0 => format!("收到{digit}"),
                    1 => "收到".into(),
                    2 => format!(" {digit}。"),
                    3 => "已收到！".into(),
                    _ => digit.to_string(),
                };
                self.after(Span::secs(soon), Act::Callback { account: "sms-a".into(), items: vec![reply(said.clone(), n)] });
                if self.rng.chance(15) {
                    // The same reply pushed twice, as providers do.
                    self.after(Span::secs(soon + 1), Act::Callback { account: "sms-a".into(), items: vec![reply(said, n)] });
                }
            }
            Temper::Clumsy if self.rng.chance(70) => {
                let said = *self.rng.pick(&["好的", "知道了", "你是谁？", "在路上", "99", "77"]);
                self.after(Span::secs(soon), Act::Callback { account: "sms-a".into(), items: vec![reply(said.into(), n)] });
            }
            Temper::Late if self.rng.chance(50) => {
                let late = self.rng.between(600, 2400);
                let act = if self.rng.chance(50) {
                    Act::Link { id, contact, action: TokenAction::Answer }
                } else {
                    let digit = asked_digit(text).unwrap_or(1);
                    Act::Callback { account: "sms-a".into(), items: vec![reply(digit.to_string(), n)] }
                };
                self.after(Span::secs(late), act);
            }
            Temper::Declines if self.rng.chance(40) => {
                let action = if self.rng.chance(70) { TokenAction::HandToDeputy } else { TokenAction::NotMe };
                self.after(Span::secs(soon), Act::Link { id, contact, action });
            }
            _ => {}
        }
    }

    /// Keys a person presses in a call, if any.
    pub fn presses(&mut self, who: &[(CalloutId, u8)]) -> Option<&'static str> {
        let (id, contact) = who.first().copied()?;
        let person = self.person(id, contact)?;
        if self.calm {
            return Some("1");
        }
        match self.tempers.get(&person)? {
            Temper::Key if self.rng.chance(75) => Some("1"),
            Temper::Clumsy => Some(*self.rng.pick(&["2", "9", "#", "12", "3"])),
            Temper::Declines if self.rng.chance(40) => Some("4"),
            Temper::Late if self.rng.chance(10) => Some("1"),
            _ => None,
        }
    }

    fn person(&self, id: CalloutId, contact: u8) -> Option<RecipientId> {
        self.laws.shadow(id)?.contacts.get(usize::from(contact)).map(|k| k.id)
    }

    /// Writes down what people really did, from what the carriers are about to tell.
    pub fn witness(&mut self, items: &[CallbackItem]) {
        let at = self.w.now();
        for item in items {
            // A receipt may come before the outcome: it is not on its way any more.
            if let CallbackItem::Receipt { reference: Some(r), .. } = item
                && let Some(s) = self.laws.sends.all.get_mut(r)
            {
                s.receipted = true;
            }
            match item {
                CallbackItem::Key { reference: Some(r), keys, .. } | CallbackItem::Receipt { reference: Some(r), keys: Some(keys), .. }
                    if keys == "1" =>
                {
                    self.witness_key(r);
                }
                CallbackItem::Reply { phone, text, .. } => self.witness_reply(phone, text, at),
                CallbackItem::Receipt { .. } | CallbackItem::Key { .. } => {}
            }
        }
    }

    fn witness_key(&mut self, reference: &str) {
        let members = self.laws.sends.all.get(reference).map(|s| s.members.clone()).unwrap_or_default();
        for (id, contact) in members {
            let Some(person) = self.person(id, contact) else { continue };
            if contact == 0 {
                self.owe([id]);
            }
            let phones = self.town.directory.recipients.get(&person).map(|r| r.phones.clone()).unwrap_or_default();
            self.laws.ledger.keys.extend(phones);
        }
    }

    fn witness_reply(&mut self, phone: &str, text: &str, at: Time) {
        let plain: String = text.chars().filter(|c| !c.is_whitespace() && !"。！，".contains(*c)).collect();
        let rest = plain.strip_prefix("已收到").or_else(|| plain.strip_prefix("收到"));
        let digit = rest.unwrap_or(&plain).parse::<u8>().ok();
        if let Some(phone) = Phone::parse(phone)
            && (digit.is_some() || rest == Some(""))
        {
            let asked = digit.map(|d| self.holders_asked(&phone, d)).unwrap_or_default();
            self.owe(asked);
            self.laws.ledger.replies.push((phone, digit, at));
        }
    }

    /// Callouts whose holder was asked on this number with this digit, and may have read it.
    fn holders_asked(&self, phone: &Phone, digit: u8) -> Vec<CalloutId> {
        let Some((_, line)) = self.laws.all_lines().find(|(p, _)| *p == phone) else { return vec![] };
        let asked = line.asks.iter().filter(|a| a.digit == digit).flat_map(|a| &a.members);
        let read = |a: &AttemptId| {
            let c = self.laws.shadow(a.callout)?;
            let a = c.attempt(a.n)?;
            (a.state.reached_out() && a.contact == 0 && a.kind.asks()).then_some(c.id)
        };
        asked.filter_map(|m| read(&m.attempt)).collect()
    }

    /// The contact whose relation is asked, for acts chosen at random.
    pub fn contact_of(&self, id: CalloutId, relation: Relation) -> Option<u8> {
        self.laws.shadow(id)?.contacts.iter().position(|k| k.relation == relation).map(|i| i as u8)
    }
}

pub fn call_ended(reference: &str, heard: bool, keys: Option<&str>, number_dead: bool) -> CallbackItem {
    let code = if heard { "200000" } else { "200003" };
    CallbackItem::Receipt {
        reference: Some(reference.into()),
        provider_message_id: None,
        at: None,
        result: ReceiptResult::CallEnded { code: code.into(), detail: String::new(), heard, number_dead, config: false, rang: Rang::Yes },
        keys: keys.map(str::to_string),
    }
}
