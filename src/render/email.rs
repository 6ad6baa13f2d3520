//! E-mail: subject, text and HTML by minijinja, with a fuel limit so that an edited template can never
//! hang a sender.

use super::variables::{moment, when};
use crate::core::{
    hazard::Level,
    message::{MessageFacts, fit_list},
};
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, context};

/// Instructions one rendering may use; ours use a few hundred.
const FUEL: u64 = 100_000;
/// The first line of a text template is the subject.
const SUBJECT: &str = "主题：";

/// The compiled e-mail templates.
#[derive(Debug)]
pub struct Emails {
    env: Environment<'static>,
}

/// A rendered e-mail.
#[derive(Debug, PartialEq)]
pub struct Email {
    pub subject: String,
    pub text: String,
    pub html: String,
}

impl Emails {
    pub fn new() -> Emails {
        let mut env = Environment::new();
        env.set_fuel(Some(FUEL));
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_auto_escape_callback(|name| if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None });
        Emails { env }
    }

    /// Adds `callout.txt`, `callout.html`, `layout.html` …
    pub fn add(&mut self, name: &str, source: &str) -> Result<(), String> {
        self.env.add_template_owned(name.to_string(), source.to_string()).map_err(|e| plain_error(&e))
    }

    /// `text` and `html` are the names of the two files without their endings.
    pub fn render(&self, text: &str, html: &str, facts: &MessageFacts, organization: &str) -> Result<Email, String> {
        let list = |items: &[String], otherwise: &str| if items.is_empty() { otherwise.to_string() } else { items.join("、") };
        let short = |items: &[String], unit, otherwise: &str| {
            if items.is_empty() { otherwise.to_string() } else { fit_list(items, 20, unit) }
        };
        let options: Vec<String> = facts.options.iter().map(|o| format!("{}（{}）", o.what, o.digit)).collect();
        let facts_for = |subject: &str| {
            context! {
                subject => subject,
                organization => organization,
                drill => facts.drill,
                hazard => facts.hazard_zh(),
                level => facts.level.name_zh(),
                colour => colour(facts.level),
                headline => if facts.headline.trim().is_empty() { facts.gist() } else { facts.headline.clone() },
                description => facts.description.clone(),
                instruction => facts.instruction.clone(),
                what => facts.gist(),
                action => facts.action(),
                issuer => facts.issuer.clone(),
                sent => format!("{} {}", facts.sent.beijing().date(), moment(facts.sent)),
                recipient => if facts.recipient.is_empty() { "您好" } else { facts.recipient.as_str() },
                places => list(&facts.places, "您负责的区域"),
                places_short => short(&facts.places, "处", "您负责的区域"),
                posts => facts.posts.join("、"),
                minutes => facts.minutes.max(1),
                digit => facts.digit,
                count => facts.count.max(1),
                holders => list(&facts.holders, "责任人"),
                holders_short => short(&facts.holders, "人", "责任人"),
                ask => list(&facts.ask, "到岗、转移、险情"),
                when => when(facts),
                overdue => facts.overdue,
                ended => facts.end.map_or_else(|| "现".to_string(), |(at, _)| format!("于{}", moment(at))),
                how => facts.end.map_or("已结束", |(_, r)| r.words()),
                options => options.join("、"),
                link => facts.link.clone(),
            }
        };
        let run = |name: &str, subject: &str| {
            let template = self.env.get_template(name).map_err(|e| plain_error(&e))?;
            template.render(facts_for(subject)).map_err(|e| plain_error(&e))
        };
        let name = text;
        let text = run(&format!("{name}.txt"), "")?;
        let (first, body) = text.split_once('\n').unwrap_or((text.as_str(), ""));
        let subject =
            first.trim().strip_prefix(SUBJECT).ok_or_else(|| format!("{name}.txt: the first line must begin with `{SUBJECT}`"))?;
        // A subject is one line, or it would end the mail's head.
        let subject = subject.replace(char::is_control, " ").trim().to_string();
        let html = run(&format!("{html}.html"), &subject)?;
        Ok(Email { subject, text: format!("{}\n", tidy(body)), html })
    }
}

/// Never more than one empty line in a row.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.trim().lines() {
        empty = if line.trim().is_empty() { empty + 1 } else { 0 };
        if empty <= 1 {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(line.trim_end());
        }
    }
    out
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::Red => "#d40000",
        Level::Orange => "#f07800",
        Level::Yellow => "#e6b800",
        Level::Blue => "#1f6fd0",
        Level::Unknown => "#666666",
    }
}

/// A template error with file and line, in one line.
pub(super) fn plain_error(e: &Error) -> String {
    let at = match (e.name(), e.line()) {
        (Some(name), Some(line)) => format!("{name}, line {line}: "),
        (Some(name), None) => format!("{name}: "),
        _ => String::new(),
    };
    let cause = std::error::Error::source(e).map_or(String::new(), |c| format!(" ({c})"));
    format!("{at}{}{cause}", e.detail().map_or_else(|| e.kind().to_string(), str::to_string))
}
