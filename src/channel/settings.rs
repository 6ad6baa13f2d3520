//! `[provider.NAME]` tables of the configuration → providers. The one list of kinds.

use super::{Provider, Secret, WallClock, email, generic, im, sms, voice};
use crate::core::send::Channel;
use std::sync::Arc;

/// One provider account as configured.
#[derive(Clone, Debug, PartialEq)]
pub enum ProviderSettings {
    AliyunSms(sms::aliyun::Settings),
    AliyunVoice(voice::aliyun::Settings),
    TencentSms(sms::tencent::Settings),
    TencentVoice(voice::tencent::Settings),
    HuaweiSms(sms::huawei::Settings),
    TwilioSms(sms::twilio::Settings),
    TwilioVoice(voice::twilio::Settings),
    Email(email::Settings),
    GenericSms(generic::Settings),
    GenericVoice(generic::Settings),
    SmppSms(sms::smpp::Settings),
    DingtalkRobot(im::dingtalk::Settings),
    WecomRobot(im::wecom::Settings),
    FeishuRobot(im::feishu::Settings),
}

/// The values of `kind`.
pub const KINDS: [&str; 14] = [
    "aliyun_sms",
    "aliyun_voice",
    "tencent_sms",
    "tencent_voice",
    "huawei_sms",
    "twilio_sms",
    "twilio_voice",
    "email",
    "generic_sms",
    "generic_voice",
    "smpp_sms",
    "dingtalk_robot",
    "wecom_robot",
    "feishu_robot",
];

impl ProviderSettings {
    /// Reads one table (secrets already resolved to text). `Err` names every fault as `key: reason`.
    pub fn from_table(account: &str, mut table: toml::Table) -> Result<ProviderSettings, Vec<String>> {
        let kind = match table.remove("kind") {
            Some(toml::Value::String(kind)) => kind,
            _ => return Err(vec![format!("kind: is missing; it is one of {}", KINDS.join(", "))]),
        };
        if account.is_empty() || !account.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Err(vec![format!("`{account}`: an account's name may hold only letters, digits, - and _: it stands in a URL path")]);
        }
        // What concerns the choice among accounts is the gateway's, not the adapter's.
        table.remove("weight");
        table.insert("account".into(), toml::Value::String(account.into()));
        let value = toml::Value::Table(table);
        let read = match kind.as_str() {
            "aliyun_sms" => value.try_into().map(ProviderSettings::AliyunSms),
            "aliyun_voice" => value.try_into().map(ProviderSettings::AliyunVoice),
            "tencent_sms" => value.try_into().map(ProviderSettings::TencentSms),
            "tencent_voice" => value.try_into().map(ProviderSettings::TencentVoice),
            "huawei_sms" => value.try_into().map(ProviderSettings::HuaweiSms),
            "twilio_sms" => value.try_into().map(ProviderSettings::TwilioSms),
            "twilio_voice" => value.try_into().map(ProviderSettings::TwilioVoice),
            "email" => value.try_into().map(ProviderSettings::Email),
            "generic_sms" => value.try_into().map(ProviderSettings::GenericSms),
            "generic_voice" => value.try_into().map(ProviderSettings::GenericVoice),
            "smpp_sms" => value.try_into().map(ProviderSettings::SmppSms),
            "dingtalk_robot" => value.try_into().map(ProviderSettings::DingtalkRobot),
            "wecom_robot" => value.try_into().map(ProviderSettings::WecomRobot),
            "feishu_robot" => value.try_into().map(ProviderSettings::FeishuRobot),
            other => return Err(vec![format!("kind: `{other}` is not known; it is one of {}", KINDS.join(", "))]),
        };
        let settings = read.map_err(|e: toml::de::Error| vec![e.message().to_string()])?;
        let faults = settings.faults();
        if faults.is_empty() { Ok(settings) } else { Err(faults) }
    }

    pub fn account(&self) -> &str {
        match self {
            ProviderSettings::AliyunSms(s) => &s.account,
            ProviderSettings::AliyunVoice(s) => &s.account,
            ProviderSettings::TencentSms(s) => &s.account,
            ProviderSettings::TencentVoice(s) => &s.account,
            ProviderSettings::HuaweiSms(s) => &s.account,
            ProviderSettings::TwilioSms(s) => &s.account,
            ProviderSettings::TwilioVoice(s) => &s.account,
            ProviderSettings::Email(s) => &s.account,
            ProviderSettings::GenericSms(s) | ProviderSettings::GenericVoice(s) => &s.account,
            ProviderSettings::SmppSms(s) => &s.account,
            ProviderSettings::DingtalkRobot(s) => &s.account,
            ProviderSettings::WecomRobot(s) => &s.account,
            ProviderSettings::FeishuRobot(s) => &s.account,
        }
    }

    /// The secret of `/callbacks/{account}/{secret}`; none where no callbacks come (e-mail, robots).
    pub fn callback_secret(&self) -> Option<&Secret> {
        match self {
            ProviderSettings::AliyunSms(s) => Some(&s.callback_secret),
            ProviderSettings::AliyunVoice(s) => Some(&s.callback_secret),
            ProviderSettings::TencentSms(s) => Some(&s.callback_secret),
            ProviderSettings::TencentVoice(s) => Some(&s.callback_secret),
            ProviderSettings::HuaweiSms(s) => Some(&s.callback_secret),
            ProviderSettings::TwilioSms(s) => Some(&s.callback_secret),
            ProviderSettings::TwilioVoice(s) => Some(&s.callback_secret),
            ProviderSettings::Email(_) | ProviderSettings::SmppSms(_) => None,
            ProviderSettings::DingtalkRobot(_) | ProviderSettings::WecomRobot(_) | ProviderSettings::FeishuRobot(_) => None,
            ProviderSettings::GenericSms(s) | ProviderSettings::GenericVoice(s) => Some(&s.callback_secret),
        }
    }

    /// The same account reached by `public_url` where its table names none: for providers that are told,
    /// request by request, where to call back.
    pub fn reached_by(mut self, public_url: &str) -> ProviderSettings {
        let own = match &mut self {
            ProviderSettings::HuaweiSms(s) => &mut s.public_url,
            ProviderSettings::TwilioSms(s) => &mut s.public_url,
            ProviderSettings::TwilioVoice(s) => &mut s.public_url,
            ProviderSettings::GenericSms(s) | ProviderSettings::GenericVoice(s) => &mut s.public_url,
            _ => return self,
        };
        if own.is_empty() {
            *own = public_url.to_string();
        }
        self
    }

    /// Everything wrong with these settings, as `key: reason`.
    pub fn faults(&self) -> Vec<String> {
        match self {
            ProviderSettings::AliyunSms(s) => s.faults(),
            ProviderSettings::AliyunVoice(s) => s.faults(),
            ProviderSettings::TencentSms(s) => s.faults(),
            ProviderSettings::TencentVoice(s) => s.faults(),
            ProviderSettings::HuaweiSms(s) => s.faults(),
            ProviderSettings::TwilioSms(s) => s.faults(),
            ProviderSettings::TwilioVoice(s) => s.faults(),
            ProviderSettings::Email(s) => s.faults(),
            ProviderSettings::GenericSms(s) => s.faults(Channel::Sms),
            ProviderSettings::GenericVoice(s) => s.faults(Channel::Voice),
            ProviderSettings::SmppSms(s) => s.faults(),
            ProviderSettings::DingtalkRobot(s) => s.faults(),
            ProviderSettings::WecomRobot(s) => s.faults(),
            ProviderSettings::FeishuRobot(s) => s.faults(),
        }
    }

    /// The ready provider. `clock` gives milliseconds since 1970, only for what is written into
    /// requests (`x-acs-date`, the date of a mail).
    pub fn provider(self, client: reqwest::Client, clock: WallClock) -> Result<Arc<dyn Provider>, String> {
        Ok(match self {
            ProviderSettings::AliyunSms(s) => Arc::new(sms::aliyun::AliyunSms::new(s, client, clock)?),
            ProviderSettings::AliyunVoice(s) => Arc::new(voice::aliyun::AliyunVoice::new(s, client, clock)?),
            ProviderSettings::TencentSms(s) => Arc::new(sms::tencent::TencentSms::new(s, client, clock)?),
            ProviderSettings::TencentVoice(s) => Arc::new(voice::tencent::TencentVoice::new(s, client, clock)?),
            ProviderSettings::HuaweiSms(s) => Arc::new(sms::huawei::HuaweiSms::new(s, client, clock)?),
            ProviderSettings::TwilioSms(s) => Arc::new(sms::twilio::TwilioSms::new(s, client, clock)?),
            ProviderSettings::TwilioVoice(s) => Arc::new(voice::twilio::TwilioVoice::new(s, client, clock)?),
            ProviderSettings::Email(s) => Arc::new(email::Email::new(s, clock)?),
            ProviderSettings::GenericSms(s) => Arc::new(generic::Generic::new(s, Channel::Sms, client, clock)?),
            ProviderSettings::GenericVoice(s) => Arc::new(generic::Generic::new(s, Channel::Voice, client, clock)?),
            ProviderSettings::SmppSms(s) => Arc::new(sms::smpp::Smpp::new(s)?),
            ProviderSettings::DingtalkRobot(s) => Arc::new(im::dingtalk::DingtalkRobot::new(s, client, clock)?),
            ProviderSettings::WecomRobot(s) => Arc::new(im::wecom::WecomRobot::new(s, client)?),
            ProviderSettings::FeishuRobot(s) => Arc::new(im::feishu::FeishuRobot::new(s, client, clock)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Span;

    fn table(text: &str) -> toml::Table {
        text.parse().unwrap()
    }
    const SMS: &str = r#"
        kind = "aliyun_sms"
        access_key_id = "ak"
        access_key_secret = "sk-that-nobody-may-see"
        sign_name = "某某应急"
        callback_secret = "00112233445566778899aabbccddeeff"
        [limits]
        per_second = 100
        [templates.callout]
        code = "SMS_1"
        variables.level = { max = 4 }
    "#;

    #[test]
    fn a_table_is_read_with_the_providers_documented_limits_as_defaults() {
        let s = ProviderSettings::from_table("sms-main", table(SMS)).unwrap();
        assert_eq!(s.account(), "sms-main");
        let ProviderSettings::AliyunSms(s) = s else { panic!("{s:?}") };
        assert_eq!((s.limits.per_second, s.limits.in_flight), (100, 256));
        assert_eq!(s.limits.per_callee[0].window, Span::hours(24));
        assert_eq!(s.endpoint, "https://dysmsapi.aliyuncs.com");
        assert!(!format!("{s:?}").contains("nobody-may-see"));
    }

    #[test]
    fn a_misspelt_key_a_missing_one_and_an_unknown_kind_are_named() {
        let fault = |text: &str| ProviderSettings::from_table("a", table(text)).unwrap_err().join("\n");
        assert!(fault(&SMS.replace("sign_name", "sign_nmae")).contains("sign_nmae"));
        assert!(fault(&SMS.replace("per_second", "per_secnd")).contains("per_secnd"));
        assert!(fault(&SMS.replace("access_key_id = \"ak\"", "")).contains("access_key_id"));
        assert!(fault(&SMS.replace("aliyun_sms", "pigeon")).contains("pigeon"));
        assert!(fault(&SMS.replace("某某应急", "【某某应急】")).contains("sign_name"));
        assert!(ProviderSettings::from_table("a/b", table(SMS)).is_err());
    }
}
