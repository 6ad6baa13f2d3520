//! Message texts: facts in, what goes out on a channel. Templates are embedded in the program and may
//! be overridden file by file from a directory; all are parsed once, at start, where their faults are told.
//!
//! * SMS and voice: `${name}` placeholders, as providers approve them ([`plain`]); numbers are made
//!   speakable for voice; SMS is kept within its segments.
//! * E-mail: subject, text and HTML with the link ([`email`]).
//! * A drill is marked in every message: `[演练]`, spoken 「这是演练」.
//!
//! Nothing here decides whom to write to, or sends.

pub mod check;
mod email;
mod plain;
mod sample;
mod variables;

pub use check::{TemplateFault, check_templates};

use crate::{
    channel::{Message, MessageKind, VariableRule},
    core::{
        message::{MessageFacts, units},
        send::Channel,
    },
};
use email::Emails;
use plain::{Declarations, Template};
use rust_embed::RustEmbed;
use std::{borrow::Cow, collections::BTreeMap, path::PathBuf};
use variables::{Declared, Variable};

/// The mark of a drill in texts; part of the drill's own approved template.
pub const DRILL_MARK: &str = "[演练]";
/// The same, spoken at the beginning and at the end.
pub const DRILL_SPOKEN: &str = "这是演练。";

/// Which kinds have a voice script: those that ask for an answer.
pub const VOICE_KINDS: [MessageKind; 5] =
    [MessageKind::Callout, MessageKind::Deputy, MessageKind::Takeover, MessageKind::End, MessageKind::Decide];

#[derive(RustEmbed)]
#[folder = "templates/message/"]
struct Embedded;

/// How messages are made here.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderOptions {
    /// A directory whose files (`sms/callout.txt` …) replace the embedded ones.
    pub dir: Option<PathBuf>,
    /// The approved signature without its brackets, such as `晋城应急`; also who speaks on the phone.
    pub signature: String,
    /// How many SMS one message may cost; variable parts are shortened to stay within. At least 1.
    pub segments: usize,
    /// Whether SMS carry the link: carriers want every link approved, so by default they do not.
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

/// All templates, parsed.
#[derive(Debug)]
pub struct Renderer {
    options: RenderOptions,
    sms: BTreeMap<MessageKind, Template>,
    sms_declared: Declarations,
    voice: BTreeMap<MessageKind, Template>,
    voice_declared: Declarations,
    emails: Emails,
    /// UTF-16 units of the signature with its brackets.
    signature_units: usize,
}

impl Renderer {
    /// Reads and parses every template. All faults of all files, or the renderer.
    pub fn new(options: RenderOptions) -> Result<Renderer, Vec<TemplateFault>> {
        let mut load = Loader { options: &options, faults: Vec::new() };
        let sms_declared = load.declarations("sms/variables.toml");
        let sms = load.plain("sms", &MessageKind::ALL, &sms_declared);
        let voice_declared = load.declarations("voice/variables.toml");
        let voice = load.plain("voice", &VOICE_KINDS, &voice_declared);
        let mut emails = Emails::new();
        let files = MessageKind::ALL.iter().flat_map(|k| [format!("{}.txt", k.as_str()), format!("{}.html", k.as_str())]);
        for name in std::iter::once("layout.html".to_string()).chain(files) {
            let file = format!("email/{name}");
            if let Some(source) = load.read(&file)
                && let Err(e) = emails.add(&name, &source)
            {
                load.fault(&file, e);
            }
        }
        if !load.faults.is_empty() {
            return Err(load.faults);
        }
        let signature_units = units(&options.signature) + 2;
        Ok(Renderer { options, sms, sms_declared, voice, voice_declared, emails, signature_units })
    }

    /// Makes one message. IM uses the SMS wording, without its budget.
    pub fn render(&self, kind: MessageKind, channel: Channel, facts: &MessageFacts) -> Result<Message, RenderError> {
        let none = RenderError::NoTemplate { kind, channel };
        match channel {
            Channel::Sms | Channel::Im => Ok(self.sms(kind, channel, facts, self.sms.get(&kind).ok_or(none)?)),
            Channel::Voice => Ok(self.voice(kind, facts, self.voice.get(&kind).ok_or(none)?)),
            Channel::Email => {
                let mail = self
                    .emails
                    .render(kind.as_str(), facts, &self.options.signature)
                    .map_err(|detail| RenderError::Email { kind, detail })?;
                Ok(Message {
                    kind,
                    drill: facts.drill,
                    variables: Vec::new(),
                    text: mail.text,
                    subject: Some(mail.subject),
                    html: Some(mail.html),
                })
            }
        }
    }

    /// The text to be filed with a provider for approval; `None` where the kind is not spoken.
    pub fn approved_text(&self, kind: MessageKind, channel: Channel, drill: bool) -> Option<String> {
        let (template, link) = match channel {
            Channel::Voice => (self.voice.get(&kind)?, false),
            Channel::Sms | Channel::Im => (self.sms.get(&kind)?, self.options.sms_link),
            Channel::Email => return None,
        };
        let link = if link { " ${link}" } else { "" };
        Some(match (channel, drill) {
            (Channel::Voice, true) => format!("{DRILL_SPOKEN}{}{DRILL_SPOKEN}", template.source),
            (_, true) => format!("{DRILL_MARK}{}{link}", template.source),
            _ => format!("{}{link}", template.source),
        })
    }

    /// What to declare with a provider for this kind's variables; empty where it is not spoken.
    pub fn provider_variables(&self, kind: MessageKind, channel: Channel) -> BTreeMap<String, VariableRule> {
        let (template, declared) = match channel {
            Channel::Voice => (self.voice.get(&kind), &self.voice_declared),
            Channel::Sms | Channel::Im => (self.sms.get(&kind), &self.sms_declared),
            Channel::Email => return BTreeMap::new(),
        };
        let link = (channel != Channel::Voice && self.options.sms_link).then_some(Variable::Link);
        let used = template.into_iter().flat_map(Template::variables).chain(link);
        let rule = |v: Variable| declared.get(&v).map(|d| (v.name().to_string(), VariableRule { kind: d.kind.clone(), max: d.max }));
        used.filter_map(rule).collect()
    }

    fn sms(&self, kind: MessageKind, channel: Channel, facts: &MessageFacts, template: &Template) -> Message {
        let link = facts.link.as_deref().filter(|_| self.options.sms_link || channel == Channel::Im);
        let mark = if facts.drill { DRILL_MARK } else { "" };
        let around = self.signature_units + units(mark) + link.map_or(0, |l| units(l) + 1);
        let segments = if channel == Channel::Im { 8 } else { self.options.segments.max(1) };
        let value = |v: Variable, limit| v.written(facts, &self.options.signature, limit);
        let filled = template.fill(&self.sms_declared, segments, around, &value);
        let mut variables = filled.variables;
        let mut text = filled.text;
        if facts.drill {
            text.insert_str(0, mark);
        }
        if let Some(link) = link {
            text.push(' ');
            text.push_str(link);
            variables.push((Variable::Link.name().to_string(), link.to_string()));
        }
        Message { kind, drill: facts.drill, variables, text, subject: None, html: None }
    }

    fn voice(&self, kind: MessageKind, facts: &MessageFacts, template: &Template) -> Message {
        let value = |v: Variable, limit| v.spoken(facts, &self.options.signature, limit);
        let filled = template.fill(&self.voice_declared, VOICE_BUDGET, 0, &value);
        let text = if facts.drill { format!("{DRILL_SPOKEN}{}{DRILL_SPOKEN}", filled.text) } else { filled.text };
        Message { kind, drill: facts.drill, variables: filled.variables, text, subject: None, html: None }
    }
}

/// A call's script is kept within this many SMS lengths: 268 characters are about a minute of speech,
/// and nobody listens longer before pressing a key.
const VOICE_BUDGET: usize = 4;

/// Reads template files and gathers their faults.
struct Loader<'a> {
    options: &'a RenderOptions,
    faults: Vec<TemplateFault>,
}

impl Loader<'_> {
    fn fault(&mut self, file: &str, message: String) {
        self.faults.push(TemplateFault { file: file.to_string(), message });
    }

    /// The overriding file where there is one, else the embedded one.
    fn read(&mut self, file: &str) -> Option<String> {
        if let Some(dir) = &self.options.dir {
            match std::fs::read_to_string(dir.join(file)) {
                Ok(text) => return Some(text),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => {
                    self.fault(file, format!("cannot be read: {e}"));
                    return None;
                }
            }
        }
        let Some(found) = Embedded::get(file) else {
            self.fault(file, "the template is missing".into());
            return None;
        };
        match found.data {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(str::to_string).ok(),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok(),
        }
    }

    fn declarations(&mut self, file: &str) -> Declarations {
        let Some(text) = self.read(file) else { return Declarations::new() };
        let read: BTreeMap<String, Declared> = match toml::from_str(&text) {
            Ok(read) => read,
            Err(e) => {
                self.fault(file, e.to_string().trim().replace('\n', " "));
                return Declarations::new();
            }
        };
        let mut out = Declarations::new();
        for (name, declared) in read {
            match Variable::parse(&name) {
                _ if declared.max == 0 || declared.min.is_some_and(|m| m > declared.max) => {
                    self.fault(file, format!("`{name}`: max must be at least 1 and not below min"));
                }
                Some(v) => {
                    out.insert(v, declared);
                }
                None => self.fault(file, format!("there is no variable `{name}`; there are {}", Variable::list())),
            }
        }
        out
    }

    fn plain(&mut self, folder: &str, kinds: &[MessageKind], declared: &Declarations) -> BTreeMap<MessageKind, Template> {
        let mut out = BTreeMap::new();
        for kind in kinds {
            let file = format!("{folder}/{}.txt", kind.as_str());
            let Some(source) = self.read(&file) else { continue };
            match Template::parse(&source, declared) {
                Ok(t) => {
                    out.insert(*kind, t);
                }
                Err(e) => self.fault(&file, e),
            }
        }
        out
    }
}
