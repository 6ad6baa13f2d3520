//! A message against the provider's approved template: which template, and do its variables fit?
//!
//! Providers refuse (or, worse, silently drop) a message whose variables are too long, of the wrong
//! type, or hold a URL. That is found here, before anything is sent, and told with name and length.

use super::{Day, FilingState, Message, MessageKind, ProviderTemplate, VariableRule, filing};
use crate::core::web_address;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a variable can be declared as. `link`: the provider has allowed a URL there.
const KINDS: &str = "text, number, time, link";

/// The approved templates of one account, by kind of message; drills may have wording of their own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TemplateSet(pub BTreeMap<MessageKind, ProviderTemplate>);

/// The template for `message`: a drill takes the drill template when any are declared (and none but
/// that: a drill must never go out in the words of a real warning when the account has drill words).
pub fn choose<'a>(
    templates: &'a TemplateSet,
    drill_templates: Option<&'a TemplateSet>,
    message: &Message,
) -> Result<&'a ProviderTemplate, String> {
    let (set, table) = match (message.drill, drill_templates) {
        (true, Some(drill)) => (drill, "drill_templates"),
        // The mark stands in the template: without one of its own a drill would sound real.
        (true, None) => return Err("a drill is not sent in the words of a real warning: add [drill_templates]".into()),
        (false, _) => (templates, "templates"),
    };
    let kind = message.kind.as_str();
    let plain = set.0.get(&message.kind).ok_or_else(|| format!("no template for `{kind}`: add [{table}.{kind}]"))?;
    if message.variant.is_empty() {
        return match plain.filing {
            // The provider would stop the whole account for it.
            FilingState::Rejected => Err(format!("the template of `{kind}` was rejected by the provider ({table}.{kind}.filing)")),
            _ => Ok(plain),
        };
    }
    let named = plain.variants.get(&message.variant);
    named.ok_or_else(|| format!("no template for `{kind}.{}`: add [{table}.{kind}.variants.\"{}\"]", message.variant, message.variant))
}

/// Whether a wording of a kind is among the approved ones: filed, not refused, not waiting, and not past its last day.
pub fn knows(
    templates: &TemplateSet,
    drill_templates: Option<&TemplateSet>,
    kind: MessageKind,
    drill: bool,
    variant: &str,
    today: Option<Day>,
) -> bool {
    let set = if drill { drill_templates } else { Some(templates) };
    let Some(plain) = set.and_then(|s| s.0.get(&kind)) else { return false };
    variant.is_empty() || plain.variants.get(variant).is_some_and(|t| t.filing.is_usable() && !filing::is_over(t.valid_until, today))
}

/// Checks every variable against its declaration. `Err` names each variable that does not fit.
pub fn check(template: &ProviderTemplate, message: &Message) -> Result<(), String> {
    let mut faults = Vec::new();
    for (name, value) in &message.variables {
        match template.variables.get(name) {
            None => faults.push(format!("`{name}` is not a variable of template {}", template.code)),
            Some(rule) => faults.extend(variable_fault(name, value, rule)),
        }
    }
    for name in template.variables.keys() {
        if !message.variables.iter().any(|(n, _)| n == name) {
            faults.push(format!("template {} wants `{name}`, which the message does not have", template.code));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
}

fn variable_fault(name: &str, value: &str, rule: &VariableRule) -> Option<String> {
    let length = value.chars().count();
    if value.trim().is_empty() {
        return Some(format!("`{name}` is empty"));
    }
    if length > rule.max {
        return Some(format!("`{name}` has {length} characters, at most {} are allowed: {}", rule.max, excerpt(value)));
    }
    if rule.kind != "link" && web_address::holds(value) {
        return Some(format!("`{name}` holds a URL, which providers refuse in a variable unless they allowed it (kind = \"link\")"));
    }
    let allowed: fn(char) -> bool = match rule.kind.as_str() {
        "text" => |_| true,
        "link" => |c| c.is_ascii_graphic() || c == '—',
        "number" => |c| c.is_ascii_digit(),
        "time" => |c| c.is_ascii_digit() || "-/:. 年月日时分秒".contains(c),
        other => return Some(format!("`{name}` is declared as `{other}`; known kinds are {KINDS}")),
    };
    (!value.chars().all(allowed)).then(|| format!("`{name}` is not of kind {}: {}", rule.kind, excerpt(value)))
}

/// What is wrong with declarations themselves, as `key: reason`.
pub fn faults(table: &str, set: &TemplateSet) -> Vec<String> {
    let mut faults = Vec::new();
    let variants = |(kind, t): (&MessageKind, &ProviderTemplate)| -> Vec<(String, ProviderTemplate)> {
        let own = |(name, v): (&String, &ProviderTemplate)| (format!("{table}.{}.variants.{name:?}", kind.as_str()), v.clone());
        t.variants.iter().map(own).collect()
    };
    let all = set.0.iter().map(|(kind, t)| (format!("{table}.{}", kind.as_str()), t.clone()));
    for (at, t) in all.chain(set.0.iter().flat_map(variants)) {
        if at.contains(".variants.") && !t.variants.is_empty() {
            faults.push(format!("{at}.variants: a variant has no variants of its own"));
        }
        if t.code.trim().is_empty() {
            faults.push(format!("{at}.code: is empty"));
        }
        for (name, rule) in &t.variables {
            if rule.max == 0 {
                faults.push(format!("{at}.variables.{name}.max: must be above 0"));
            }
            if !matches!(rule.kind.as_str(), "text" | "number" | "time" | "link") {
                faults.push(format!("{at}.variables.{name}.kind: `{}`; known kinds are {KINDS}", rule.kind));
            }
        }
    }
    faults
}

/// Variables as the JSON object of strings that template providers take.
pub fn json_of_strings<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>, out: &mut String) {
    out.push('{');
    for (i, (name, value)) in variables.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_json_string(name, out);
        out.push(':');
        push_json_string(value, out);
    }
    out.push('}');
}

fn push_json_string(text: &str, out: &mut String) {
    use std::fmt::Write;
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 => {
                // Writing into a String cannot fail.
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn excerpt(value: &str) -> String {
    let head: String = value.chars().take(24).collect();
    if head.len() < value.len() { format!("「{head}…」") } else { format!("「{head}」") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> ProviderTemplate {
        let rule = |kind: &str, max| VariableRule { kind: kind.into(), max };
        ProviderTemplate {
            code: "SMS_1".into(),
            variables: BTreeMap::from([
                ("place".into(), rule("text", 6)),
                ("digit".into(), rule("number", 1)),
                ("time".into(), rule("time", 12)),
            ]),
            ..ProviderTemplate::default()
        }
    }
    fn message(variables: &[(&str, &str)]) -> Message {
        Message {
            kind: MessageKind::Callout,
            variant: String::new(),
            drill: false,
            variables: variables.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect(),
            text: String::new(),
            subject: None,
            html: None,
        }
    }

    #[test]
    fn a_message_that_fits_its_template_passes() {
        check(&template(), &message(&[("place", "沁水县龙港镇"), ("digit", "1"), ("time", "07-08 16:15")])).unwrap();
    }

    #[test]
    fn each_variable_that_does_not_fit_is_named_with_its_length_and_limit() {
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[("place", "沁水县龙港镇张村"), ("digit", "1"), ("time", "16:15")], "`place` has 8 characters, at most 6"),
            (&[("place", "沁水县"), ("digit", "a"), ("time", "16:15")], "`digit` is not of kind number"),
            (&[("place", "沁水县"), ("digit", "1"), ("time", "soon")], "`time` is not of kind time"),
            (&[("place", "沁水县"), ("digit", "1")], "wants `time`"),
            (&[("place", "  "), ("digit", "1"), ("time", "16:15")], "`place` is empty"),
            (&[("place", "www.a"), ("digit", "1"), ("time", "16:15")], "holds a URL"),
            (&[("place", "沁水县"), ("digit", "1"), ("time", "16:15"), ("x", "y")], "`x` is not a variable"),
        ];
        for (variables, expected) in cases {
            let fault = check(&template(), &message(variables)).unwrap_err();
            assert!(fault.contains(expected), "{fault}");
        }
    }

    #[test]
    fn a_drill_never_takes_the_words_of_a_real_warning() {
        let real = TemplateSet(BTreeMap::from([(MessageKind::Callout, template())]));
        let drills = TemplateSet::default();
        let mut m = message(&[]);
        assert!(choose(&real, Some(&drills), &m).is_ok());
        m.drill = true;
        assert!(choose(&real, Some(&drills), &m).unwrap_err().contains("drill_templates.callout"));
        assert!(choose(&real, None, &m).unwrap_err().contains("drill_templates"), "nor without any of its own");
    }

    #[test]
    fn parameters_are_a_json_object_of_strings_whatever_they_hold() {
        let mut out = String::new();
        json_of_strings([("a", "红\"色\\"), ("b", "1\n2\u{1}")], &mut out);
        let back: BTreeMap<String, String> = serde_json::from_str(&out).unwrap();
        assert_eq!(back["a"], "红\"色\\");
        assert_eq!(back["b"], "1\n2\u{1}");
    }
}
