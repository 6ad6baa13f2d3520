//! Every template rendered with samples and looked at as a provider and a carrier would: what is too
//! long, unmarked, forbidden or never said. Run by `jiaoying check` and by a test.

use super::{DRILL_MARK, DRILL_SPOKEN, RenderOptions, Renderer, VOICE_KINDS, plain::Template, sample::samples, variables::Variable};
use crate::{
    channel::{Message, MessageKind},
    core::{
        message::{MessageFacts, segments, units},
        send::Channel,
    },
};
use std::fmt;

/// A fault in a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFault {
    /// Below `templates/message/`, such as `sms/callout.txt`.
    pub file: String,
    pub message: String,
}
impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.message)
    }
}

/// Providers refuse longer templates, variables included.
const LONGEST_TEMPLATE: usize = 500;
/// All variables of one call together.
const LONGEST_VOICE_VARIABLES: usize = 250;
/// Signs that carriers refuse in templates.
const FORBIDDEN: &str = "【】①②③④⑤★☆→←↑↓●○◆■※";

/// Reads, parses and tries every template; an empty list means that all can be sent.
pub fn check_templates(options: &RenderOptions) -> Vec<TemplateFault> {
    match Renderer::new(options.clone()) {
        Ok(r) => r.check(),
        Err(faults) => faults,
    }
}

impl Renderer {
    /// Tries every template with sample facts.
    pub fn check(&self) -> Vec<TemplateFault> {
        let mut out = Vec::new();
        for kind in MessageKind::ALL {
            self.check_kind(kind, Channel::Sms, &mut out);
            self.check_kind(kind, Channel::Email, &mut out);
            if VOICE_KINDS.contains(&kind) {
                self.check_kind(kind, Channel::Voice, &mut out);
            }
        }
        out
    }

    fn check_kind(&self, kind: MessageKind, channel: Channel, out: &mut Vec<TemplateFault>) {
        let file = match channel {
            Channel::Email => format!("email/{}.txt", kind.as_str()),
            c => format!("{c}/{}.txt", kind.as_str()),
        };
        let mut fault = |message: String| {
            let f = TemplateFault { file: file.clone(), message };
            if !out.contains(&f) {
                out.push(f);
            }
        };
        if let Some(template) = match channel {
            Channel::Voice => self.voice.get(&kind),
            Channel::Sms => self.sms.get(&kind),
            _ => None,
        } {
            check_source(template, kind, &mut fault);
        }
        for (name, facts) in samples() {
            match self.render(kind, channel, &facts) {
                Err(e) => fault(format!("with the {name} sample: {e}")),
                Ok(message) => match channel {
                    Channel::Sms | Channel::Im => self.check_sms(name, &facts, &message, &mut fault),
                    Channel::Voice => check_voice(name, &facts, &message, &mut fault),
                    Channel::Email => check_email(name, &facts, &message, &mut fault),
                },
            }
        }
    }

    fn check_sms(&self, name: &str, facts: &MessageFacts, message: &Message, fault: &mut dyn FnMut(String)) {
        let whole = format!("【{}】{}", self.options.signature, message.text);
        let cost = segments(&whole);
        let may = self.options.segments.max(1);
        if cost.count > may {
            fault(format!("with the {name} sample it costs {} SMS ({} characters), allowed are {may}", cost.count, cost.units));
        }
        for (variable, value) in &message.variables {
            let max = Variable::parse(variable).and_then(|v| self.sms_declared.get(&v)).map_or(0, |d| d.max);
            if value.is_empty() || units(value) > max {
                fault(format!("with the {name} sample `{variable}` has {} characters, declared are 1 to {max}", units(value)));
            }
        }
        if facts.drill && !message.text.starts_with(DRILL_MARK) {
            fault(format!("a drill does not begin with {DRILL_MARK}"));
        }
    }
}

fn check_source(template: &Template, kind: MessageKind, fault: &mut dyn FnMut(String)) {
    if let Some(c) = template.source.chars().find(|c| FORBIDDEN.contains(*c)) {
        fault(format!("`{c}` is not allowed in a template (the signature is added by the provider)"));
    }
    if units(&template.source) > LONGEST_TEMPLATE {
        fault(format!("{} characters; providers accept {LONGEST_TEMPLATE}", units(&template.source)));
    }
    let asks = matches!(kind, MessageKind::Callout | MessageKind::Chase | MessageKind::Deputy | MessageKind::Takeover);
    if asks && !template.variables().any(|v| v == Variable::Digit) {
        fault("it asks for an answer without saying which: `${digit}` is missing".into());
    }
    if kind == MessageKind::Which && !template.variables().any(|v| v == Variable::Options) {
        fault("`${options}` is missing: nobody could tell the asks apart".into());
    }
}

fn check_voice(name: &str, facts: &MessageFacts, message: &Message, fault: &mut dyn FnMut(String)) {
    let long: usize = message.variables.iter().map(|(_, v)| units(v)).sum();
    if long > LONGEST_VOICE_VARIABLES {
        fault(format!("with the {name} sample the variables have {long} characters together, allowed are {LONGEST_VOICE_VARIABLES}"));
    }
    if let Some((variable, _)) = message.variables.iter().find(|(_, v)| v.is_empty()) {
        fault(format!("with the {name} sample `{variable}` is empty"));
    }
    if message.text.chars().any(|c| c.is_ascii_digit()) {
        fault(format!("with the {name} sample digits are left that nobody can speak: {}", message.text));
    }
    if facts.drill && !(message.text.starts_with(DRILL_SPOKEN) && message.text.ends_with(DRILL_SPOKEN)) {
        fault(format!("a drill does not say {DRILL_SPOKEN} at both ends"));
    }
}

fn check_email(name: &str, facts: &MessageFacts, message: &Message, fault: &mut dyn FnMut(String)) {
    let subject = message.subject.as_deref().unwrap_or_default();
    let html = message.html.as_deref().unwrap_or_default();
    if subject.is_empty() || message.text.trim().is_empty() || html.trim().is_empty() {
        fault(format!("with the {name} sample the subject, the text or the HTML is empty"));
    }
    if let Some(link) = &facts.link {
        // Slashes are escaped in HTML.
        let token = link.rsplit('/').next().unwrap_or(link);
        if !message.text.contains(link.as_str()) || !html.contains(token) {
            fault(format!("with the {name} sample the link is missing"));
        }
    }
    if facts.drill && !(subject.contains(DRILL_MARK) && message.text.contains(DRILL_MARK) && html.contains(DRILL_MARK)) {
        fault(format!("a drill is not marked {DRILL_MARK} in subject, text and HTML"));
    }
}
