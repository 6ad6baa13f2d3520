//! SMS and voice templates: text with `${name}` placeholders, as providers approve them. Parsed once;
//! filling is substitution and nothing else, because nothing else would be approved.

use super::variables::{Declared, Variable};
use crate::core::message::{capacity, units};
use std::collections::BTreeMap;

/// Declarations of a channel's variables.
pub type Declarations = BTreeMap<Variable, Declared>;

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    /// Index into [`Template::variables`].
    Value(usize),
}

/// A parsed template.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// The text as approved, placeholders included, without the drill mark.
    pub source: String,
    pieces: Vec<Piece>,
    /// In the order of their first appearance, each with how often it appears.
    variables: Vec<(Variable, usize)>,
    /// UTF-16 units of everything that is no variable.
    fixed: usize,
}

/// A filled template.
#[derive(Clone, Debug, PartialEq)]
pub struct Filled {
    pub text: String,
    pub variables: Vec<(String, String)>,
}

impl Template {
    /// Reads a template. `Err` says what is wrong in it.
    pub fn parse(source: &str, declared: &Declarations) -> Result<Template, String> {
        let source = source.trim();
        let mut t = Template { source: source.to_string(), pieces: Vec::new(), variables: Vec::new(), fixed: 0 };
        let mut rest = source;
        while let Some((text, after)) = rest.split_once("${") {
            t.text(text);
            let Some((name, tail)) = after.split_once('}') else {
                return Err("`${` is never closed with `}`".into());
            };
            let variable = Variable::parse(name).ok_or_else(|| format!("there is no variable `{name}`; there are {}", Variable::list()))?;
            if !declared.contains_key(&variable) {
                return Err(format!("variable `{name}` is not declared in variables.toml"));
            }
            let index = t.variables.iter().position(|(v, _)| *v == variable).unwrap_or_else(|| {
                t.variables.push((variable, 0));
                t.variables.len() - 1
            });
            if let Some(v) = t.variables.get_mut(index) {
                v.1 += 1;
            }
            t.pieces.push(Piece::Value(index));
            rest = tail;
        }
        t.text(rest);
        if t.source.is_empty() {
            return Err("the template is empty".into());
        }
        Ok(t)
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.fixed += units(text);
            self.pieces.push(Piece::Text(text.to_string()));
        }
    }

    pub fn variables(&self) -> impl Iterator<Item = Variable> + '_ {
        self.variables.iter().map(|(v, _)| *v)
    }

    /// Fills the template. `value(variable, limit)` gives a text of at most `limit` units. Where the
    /// whole would not fit `segments` messages, together with `around` units of signature and mark, the
    /// elastic variables are shortened in their order, none below its declared minimum.
    pub fn fill(&self, declared: &Declarations, segments: usize, around: usize, value: &dyn Fn(Variable, usize) -> String) -> Filled {
        let limits = |v: Variable| declared.get(&v).map_or((35, None), |d| (d.max, d.min));
        let mut values: Vec<String> = self.variables.iter().map(|(v, _)| value(*v, limits(*v).0)).collect();
        let sum: usize = self.variables.iter().zip(&values).map(|((_, n), text)| n * units(text)).sum();
        let mut over = (self.fixed + around + sum).saturating_sub(capacity(segments));
        for (elastic, floor) in Variable::ELASTIC {
            if over == 0 {
                break;
            }
            let Some(at) = self.variables.iter().position(|(v, _)| *v == elastic) else { continue };
            let (Some((_, times)), Some(text), Some(min)) = (self.variables.get(at), values.get_mut(at), limits(elastic).1) else {
                continue;
            };
            let had = units(text);
            let want = had.saturating_sub(over.div_ceil(*times)).max(min).max(floor);
            if want < had {
                *text = value(elastic, want);
                over = over.saturating_sub(had.saturating_sub(units(text)) * times);
            }
        }
        let mut text = String::with_capacity(self.source.len() + 64);
        for piece in &self.pieces {
            match piece {
                Piece::Text(t) => text.push_str(t),
                Piece::Value(i) => text.push_str(values.get(*i).map_or("", String::as_str)),
            }
        }
        let variables = self.variables.iter().zip(values).map(|((v, _), text)| (v.name().to_string(), text)).collect();
        Filled { text, variables }
    }
}
