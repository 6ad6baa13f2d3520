//! Which of the approved wordings an account may send, and what is told of its filings.

use super::{
    kit::{ask, phone},
    others_kit::{account_of, table},
};
use jiaoying::{
    app,
    channel::{Day, FilingState, MessageKind, Provider},
    config::{Config, Environment},
    core::time::Time,
};
use std::sync::Arc;

const FILED: &str = r#"
[templates.callout]
code = "T1"
filing = "approved"
valid_until = "2027-06-30"
variables = { level = { max = 10 }, digit = { kind = "number", max = 1 } }
[templates.callout.variants."rainstorm.red"]
code = "T2"
filing = "approved"
valid_until = "2027-06-30"
variables = { digit = { kind = "number", max = 1 } }
[templates.callout.variants."landslide.red"]
code = "T3"
filing = "pending"
[templates.callout.variants."flood.red"]
code = "T4"
filing = "rejected"
[templates.callout.variants.link]
code = "T5"
[templates.end]
code = "T6"
filing = "rejected"
[drill_templates.callout]
code = "T7"
"#;

fn filed(kind: &str) -> Arc<dyn Provider> {
    let whole = table(kind, "http://127.0.0.1:1");
    let (head, _) = whole.split_once("[templates.callout]").unwrap();
    let sign = if kind.ends_with("sms") { "sign_filing = 'approved'\nsign_valid_until = '2026-12-10'\n" } else { "" };
    account_of(&format!("{head}{sign}{FILED}"), kind, "https://warning.example.org")
}

const KINDS: [&str; 5] = ["aliyun_sms", "tencent_sms", "huawei_sms", "aliyun_voice", "tencent_voice"];

#[test]
fn only_approved_wordings_are_known_and_real_ones_never_for_a_drill() {
    for kind in KINDS {
        let p = filed(kind);
        let known = |drill, variant| p.knows_wording(MessageKind::Callout, drill, variant, None);
        for (variant, want) in
            [("", true), ("rainstorm.red", true), ("landslide.red", false), ("flood.red", false), ("link", true), ("t-2h", false)]
        {
            assert_eq!(known(false, variant), want, "{kind} {variant}");
        }
        assert!(known(true, "") && !known(true, "rainstorm.red"), "{kind}");
        let on = |day: &str| Some(Day::of(Time::parse_rfc3339(&format!("{day}T08:00:00+08:00")).unwrap()));
        for (day, want) in [("2027-06-30", true), ("2027-07-01", false)] {
            assert_eq!(p.knows_wording(MessageKind::Callout, false, "rainstorm.red", on(day)), want, "{kind}: its filing ends on 06-30");
        }
    }
}

#[test]
fn an_account_of_free_text_may_send_any_wording_but_a_link_only_once_that_is_approved() {
    let twilio = |filing: &str| {
        account_of(&format!("{filing}\n{}", table("twilio_sms", "http://127.0.0.1:1")), "twilio_sms", "https://warning.example.org")
    };
    let smpp = |filing: &str| super::smpp::account("127.0.0.1:1", filing);
    let generic = |filing: &str| super::generic::free(filing);
    type With<'a> = &'a dyn Fn(&str) -> Arc<dyn Provider>;
    let all: [With<'_>; 3] = [&twilio, &smpp, &generic];
    for with in all {
        let knows = |p: &Arc<dyn Provider>, variant| p.knows_wording(MessageKind::Callout, true, variant, None);
        let silent = with("");
        assert!(knows(&silent, "rainstorm.red") && !knows(&silent, "link") && !knows(&silent, "rainstorm.red.link"));
        let asked = with("link_filing = 'pending'\nlink_valid_until = '2026-12-10'");
        assert!(!knows(&asked, "rainstorm.red.link"));
        assert!(asked.filings().iter().any(|f| f.what == "应答链接" && f.state == FilingState::Pending));
        assert!(knows(&with("link_filing = 'approved'"), "rainstorm.red.link"));
    }
}

#[test]
fn a_wording_has_a_code_and_variables_of_its_own_and_a_rejected_template_is_not_sent() {
    for kind in KINDS {
        let p = filed(kind);
        let mut m = ask(phone(1), "r").message;
        assert_eq!(p.check_message(&m), Ok(()), "{kind}");
        m.variant = "rainstorm.red".into();
        assert!(p.check_message(&m).unwrap_err().contains("`level` is not a variable of template T2"), "{kind}");
        m.variables.retain(|(name, _)| name == "digit");
        assert_eq!(p.check_message(&m), Ok(()), "{kind}");
        m.variant = "t-2h".into();
        assert!(p.check_message(&m).unwrap_err().contains("templates.callout.variants.\"t-2h\""), "{kind}");
        m.kind = MessageKind::End;
        m.variant.clear();
        assert!(p.check_message(&m).unwrap_err().contains("rejected"), "{kind}");
    }
}

#[test]
fn every_filing_is_shown_and_what_needs_somebody_is_told() {
    let today = Day::of(Time::parse_rfc3339("2026-11-24T08:00:00+08:00").unwrap());
    for kind in KINDS {
        let filings = filed(kind).filings();
        let told: Vec<String> = filings.iter().filter_map(|f| f.concern(today)).collect();
        let has = |words: &[&str]| told.iter().any(|t| words.iter().all(|w| t.contains(w)));
        assert!(has(&["模板 callout.landslide.red（T3）", "待审核"]), "{kind}: {told:?}");
        assert!(has(&["模板 end（T6）", "被驳回"]), "{kind}: {told:?}");
        assert!(has(&["演练模板 callout（T7）", "未填写"]), "{kind}: {told:?}");
        assert!(!has(&["rainstorm.red"]) && !has(&["（T1）"]), "{kind}: {told:?}");
        if kind == "aliyun_sms" {
            assert!(has(&["签名【某某应急】", "2026-12-10", "还有 16 天"]), "{told:?}");
        }
        let shown: Vec<String> = filings.iter().map(|f| format!("{} {}", f.what, f.standing())).collect();
        assert!(shown.contains(&"模板 callout（T1） 已通过，有效期至 2027-06-30".to_string()), "{kind}: {shown:?}");
    }
}

#[test]
fn an_account_that_signs_at_greater_length_than_texts_are_measured_by_is_a_fault() {
    let told = |signature: &str, messages: &str, kind: &str| {
        let account = table(kind, "http://127.0.0.1:1").replace("[templates", &format!("[provider.{kind}.templates"));
        let text = format!("[messages]\nsignature = '{signature}'\n{messages}\n[provider.{kind}]\n{account}");
        let config = Config::from_text("jiaoying.toml", &text, &Environment::default()).unwrap();
        app::faults(&config).into_iter().find(|f| f.contains("is longer than messages.signature"))
    };
    for kind in ["aliyun_sms", "tencent_sms", "huawei_sms"] {
        for messages in ["", "segments = 2"] {
            let fault = told("应急", messages, kind).unwrap_or_else(|| panic!("{kind} {messages}"));
            assert!(fault.starts_with("jiaoying.toml:") && fault.contains(&format!("provider.{kind}.sign_name")), "{fault}");
            assert_eq!(told("某某应急", messages, kind), None, "{kind} {messages}");
            assert_eq!(told("某某应急管理局", messages, kind), None, "{kind} {messages}: shorter costs nothing");
        }
    }
    assert_eq!(told("应急", "", "aliyun_voice"), None, "a call bears no signature");
}

#[tokio::test]
async fn the_gateway_tells_what_nobody_has_written_down_one_line_an_account() {
    let g = super::others_next::Gateway::start(&["aliyun_sms", "twilio_sms", "tencent_voice"]).await;
    let told = g.engine.filing_concerns();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("aliyun_sms：") && told[0].ends_with("项签名或模板未填写报备状态"), "{told:?}");
    assert!(told[1].starts_with("tencent_voice："), "{told:?}");
}

#[tokio::test]
async fn a_red_rainstorm_goes_out_in_its_own_wording_and_in_the_common_one_where_that_was_declared_wrongly_or_not_approved() {
    let digits = "digit = { kind = 'number', max = 2 }, minutes = { kind = 'number', max = 5 }, places = { max = 35 }, what = { max = 35 }";
    for (filing, variables, want) in
        [("approved", digits, "OWN"), ("approved", "pigeons = { max = 3 }", "T"), ("pending", digits, "T"), ("rejected", digits, "T")]
    {
        let own = format!("code = 'OWN'\nfiling = '{filing}'\nvariables = {{ {variables} }}");
        let mut g = super::others_next::Gateway::start_with(&["aliyun_sms"], |t| {
            let variant: toml::Table = own.parse().unwrap();
            let variants = toml::Table::from_iter([("rainstorm.red".to_string(), variant.into())]);
            t["templates"]["callout"].as_table_mut().unwrap().insert("variants".into(), variants.into());
        })
        .await;
        g.warn().await;
        g.run(false).await;
        let sent = g._standin.sent();
        assert!(!sent.is_empty() && sent.iter().all(|s| &*s.template == want), "{filing} {variables}: {:?}", sent.first());
    }
}
