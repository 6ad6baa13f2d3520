//! Every template rendered with samples and looked at as a provider and a carrier would: what is too
//! long, unmarked, forbidden or never said. Run by `jiaoying check` and by a test.

use super::{
    DRILL_GROUP, DRILL_MARK, DRILL_SPOKEN, RenderOptions, Renderer,
    load::file_of,
    plain::Template,
    sample::{digest_samples, longest, samples, usual},
    variables::Variable,
    wording::Wording,
};
use crate::{
    channel::{Message, MessageKind},
    core::{
        message::{MessageFacts, segments, units},
        send::Channel,
        web_address,
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
/// Bytes of the shortest message that any robot takes.
const SHORTEST_DIGEST: usize = 2048;
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

/// What a template costs with a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateCost {
    /// Below `templates/message/`, such as `sms/callout.txt`.
    pub file: String,
    /// UTF-16 units with the signature, of the usual sample and of the longest.
    pub usual: usize,
    pub longest: usize,
    /// SMS of the longest.
    pub parts: usize,
}

impl Renderer {
    /// Tries every template with sample facts.
    pub fn check(&self) -> Vec<TemplateFault> {
        let mut out = Vec::new();
        for (w, t) in &self.sms.0 {
            let file = file_of("sms", w, ".txt");
            let mut fault = gather(&mut out, &file);
            check_source(t, w.kind, &mut fault);
            for (name, facts) in samples_for(w) {
                let plain = self.sms(w, Channel::Sms, &facts, t);
                self.check_sms(name, &facts, &plain, &mut fault);
                if let Some(linked) = self.linked(&plain, &facts, &|_| true) {
                    self.check_sms(name, &facts, &linked, &mut fault);
                }
            }
        }
        for (w, t) in &self.voice.0 {
            let file = file_of("voice", w, ".txt");
            let mut fault = gather(&mut out, &file);
            check_source(t, w.kind, &mut fault);
            for (name, facts) in samples_for(w) {
                check_voice(name, &facts, &self.voice(w, &facts, t), &mut fault);
            }
        }
        for (w, ()) in self.mail_text.0.iter().chain(&self.mail_html.0) {
            let file = file_of("email", w, ".txt");
            let mut fault = gather(&mut out, &file);
            for (name, facts) in samples_for(w) {
                match self.render(w.kind, Channel::Email, &facts) {
                    Err(e) => fault(format!("with the {name} sample: {e}")),
                    Ok(message) => check_email(name, &facts, &message, &mut fault),
                }
            }
        }
        // WeCom's text, which calls everybody up, is the shortest there is.
        out.extend(self.check_digests(SHORTEST_DIGEST, &|_| Ok(())));
        out
    }

    /// Every template of a group's digest, filled with samples, as a robot would take it that takes `longest` bytes.
    pub fn check_digests(&self, longest: usize, check: &dyn Fn(&Message) -> Result<(), String>) -> Vec<TemplateFault> {
        let mut out = Vec::new();
        for (name, section) in digest_samples() {
            let file = format!("im/{}.md", section.why.as_str());
            let mut fault = gather(&mut out, &file);
            let drill = section.drill;
            let many = vec![section; 12];
            for sections in [&many[..1], &many[..]] {
                match self.digest(sections, longest) {
                    Err(e) if e.file == file => fault(format!("with the {name} sample: {}", e.message)),
                    Err(e) => fault(e.to_string()),
                    Ok((m, used)) => {
                        let title = m.subject.as_deref().unwrap_or_default();
                        if m.text.len() > longest {
                            fault(format!("with the {name} sample it has {} bytes, allowed are {longest}", m.text.len()));
                        }
                        if m.text.is_empty() || title.is_empty() {
                            fault(format!("with the {name} sample the title or the text is empty"));
                        }
                        if drill && !(title.contains(DRILL_GROUP) && m.text.matches(DRILL_GROUP).count() >= used) {
                            fault(format!("a drill is not marked {DRILL_GROUP} in title and text"));
                        }
                        if let Err(why) = check(&m) {
                            fault(format!("with the {name} sample: {why}"));
                        }
                    }
                }
            }
        }
        out
    }

    /// Every wording that an account knows, filled with samples and shown to it: what it would refuse for its variables is
    /// found here and not in the night. `known` is asked by kind, drill and variant; a kind it has not at all is left out.
    pub fn check_against(
        &self,
        channel: Channel,
        known: &dyn Fn(MessageKind, bool, &str) -> bool,
        check: &dyn Fn(&Message) -> Result<(), String>,
    ) -> Vec<TemplateFault> {
        let (list, folder) = match channel {
            Channel::Sms => (&self.sms, "sms"),
            Channel::Voice => (&self.voice, "voice"),
            Channel::Im | Channel::Email => return Vec::new(),
        };
        let mut out = Vec::new();
        for (w, t) in &list.0 {
            let file = file_of(folder, w, ".txt");
            let mut fault = gather(&mut out, &file);
            for (name, facts) in samples_for(w) {
                if !known(w.kind, facts.drill, "") || !known(w.kind, facts.drill, &w.variant) {
                    continue;
                }
                let of_kind = |variant: &str| known(w.kind, facts.drill, variant);
                let plain = if folder == "sms" { self.sms(w, channel, &facts, t) } else { self.voice(w, &facts, t) };
                let linked = if folder == "sms" { self.linked(&plain, &facts, &of_kind) } else { None };
                for m in std::iter::once(plain).chain(linked) {
                    if let Err(why) = check(&m) {
                        fault(format!("with the {name} sample: {why}"));
                    }
                }
            }
        }
        out
    }

    /// What every SMS costs, the wordings with a link apart where they may be sent.
    pub fn costs(&self) -> Vec<TemplateCost> {
        let units_of = |m: &Message| segments(&format!("【{}】{}", self.options.signature, m.text));
        let of = |w: &Wording, facts: MessageFacts, t: &Template| units_of(&self.sms(w, Channel::Sms, &w.sample(facts), t));
        let cost = |(w, t): &(Wording, Template)| {
            let (usual, longest) = (of(w, usual(), t), of(w, longest(), t));
            TemplateCost { file: file_of("sms", w, ".txt"), usual: usual.units, longest: longest.units, parts: longest.count }
        };
        self.sms.0.iter().map(cost).collect()
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

/// Each fault of a file once.
fn gather<'a>(out: &'a mut Vec<TemplateFault>, file: &'a str) -> impl FnMut(String) + 'a {
    move |message| {
        let f = TemplateFault { file: file.to_string(), message };
        if !out.contains(&f) {
            out.push(f);
        }
    }
}

/// The samples, made such that this wording is for them.
fn samples_for(w: &Wording) -> impl Iterator<Item = (&'static str, MessageFacts)> + '_ {
    samples().into_iter().map(|(name, facts)| (name, w.sample(facts)))
}

fn check_source(template: &Template, kind: MessageKind, fault: &mut dyn FnMut(String)) {
    if web_address::holds(&template.source) {
        fault("it holds a link: carriers want each filed, and the answer page's own is put behind the text where it may be".into());
    }
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
