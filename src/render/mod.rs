//! Message texts: facts in, what goes out on a channel. Templates are embedded in the program and may
//! be overridden file by file from a directory; all are parsed once, at start, where their faults are told.
//!
//! * Which wording a message takes, by hazard, level and stage: [`wording`], one rule for all channels.
//! * SMS and voice: `${name}` placeholders, as providers approve them ([`plain`]); numbers are made
//!   speakable for voice; SMS is kept within its segments.
//! * E-mail: subject, text and HTML with the link ([`email`]).
//! * Groups: a digest in markdown, a section a warning ([`digest`]).
//! * A drill is marked in every message: `[演练]`, spoken 「这是演练」.
//!
//! Nothing here decides whom to write to, or sends.

pub mod check;
mod digest;
mod email;
mod load;
mod plain;
mod sample;
mod variables;
pub mod wording;

pub use check::{TemplateCost, TemplateFault, check_templates};
pub use digest::DRILL_GROUP;

use crate::{
    channel::{Message, MessageKind, VariableRule, filing::WITH_LINK},
    core::{
        digest::Section,
        message::{MessageFacts, segments, units},
        send::Channel,
    },
};
use email::Emails;
use load::Loader;
use plain::{Declarations, Template};
use std::{collections::BTreeMap, path::PathBuf};
use variables::Variable;
use wording::{Wording, Wordings};

/// The mark of a drill in texts; part of the drill's own approved template.
pub const DRILL_MARK: &str = "[演练]";
/// The same, spoken at the beginning and at the end.
pub const DRILL_SPOKEN: &str = "这是演练。";

/// Which kinds have a voice script: those that ask for an answer, what a landline can only be told by a call, and the
/// test of the line.
pub const VOICE_KINDS: [MessageKind; 7] = [
    MessageKind::Callout,
    MessageKind::Deputy,
    MessageKind::Takeover,
    MessageKind::End,
    MessageKind::Decide,
    MessageKind::Return,
    MessageKind::Canary,
];

/// How messages are made here.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderOptions {
    /// A directory whose files (`sms/callout.txt` …) replace the embedded ones.
    pub dir: Option<PathBuf>,
    /// The approved signature without its brackets, such as `晋城应急`; also who speaks on the phone.
    pub signature: String,
    /// How many SMS one message may cost; variable parts are shortened to stay within. At least 1.
    pub segments: usize,
    /// Whether an SMS may carry the link: where its provider has approved the wording with it (the variant `link`, or one
    /// that ends in `.link`), and the message costs no more than without. Carriers want every link filed, so by default
    /// none does and people answer by their reply alone.
    pub sms_link: bool,
}
impl Default for RenderOptions {
    fn default() -> Self {
        RenderOptions { dir: None, signature: "应急叫应".into(), segments: 1, sms_link: false }
    }
}

/// Why a message could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    #[error("there is no {channel} template for `{}`", kind.as_str())]
    NoTemplate { kind: MessageKind, channel: Channel },
    #[error("the e-mail template for `{}` failed: {detail}", kind.as_str())]
    Email { kind: MessageKind, detail: String },
}

/// The name of a wording with the link behind it.
fn with_link(variant: &str) -> String {
    if variant.is_empty() { WITH_LINK.to_string() } else { format!("{variant}.{WITH_LINK}") }
}

/// All templates, parsed.
#[derive(Debug)]
pub struct Renderer {
    options: RenderOptions,
    sms: Wordings<Template>,
    sms_declared: Declarations,
    voice: Wordings<Template>,
    voice_declared: Declarations,
    emails: Emails,
    mail_text: Wordings<()>,
    mail_html: Wordings<()>,
    digests: digest::Digests,
    /// UTF-16 units of the signature with its brackets.
    signature_units: usize,
}

impl Renderer {
    /// Reads and parses every template. All faults of all files, or the renderer.
    pub fn new(options: RenderOptions) -> Result<Renderer, Vec<TemplateFault>> {
        let mut load = Loader::new(&options);
        let sms_declared = load.declarations("sms/variables.toml");
        let sms = load.plain("sms", &MessageKind::ALL, &sms_declared);
        let voice_declared = load.declarations("voice/variables.toml");
        let voice = load.plain("voice", &VOICE_KINDS, &voice_declared);
        let (emails, mail_text, mail_html) = load.emails();
        let digests = digest::Digests::load(&mut load);
        if !load.faults.is_empty() {
            return Err(load.faults);
        }
        let signature_units = units(&options.signature) + 2;
        Ok(Renderer { options, sms, sms_declared, voice, voice_declared, emails, mail_text, mail_html, digests, signature_units })
    }

    /// Makes one message in the wording that fits best, for a provider that may send any.
    pub fn render(&self, kind: MessageKind, channel: Channel, facts: &MessageFacts) -> Result<Message, RenderError> {
        self.render_known(kind, channel, facts, &|_| true)
    }

    /// Makes one message in the best wording that fits and that is `known`, asked by the variant's name; the wording that
    /// fits all is never asked for. IM uses the SMS wording, without its budget.
    pub fn render_known(
        &self,
        kind: MessageKind,
        channel: Channel,
        facts: &MessageFacts,
        known: &dyn Fn(&str) -> bool,
    ) -> Result<Message, RenderError> {
        let none = RenderError::NoTemplate { kind, channel };
        match channel {
            Channel::Sms => {
                let (wording, template) = self.sms.fitting(kind, facts, known).into_iter().next().ok_or(none)?;
                let plain = self.sms(wording, channel, facts, template);
                Ok(self.linked(&plain, facts, known).unwrap_or(plain))
            }
            Channel::Im => {
                let (wording, template) = self.sms.fitting(kind, facts, known).into_iter().next().ok_or(none)?;
                let plain = self.sms(wording, channel, facts, template);
                Ok(facts.link.as_deref().map_or_else(|| plain.clone(), |link| append(&plain, link)))
            }
            Channel::Voice => {
                let (wording, template) = self.voice.fitting(kind, facts, known).into_iter().next().ok_or(none)?;
                Ok(self.voice(wording, facts, template))
            }
            Channel::Email => {
                // Nobody approves mail: any wording that fits.
                let best = |list: &Wordings<()>| list.fitting(kind, facts, &|_| true).into_iter().next().map(|(w, ())| w.clone());
                let (text, html) = best(&self.mail_text).zip(best(&self.mail_html)).ok_or(none)?;
                self.mail(&text, &html, facts)
            }
        }
    }

    /// A group's message: as many sections as fit into `longest` bytes, at least one, and how many those are. All of them are
    /// drills or none is.
    ///
    /// # Errors
    /// A template that fails, by its file.
    pub fn digest(&self, sections: &[Section], longest: usize) -> Result<(Message, usize), TemplateFault> {
        self.digests.render(sections, longest)
    }

    /// The text to be filed with a provider for approval; `None` where the kind is not spoken.
    pub fn approved_text(&self, kind: MessageKind, channel: Channel, drill: bool) -> Option<String> {
        self.approved_wording(kind, "", channel, drill)
    }

    /// The same for one variant.
    pub fn approved_wording(&self, kind: MessageKind, variant: &str, channel: Channel, drill: bool) -> Option<String> {
        let (template, linked) = self.template(kind, variant, channel)?;
        let link = if linked { " ${link}" } else { "" };
        Some(match (channel, drill) {
            (Channel::Voice, true) => format!("{DRILL_SPOKEN}{}{DRILL_SPOKEN}", template.source),
            (_, true) => format!("{DRILL_MARK}{}{link}", template.source),
            _ => format!("{}{link}", template.source),
        })
    }

    /// What to declare with a provider for this kind's variables; empty where it is not spoken.
    pub fn provider_variables(&self, kind: MessageKind, channel: Channel) -> BTreeMap<String, VariableRule> {
        self.wording_variables(kind, "", channel)
    }

    /// The same for one variant.
    pub fn wording_variables(&self, kind: MessageKind, variant: &str, channel: Channel) -> BTreeMap<String, VariableRule> {
        let Some((template, linked)) = self.template(kind, variant, channel) else { return BTreeMap::new() };
        let declared = if channel == Channel::Voice { &self.voice_declared } else { &self.sms_declared };
        let used = template.variables().chain(linked.then_some(Variable::Link));
        let rule = |v: Variable| declared.get(&v).map(|d| (v.name().to_string(), VariableRule { kind: d.kind.clone(), max: d.max }));
        used.filter_map(rule).collect()
    }

    /// The variants there are of a kind, beside the wording that fits all; those with a link only where SMS may carry one.
    pub fn variants(&self, kind: MessageKind, channel: Channel) -> Vec<String> {
        let list = match channel {
            Channel::Voice => &self.voice,
            Channel::Sms | Channel::Im => &self.sms,
            Channel::Email => return Vec::new(),
        };
        let all = list.0.iter().filter(|(w, _)| w.kind == kind).map(|(w, _)| w.variant.clone());
        let links = channel == Channel::Sms && self.options.sms_link;
        let linked = |v: String| if links { vec![with_link(&v), v] } else { vec![v] };
        all.flat_map(linked).filter(|v| !v.is_empty()).collect()
    }

    /// A wording by its name, and whether the link follows it.
    fn template(&self, kind: MessageKind, variant: &str, channel: Channel) -> Option<(&Template, bool)> {
        match channel {
            Channel::Voice => self.voice.named(kind, variant).map(|t| (t, false)),
            Channel::Sms | Channel::Im => match self.sms.named(kind, variant) {
                Some(t) => Some((t, false)),
                None => {
                    let base = variant.strip_suffix(WITH_LINK)?;
                    self.sms.named(kind, base.strip_suffix('.').unwrap_or(base)).map(|t| (t, true))
                }
            },
            Channel::Email => None,
        }
    }

    fn sms(&self, wording: &Wording, channel: Channel, facts: &MessageFacts, template: &Template) -> Message {
        let mark = if facts.drill { DRILL_MARK } else { "" };
        let around = self.signature_units + units(mark);
        let segments = if channel == Channel::Im { 8 } else { self.options.segments.max(1) };
        let value = |v: Variable, limit| v.written(facts, &self.options.signature, limit);
        let filled = template.fill(&self.sms_declared, segments, around, &value);
        let mut text = filled.text;
        if facts.drill {
            text.insert_str(0, mark);
        }
        message(wording, facts, filled.variables, text)
    }

    /// The message with its link, where one may be carried and it costs nothing.
    fn linked(&self, plain: &Message, facts: &MessageFacts, known: &dyn Fn(&str) -> bool) -> Option<Message> {
        let link = facts.link.as_deref().filter(|_| self.options.sms_link)?;
        if !known(&with_link(&plain.variant)) {
            return None;
        }
        let mut linked = append(plain, link);
        linked.variant = with_link(&plain.variant);
        let cost = |m: &Message| segments(&format!("【{}】{}", self.options.signature, m.text)).count;
        (cost(&linked) == cost(plain)).then_some(linked)
    }

    fn voice(&self, wording: &Wording, facts: &MessageFacts, template: &Template) -> Message {
        let value = |v: Variable, limit| v.spoken(facts, &self.options.signature, limit);
        let filled = template.fill(&self.voice_declared, VOICE_BUDGET, 0, &value);
        let text = if facts.drill { format!("{DRILL_SPOKEN}{}{DRILL_SPOKEN}", filled.text) } else { filled.text };
        message(wording, facts, filled.variables, text)
    }

    fn mail(&self, text: &Wording, html: &Wording, facts: &MessageFacts) -> Result<Message, RenderError> {
        let mail = self
            .emails
            .render(&text.stem(), &html.stem(), facts, &self.options.signature)
            .map_err(|detail| RenderError::Email { kind: text.kind, detail })?;
        let whole = message(text, facts, Vec::new(), mail.text);
        Ok(Message { subject: Some(mail.subject), html: Some(mail.html), ..whole })
    }
}

fn message(wording: &Wording, facts: &MessageFacts, variables: Vec<(String, String)>, text: String) -> Message {
    Message { kind: wording.kind, variant: wording.variant.clone(), drill: facts.drill, variables, text, subject: None, html: None }
}

/// The message with a link behind it, as one more variable.
fn append(plain: &Message, link: &str) -> Message {
    let mut m = plain.clone();
    m.text.push(' ');
    m.text.push_str(link);
    m.variables.push((Variable::Link.name().to_string(), link.to_string()));
    m
}

/// A call's script is kept within this many SMS lengths: 268 characters are about a minute of speech,
/// and nobody listens longer before pressing a key.
const VOICE_BUDGET: usize = 4;
