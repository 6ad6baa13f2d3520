//! The wordings of messages against what each account had approved: which of them it would refuse, and which of the
//! approved ones no file makes.

use crate::{
    channel::{Message, MessageKind, Provider},
    config::Config,
    core::{
        message::{capacity, units},
        send::Channel,
    },
    render::Renderer,
};

/// Everything that does not fit between the templates and this account, each at its key.
pub(super) fn faults(config: &Config, renderer: &Renderer, p: &dyn Provider) -> Vec<String> {
    let known = |kind, drill, variant: &str| p.knows_wording(kind, drill, variant, None);
    let key = format!("provider.{}.templates", p.account());
    let refused = renderer.check_against(p.channel(), &known, &|m| p.check_message(m));
    let mut all: Vec<String> = refused.into_iter().map(|f| config.fault(&key, f.to_string()).to_string()).collect();
    all.extend(strange_variants(config, renderer, p));
    all.extend(longer_signature(config, p));
    if let Some(robot) = p.robot() {
        let key = format!("provider.{}", p.account());
        let mut refused = renderer.check_digests(robot.longest, &|m| p.check_message(m));
        // What calls everybody up may hold less; that it is made to fit is all there is to see.
        refused.extend(renderer.check_digests(robot.longest_at_all, &|_| Ok(())));
        all.extend(refused.into_iter().map(|f| config.fault(&key, f.to_string()).to_string()));
    }
    all
}

/// Messages are cut to `messages.segments` SMS by `messages.signature`; one that this account signs at greater length
/// would be an SMS more than was meant, or be refused at night.
fn longer_signature(config: &Config, p: &dyn Provider) -> Option<String> {
    if p.channel() != Channel::Sms {
        return None;
    }
    let signed = units(&format!("【{}】", config.messages.signature));
    let most = usize::from(config.messages.segments);
    let full = Message {
        kind: MessageKind::Callout,
        variant: String::new(),
        drill: false,
        variables: Vec::new(),
        text: "雨".repeat(capacity(most).saturating_sub(signed)),
        subject: None,
        html: None,
    };
    let count = p.sms_count(&full);
    let what = format!(
        "is longer than messages.signature (【{}】), by which texts are cut to {most} SMS: one that fills them would be {count}; \
         write this account's signature there too, or the longest of all accounts'",
        config.messages.signature
    );
    (count > most).then(|| config.fault(&format!("provider.{}.sign_name", p.account()), what).to_string())
}

/// Approved wordings that no template file makes: misspelt, or a file that is gone.
fn strange_variants(config: &Config, renderer: &Renderer, p: &dyn Provider) -> Vec<String> {
    let mut out = Vec::new();
    for set in ["templates", "drill_templates"] {
        let kinds = config.providers.get(p.account()).and_then(|t| t.0.get(set)).and_then(toml::Value::as_table);
        for (kind, template) in kinds.into_iter().flatten() {
            let Some(known) = MessageKind::ALL.into_iter().find(|k| k.as_str() == kind) else { continue };
            // One with a link is made of the one without.
            let made = |v: &String| renderer.approved_wording(known, v, p.channel(), false).is_some();
            for variant in template.get("variants").and_then(toml::Value::as_table).into_iter().flat_map(|t| t.keys()).filter(|v| !made(v))
            {
                let key = format!("provider.{}.{set}.{kind}.variants", p.account());
                let file = format!("templates/message/{}/{kind}.{variant}.txt", p.channel());
                out.push(config.fault(&key, format!("`{variant}` would never be used: there is no {file}")).to_string());
            }
        }
    }
    out
}
