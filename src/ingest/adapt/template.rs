//! Texts with places in them: `{dept}发布{type | trim}预警`, `{eventId}-{#}`, `{remark?}`.
//!
//! A place is a path, perhaps with `?` (may be empty), perhaps with pipes: `first N`, `last N`, `cut A B`
//! (characters from A up to B), `before "x"`, `after "x"` (all of it where x is not found), `digits`,
//! `upper`. `{#}` is the number that `each_before` counts with. `{{` and `}}` are braces.

use super::tree::{From, Path, Tree};

/// What paths may look at.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub body: &'a Tree,
    pub warning: &'a Tree,
    pub here: &'a Tree,
    /// What `{#}` stands for.
    pub count: Option<u32>,
}

impl<'a> Scope<'a> {
    pub fn find(&self, path: &Path) -> Option<&'a Tree> {
        path.find(match path.from {
            From::Here => self.here,
            From::Warning => self.warning,
            From::Body => self.body,
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Place { path: Path, optional: bool, pipes: Vec<Pipe> },
    Count,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pipe {
    First(usize),
    Last(usize),
    Cut(usize, usize),
    Before(String),
    After(String),
    Digits,
    Upper,
}

impl Template {
    pub fn parse(text: &str) -> Result<Template, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, tail) = rest.split_at(at);
            literal.push_str(before);
            if let Some(more) = tail.strip_prefix("{{") {
                literal.push('{');
                rest = more;
            } else if let Some(more) = tail.strip_prefix("}}") {
                literal.push('}');
                rest = more;
            } else if let Some(place) = tail.strip_prefix('{') {
                let (inside, more) = place.split_once('}').ok_or_else(|| format!("`{text}`: a {{ without its }}"))?;
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                parts.push(place_of(inside)?);
                rest = more;
            } else {
                return Err(format!("`{text}`: a }} without its {{; write }}}} for a brace"));
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Template { parts })
    }

    /// The paths in it.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.parts.iter().filter_map(|p| match p {
            Part::Place { path, .. } => Some(path),
            _ => None,
        })
    }

    pub fn counts(&self) -> bool {
        self.parts.contains(&Part::Count)
    }

    /// The text; `None` where a place that may not be empty is.
    pub fn fill(&self, scope: Scope<'_>) -> Option<String> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(t) => out.push_str(t),
                Part::Count => out.push_str(&scope.count?.to_string()),
                Part::Place { path, optional, pipes } => {
                    let raw = scope.find(path).and_then(Tree::text);
                    let text = raw.map(|r| pipes.iter().fold(r.to_string(), |t, p| p.apply(&t))).filter(|t| !t.is_empty());
                    match text {
                        Some(t) => out.push_str(&t),
                        None if *optional => {}
                        None => return None,
                    }
                }
            }
        }
        (!out.trim().is_empty()).then_some(out)
    }
}

fn place_of(inside: &str) -> Result<Part, String> {
    let mut pieces = inside.split('|');
    let path = pieces.next().unwrap_or_default().trim();
    if path == "#" {
        return Ok(Part::Count);
    }
    let (path, optional) = path.strip_suffix('?').map_or((path, false), |p| (p, true));
    let pipes = pieces.map(Pipe::parse).collect::<Result<_, _>>()?;
    Ok(Part::Place { path: Path::parse(path)?, optional, pipes })
}

impl Pipe {
    fn parse(text: &str) -> Result<Pipe, String> {
        let text = text.trim();
        let (name, argument) = text.split_once(' ').map_or((text, ""), |(n, a)| (n, a.trim()));
        let number = |s: &str| s.parse::<usize>().map_err(|_| format!("`{text}`: `{s}` is not a number of characters"));
        let quoted = || {
            let inner = argument.strip_prefix('"').and_then(|a| a.strip_suffix('"')).filter(|a| !a.is_empty());
            inner.map(str::to_string).ok_or_else(|| format!("`{text}`: write {name} \"…\""))
        };
        Ok(match name {
            "first" => Pipe::First(number(argument)?),
            "last" => Pipe::Last(number(argument)?),
            "cut" => {
                let (a, b) = argument.split_once(' ').ok_or_else(|| format!("`{text}`: write cut FROM TO, such as cut 0 6"))?;
                Pipe::Cut(number(a.trim())?, number(b.trim())?)
            }
            "before" => Pipe::Before(quoted()?),
            "after" => Pipe::After(quoted()?),
            "digits" if argument.is_empty() => Pipe::Digits,
            "upper" if argument.is_empty() => Pipe::Upper,
            _ => return Err(format!("`{text}` is none of first N, last N, cut A B, before \"x\", after \"x\", digits, upper")),
        })
    }

    fn apply(&self, text: &str) -> String {
        match self {
            Pipe::First(n) => text.chars().take(*n).collect(),
            Pipe::Last(n) => text.chars().skip(text.chars().count().saturating_sub(*n)).collect(),
            Pipe::Cut(a, b) => text.chars().take(*b).skip(*a).collect(),
            Pipe::Before(x) => text.split_once(x.as_str()).map_or(text, |(before, _)| before).trim().to_string(),
            Pipe::After(x) => text.split_once(x.as_str()).map_or(text, |(_, after)| after).trim().to_string(),
            Pipe::Digits => text.chars().filter(char::is_ascii_digit).collect(),
            Pipe::Upper => text.to_uppercase(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str) -> Option<String> {
        let body = Tree::Object(vec![
            ("a".into(), Tree::Text("12000041600000_2018".into())),
            ("b".into(), Tree::Object(vec![("c".into(), Tree::Text(" 暴雨 ".into()))])),
            ("n".into(), Tree::Nothing),
        ]);
        let scope = Scope { body: &body, warning: &body, here: body.find_for_test("b"), count: Some(2) };
        Template::parse(template).unwrap().fill(scope)
    }
    impl Tree {
        fn find_for_test(&self, path: &str) -> &Tree {
            Path::parse(path).unwrap().find(self).unwrap()
        }
    }

    #[test]
    fn places_are_filled_from_here_the_warning_and_the_body() {
        assert_eq!(fill("{c}预警").as_deref(), Some("暴雨预警"));
        assert_eq!(fill("{^a | first 6}-{#}").as_deref(), Some("120000-2"));
        assert_eq!(fill("{/a | after \"_\"}{/n?}").as_deref(), Some("2018"));
        assert_eq!(
            fill("{/a | cut 2 4}/{/a | last 2}/{/a | before \"0\"}/{/a|before \"x\"|digits}").as_deref(),
            Some("00/18/12/120000416000002018")
        );
        assert_eq!(fill("{/n}").as_deref(), None);
        assert_eq!(fill("{/n?}").as_deref(), None);
        assert_eq!(fill("{{{c}}}").as_deref(), Some("{暴雨}"));
    }

    #[test]
    fn what_is_no_template_says_why() {
        for bad in ["{a", "a}", "{a | first}", "{a | fisrt 6}", "{a | before x}", "{}", "{a..b}", "{a | cut 1}"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }
}
