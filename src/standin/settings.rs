//! What a stand-in is told: keys, where to push, how badly to behave, and what its people are like.

use crate::channel::Secret;
use crate::core::time::Span;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StandinSettings {
    /// The one key it knows.
    pub access_key_id: String,
    pub access_key_secret: Secret,
    /// Whole URLs, such as `http://127.0.0.1:8080/callbacks/aliyun-sms/SECRET`; nothing is pushed without.
    pub sms_callback: Option<String>,
    pub voice_callback: Option<String>,
    /// Every request is written there as one JSON file an independent judge can read.
    pub capture: Option<PathBuf>,
    /// Requests captured at most.
    pub capture_limit: usize,
    /// Template code → its text with `${name}`; when given, codes not listed are refused.
    pub templates: BTreeMap<String, String>,
    /// All delays are divided by this.
    pub speed: f64,
    pub behaviour: Behaviour,
    pub people: People,
    pub tencent: Tencent,
    pub huawei: Huawei,
    pub twilio: Twilio,
    pub carrier: Carrier,
    pub robots: Robots,
}
impl Default for StandinSettings {
    fn default() -> Self {
        StandinSettings {
            access_key_id: "testid".into(),
            access_key_secret: Secret::new("testsecret"),
            sms_callback: None,
            voice_callback: None,
            capture: None,
            capture_limit: 10_000,
            templates: BTreeMap::new(),
            speed: 1.0,
            behaviour: Behaviour::default(),
            people: People::default(),
            tencent: Tencent::default(),
            huawei: Huawei::default(),
            twilio: Twilio::default(),
            carrier: Carrier::default(),
            robots: Robots::default(),
        }
    }
}

/// Tencent's side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tencent {
    pub secret_id: String,
    pub secret_key: Secret,
    /// Whole URLs, as for Aliyun.
    pub sms_callback: Option<String>,
    pub voice_callback: Option<String>,
    /// Whether support switched on that callbacks and pulls carry SessionContext.
    pub session_context: bool,
}
impl Default for Tencent {
    fn default() -> Self {
        Tencent {
            secret_id: "testid".into(),
            secret_key: Secret::new("testsecret"),
            sms_callback: None,
            voice_callback: None,
            session_context: false,
        }
    }
}

/// Huawei's side. Receipts go where the request says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Huawei {
    pub app_key: String,
    pub app_secret: Secret,
    /// Where replies go, whole URL.
    pub reply_callback: Option<String>,
    /// Whether the customer has asked for signed pushes.
    pub sign_pushes: bool,
}
impl Default for Huawei {
    fn default() -> Self {
        Huawei { app_key: "testid".into(), app_secret: Secret::new("testsecret"), reply_callback: None, sign_pushes: false }
    }
}

/// Twilio's side. Statuses and keys go where the request says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Twilio {
    pub account_sid: String,
    pub auth_token: Secret,
    /// Where incoming messages go, whole URL.
    pub reply_callback: Option<String>,
}
impl Default for Twilio {
    fn default() -> Self {
        Twilio { account_sid: "ACtest".into(), auth_token: Secret::new("testsecret"), reply_callback: None }
    }
}

/// The carriers of `config/providers/carrier-*.toml`. The JSON one is told in each request where to call back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Carrier {
    /// JSON and voice.
    pub app_id: String,
    pub key: Secret,
    /// XML.
    pub user: String,
    pub password: Secret,
    /// Whole URLs, as for Aliyun.
    pub xml_callback: Option<String>,
    pub voice_callback: Option<String>,
}
impl Default for Carrier {
    fn default() -> Self {
        Carrier {
            app_id: "testid".into(),
            key: Secret::new("testsecret"),
            user: "testid".into(),
            password: Secret::new("testsecret"),
            xml_callback: None,
            voice_callback: None,
        }
    }
}

/// The group robots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Robots {
    pub dingtalk_token: String,
    pub dingtalk_secret: Secret,
    pub wecom_key: Secret,
    pub feishu_hook: String,
    pub feishu_secret: Secret,
    /// Enforce the documented limits (DingTalk and WeCom 20 a minute, DingTalk then refuses for 10 minutes; Feishu 100 a minute
    /// and 5 a second), their windows divided by `speed`.
    pub limits: bool,
}
impl Default for Robots {
    fn default() -> Self {
        Robots {
            dingtalk_token: "testid".into(),
            dingtalk_secret: Secret::new("testsecret"),
            wecom_key: Secret::new("testid"),
            feishu_hook: "testid".into(),
            feishu_secret: Secret::new("testsecret"),
            limits: true,
        }
    }
}

/// How the provider itself behaves. Shares are 0.0 to 1.0; by default it is quick and flawless.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Every choice is a hash of this, the phone and how many requests it had.
    pub seed: u64,
    /// Time to answer a request, and how much longer it may be.
    pub latency: Span,
    pub latency_spread: Span,
    /// Requests answered only after `slow_latency`.
    pub slow_share: f64,
    pub slow_latency: Span,
    /// Requests read whole and then met with a closed connection …
    pub lost_share: f64,
    /// … of which this share was accepted all the same.
    pub lost_taken_share: f64,
    /// 503 before anything was taken.
    pub refused_share: f64,
    /// 500 InternalError; nothing was taken.
    pub error_share: f64,
    /// `isv.BUSINESS_LIMIT_CONTROL`.
    pub limit_share: f64,
    /// Numbers that are empty or invalid (of all numbers, not of requests).
    pub dead_share: f64,
    /// Enforce the documented limits of one number (SMS 50/24 h; voice 1/min, 5/h, 20/24 h), their
    /// windows divided by `speed`.
    pub callee_limits: bool,
    /// Number → the error code that every request for it is answered with, as the provider asked would
    /// write it (`isv.BLACK_KEY_CONTROL_LIMIT`, `FailedOperation.PhoneNumberInBlacklist`, `21610` …).
    pub codes: BTreeMap<String, String>,
    pub receipts: Receipts,
}
impl Behaviour {
    /// Whether any die has to be thrown for a request.
    pub(crate) fn is_flawless(&self) -> bool {
        self.slow_share <= 0.0
            && self.lost_share <= 0.0
            && self.refused_share <= 0.0
            && self.error_share <= 0.0
            && self.limit_share <= 0.0
            && self.latency_spread <= Span::ZERO
            && self.codes.is_empty()
    }
}

/// Receipts of messages and reports of calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Receipts {
    /// Off: nothing is pushed by itself (a query still finds the message).
    pub send: bool,
    pub delay: Span,
    pub spread: Span,
    pub lost_share: f64,
    pub duplicate_share: f64,
    /// Held back for up to a minute more, so that they overtake each other.
    pub late_share: f64,
}
impl Default for Receipts {
    fn default() -> Self {
        Receipts { send: true, delay: Span::secs(2), spread: Span::secs(3), lost_share: 0.0, duplicate_share: 0.0, late_share: 0.0 }
    }
}

/// What the people behind the numbers do. By default nobody does anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct People {
    /// Asks by SMS that are answered with the digit they name.
    pub reply_share: f64,
    /// Asks by SMS that get some other words back.
    pub other_words_share: f64,
    /// Calls that are taken and answered with the asked key.
    pub keypress_share: f64,
    /// Calls that are taken and answered with another key.
    pub wrong_key_share: f64,
    /// Calls that are taken and put down at once.
    pub hang_up_share: f64,
    /// Calls that are heard to the end without a key.
    pub listen_share: f64,
    /// Calls that find the line busy.
    pub busy_share: f64,
    /// People (not asks) who never do anything.
    pub never_share: f64,
    /// Half of all reactions come within this; a few take ten times as long.
    pub reaction: Span,
    /// How long a phone rings before it counts as not answered.
    pub ring: Span,
    /// How long the announcement is.
    pub announcement: Span,
}
impl Default for People {
    fn default() -> Self {
        People {
            reply_share: 0.0,
            other_words_share: 0.0,
            keypress_share: 0.0,
            wrong_key_share: 0.0,
            hang_up_share: 0.0,
            listen_share: 0.0,
            busy_share: 0.0,
            never_share: 0.0,
            reaction: Span::secs(40),
            ring: Span::secs(40),
            announcement: Span::secs(12),
        }
    }
}
impl People {
    /// A village on an ordinary night: most answer, some late, some wrongly, some never.
    pub fn lively() -> People {
        People {
            reply_share: 0.45,
            other_words_share: 0.03,
            keypress_share: 0.6,
            wrong_key_share: 0.04,
            hang_up_share: 0.05,
            listen_share: 0.04,
            busy_share: 0.07,
            never_share: 0.08,
            ..People::default()
        }
    }
    /// Whether anybody ever reacts to a message.
    pub(crate) fn react(&self) -> bool {
        self.reply_share > 0.0 || self.other_words_share > 0.0 || self.take_calls()
    }
    /// Whether calls have to be played out at all.
    pub(crate) fn take_calls(&self) -> bool {
        [self.keypress_share, self.wrong_key_share, self.hang_up_share, self.listen_share, self.busy_share].iter().any(|s| *s > 0.0)
    }
}

impl StandinSettings {
    /// A delay of the simulated world in real time.
    pub fn scaled(&self, span: Span) -> Duration {
        // A year stands for any longer time: an instant must not overflow.
        Duration::from_secs_f64((span.seconds_f64() / self.speed).clamp(0.0, 31_536_000.0))
    }

    /// Everything wrong with these settings, as `key: reason`.
    pub fn faults(&self) -> Vec<String> {
        let (b, r, p) = (&self.behaviour, &self.behaviour.receipts, &self.people);
        let shares = [
            ("behaviour.slow_share", b.slow_share),
            ("behaviour.lost_share", b.lost_share),
            ("behaviour.lost_taken_share", b.lost_taken_share),
            ("behaviour.refused_share", b.refused_share),
            ("behaviour.error_share", b.error_share),
            ("behaviour.limit_share", b.limit_share),
            ("behaviour.dead_share", b.dead_share),
            ("behaviour.receipts.lost_share", r.lost_share),
            ("behaviour.receipts.duplicate_share", r.duplicate_share),
            ("behaviour.receipts.late_share", r.late_share),
            ("people.never_share", p.never_share),
            ("people.reply_share + other_words_share", p.reply_share + p.other_words_share),
            ("people's shares of calls together", p.keypress_share + p.wrong_key_share + p.hang_up_share + p.listen_share + p.busy_share),
        ];
        let mut faults: Vec<String> = shares
            .iter()
            .filter(|(_, v)| !(0.0..=1.0 + 1e-9).contains(v))
            .map(|(k, v)| format!("{k}: {v} is not between 0 and 1"))
            .collect();
        if !(self.speed > 0.0 && self.speed.is_finite()) {
            faults.push(format!("speed: {} is not above 0", self.speed));
        }
        for (key, empty) in [
            ("access_key_id, access_key_secret", self.access_key_id.is_empty() || self.access_key_secret.is_empty()),
            ("tencent.secret_id, secret_key", self.tencent.secret_id.is_empty() || self.tencent.secret_key.is_empty()),
            ("huawei.app_key, app_secret", self.huawei.app_key.is_empty() || self.huawei.app_secret.is_empty()),
            ("twilio.account_sid, auth_token", self.twilio.account_sid.is_empty() || self.twilio.auth_token.is_empty()),
        ] {
            if empty {
                faults.push(format!("{key}: must not be empty"));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_from_toml_and_faults_are_named() {
        let s: StandinSettings =
            toml::from_str("speed = 60.0\n[behaviour]\nseed = 7\nlost_share = 0.1\n[behaviour.receipts]\ndelay = '1s'").unwrap();
        assert_eq!(s.faults(), Vec::<String>::new());
        assert_eq!(s.scaled(Span::mins(1)), Duration::from_secs(1));
        assert!(toml::from_str::<StandinSettings>("sped = 1").is_err());
        let bad = StandinSettings { speed: 0.0, behaviour: Behaviour { lost_share: 2.0, ..Behaviour::default() }, ..s };
        assert_eq!(bad.faults().len(), 2);
        let lively = StandinSettings { people: People::lively(), ..StandinSettings::default() };
        assert!(lively.faults().is_empty());
    }
}
