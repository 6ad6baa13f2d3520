//! A group's digest: one section a warning, by minijinja, in markdown that all robots show (`**bold**`, `- items`), made to
//! fit the bytes that a robot takes. Other people's words never act as marks in it.

use super::{TemplateFault, load::Loader};
use crate::{
    channel::{Message, MessageKind},
    core::{
        digest::{Section, Why, plain_md},
        hazard::Level,
        message::{cut, fit_list},
        time::Time,
        warning_life::WarningEnd,
    },
};
use minijinja::{Environment, UndefinedBehavior, context};

/// The mark of a drill in a group, in every title and every section.
pub const DRILL_GROUP: &str = "【演练】";
/// Instructions one rendering may use; ours use a few hundred.
const FUEL: u64 = 100_000;
const SUBJECT: &str = "主题：";
/// The title where a message speaks of several warnings.
const SEVERAL: &str = "several";
/// Townships named, characters of the areas and of the headline: the next where a section is still too long.
const SHORTER: [(usize, usize, usize); 5] = [(40, 200, 160), (15, 100, 80), (6, 50, 50), (3, 30, 30), (0, 16, 16)];
/// Between two sections.
const BETWEEN: &str = "\n\n";

/// The compiled templates.
#[derive(Debug)]
pub(super) struct Digests {
    env: Environment<'static>,
}

struct Rendered {
    title: String,
    text: String,
}

impl Digests {
    pub fn load(load: &mut Loader<'_>) -> Digests {
        let mut env = Environment::new();
        env.set_fuel(Some(FUEL));
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        for name in Why::ALL.iter().map(|w| w.as_str()).chain([SEVERAL]) {
            let file = file_of(name);
            if let Some(source) = load.read(&file)
                && let Err(e) = env.add_template_owned(name.to_string(), source)
            {
                load.fault(&file, super::email::plain_error(&e));
            }
        }
        Digests { env }
    }

    /// As many sections as fit into `longest` bytes, at least one, and how many those are.
    ///
    /// # Errors
    /// A template that fails, by its file.
    pub fn render(&self, sections: &[Section], longest: usize) -> Result<(Message, usize), TemplateFault> {
        let mut made: Vec<Rendered> = Vec::new();
        let mut used = 0;
        for s in sections {
            let between = if made.is_empty() { 0 } else { BETWEEN.len() };
            let room = longest.saturating_sub(used + between);
            match self.fitting(s, room)? {
                Some(r) => {
                    used += between + r.text.len();
                    made.push(r);
                }
                None if made.is_empty() => {
                    // An operator's template that is too long at its shortest: better cut than not said.
                    let r = self.section(s, SHORTER[SHORTER.len() - 1])?;
                    let text = cut_bytes(&r.text, longest);
                    made.push(Rendered { title: r.title, text });
                    break;
                }
                None => break,
            }
        }
        let count = made.len();
        let drill = sections.first().is_some_and(|s| s.drill);
        let title = match made.as_slice() {
            [one] => one.title.clone(),
            _ => self.run(SEVERAL, context! { mark => mark(drill), count => count })?.title,
        };
        let why = sections.first().map_or("", |s| s.why.as_str());
        let text = made.into_iter().map(|r| r.text).collect::<Vec<_>>().join(BETWEEN);
        let variant = if count == 1 { why } else { SEVERAL }.to_string();
        let message = Message { kind: MessageKind::Digest, variant, drill, variables: Vec::new(), text, subject: Some(title), html: None };
        Ok((message, count))
    }

    /// The longest form that fits.
    fn fitting(&self, s: &Section, room: usize) -> Result<Option<Rendered>, TemplateFault> {
        for bounds in SHORTER {
            let r = self.section(s, bounds)?;
            if r.text.len() <= room {
                return Ok(Some(r));
            }
        }
        Ok(None)
    }

    fn section(&self, s: &Section, (towns, areas, headline): (usize, usize, usize)) -> Result<Rendered, TemplateFault> {
        let f = &s.figures;
        let named: Vec<String> = s.areas.iter().map(|a| plain_md(a)).collect();
        let shown: Vec<minijinja::Value> = s
            .towns
            .iter()
            .take(towns)
            .map(|(name, t)| context! { name => plain_md(name), silent => t.silent, expected => t.expected })
            .collect();
        let more = s.towns.len() - shown.len() + f.more_towns as usize;
        let deadlines: Vec<String> = s.deadlines.iter().map(|(tier, at)| format!("{tier} {}", clock(*at))).collect();
        let facts = context! {
            mark => mark(s.drill),
            hazard => plain_md(&s.hazard),
            level => if s.level == Level::Unknown { "" } else { s.level.name_zh() },
            headline => cut(&plain_md(&s.headline), headline),
            issuer => plain_md(&s.issuer),
            areas => if named.is_empty() { "未注明".to_string() } else { fit_list(&named, areas, "处") },
            accepted => clock(s.accepted),
            deadlines => deadlines.join("、"),
            at => clock(s.at),
            how => how(s.ended),
            expected => f.expected,
            answered => f.answered,
            on_time => f.on_time,
            reported => f.reported,
            rate => rate(f.answered, f.expected),
            silent => f.silent,
            late => f.late(),
            handed_over => f.handed_over,
            unreachable => f.unreachable,
            closed => f.closed,
            told => f.told,
            places => f.places,
            places_silent => f.places_silent,
            unclaimed => f.unclaimed,
            towns => shown,
            more_towns => more,
        };
        self.run(s.why.as_str(), facts)
    }

    fn run(&self, name: &str, facts: minijinja::Value) -> Result<Rendered, TemplateFault> {
        let fault = |message: String| TemplateFault { file: file_of(name), message };
        let template = self.env.get_template(name).map_err(|e| fault(super::email::plain_error(&e)))?;
        let text = template.render(facts).map_err(|e| fault(super::email::plain_error(&e)))?;
        let (first, body) = text.split_once('\n').unwrap_or((text.as_str(), ""));
        let title = first.trim().strip_prefix(SUBJECT).ok_or_else(|| fault(format!("the first line must begin with `{SUBJECT}`")))?;
        let title = title.replace(char::is_control, " ").trim().to_string();
        let lines: Vec<&str> = body.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect();
        Ok(Rendered { title, text: lines.join("\n") })
    }
}

fn file_of(name: &str) -> String {
    format!("im/{name}.md")
}
fn mark(drill: bool) -> &'static str {
    if drill { DRILL_GROUP } else { "" }
}

/// `16:05` by Beijing time.
fn clock(at: Time) -> String {
    at.beijing().strftime("%H:%M").to_string()
}

/// Rounded down: 999 of 1,000 are not all.
fn rate(n: u32, of: u32) -> String {
    if of == 0 { "—".into() } else { format!("{}%", u64::from(n) * 100 / u64::from(of)) }
}

fn how(ended: Option<WarningEnd>) -> &'static str {
    match ended {
        Some(WarningEnd::Answered) => "叫应完成",
        Some(WarningEnd::Cancelled) => "已解除，叫应结束",
        Some(WarningEnd::Superseded) => "已由新预警代替，叫应结束",
        Some(WarningEnd::Expired) => "已到期，叫应结束",
        None => "叫应结束",
    }
}

/// At most `longest` bytes, never within a character.
fn cut_bytes(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_string();
    }
    let mut end = longest.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}
