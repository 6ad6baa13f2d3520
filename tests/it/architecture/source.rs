//! Reads Rust files as far as the rules of the house need: code without comments and literals, what
//! is only for tests, and which modules of the crate (and which other crates) a file names.

use std::path::{Path, PathBuf};

/// One file under `src/`.
pub struct Source {
    /// Relative to `src/`, such as `core/time.rs`.
    pub path: String,
    /// The file as it stands.
    pub text: String,
    /// Comments, text and character literals blanked; lines as they were.
    pub code: String,
    /// `code` without what is under `#[cfg(test)]`; empty for a file of tests.
    pub product: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        let code = without_literals(text);
        let product = if is_test_file(path) { String::new() } else { without_tests(&code) };
        Source { path: path.into(), text: text.into(), code, product }
    }

    /// The module the file is: `core/callout/mod.rs` is `core::callout`.
    pub fn module(&self) -> Vec<String> {
        let stem = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        let mut parts: Vec<String> = stem.split('/').map(String::from).collect();
        if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            parts.pop();
        }
        parts
    }

    /// Every path through `crate::` or `super::` in `code` (one of this file's texts), whole, with its line.
    pub fn inner_paths(&self, code: &str) -> Vec<(usize, Vec<String>)> {
        let tokens = tokens(code);
        let mut found = Vec::new();
        let mut at = 0;
        // Modules inside the file move what `super` means.
        let mut depth = 0usize;
        let mut inside: Vec<(usize, String)> = Vec::new();
        while at < tokens.len() {
            let word = tokens[at].1.as_str();
            let before = at.checked_sub(1).map(|b| tokens[b].1.as_str());
            match word {
                "{" => depth += 1,
                "}" => {
                    depth = depth.saturating_sub(1);
                    inside.retain(|(d, _)| *d <= depth);
                }
                "mod" if tokens.get(at + 2).is_some_and(|t| t.1 == "{") => inside.push((depth + 1, tokens[at + 1].1.clone())),
                "crate" | "super" if before != Some("::") && tokens.get(at + 1).is_some_and(|t| t.1 == "::") => {
                    let mut module = self.module();
                    module.extend(inside.iter().map(|(_, name)| name.clone()));
                    at = tree(&tokens, at, &module, &[], &mut found);
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        found
    }

    /// Lines of `code` where `word` stands as a whole word (it may hold `::`).
    pub fn lines_with(&self, code: &str, word: &str) -> Vec<usize> {
        let whole = |line: &str| {
            line.match_indices(word).any(|(at, _)| {
                let named = |c: char| c.is_alphanumeric() || c == '_';
                let starts = !word.starts_with(named) || !line[..at].ends_with(|c: char| named(c) || c == ':');
                let ends = !word.ends_with(named) || !line[at + word.len()..].starts_with(named);
                starts && ends
            })
        };
        code.lines().enumerate().filter(|(_, line)| whole(line)).map(|(n, _)| n + 1).collect()
    }
}

/// All `.rs` files below `dir`, in the order of their paths.
pub fn sources(dir: &Path) -> Vec<Source> {
    fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(dir, &mut files);
    files.sort();
    let relative = |p: &Path| p.strip_prefix(dir).unwrap().to_str().unwrap().to_string();
    files.iter().map(|p| Source::new(&relative(p), &std::fs::read_to_string(p).unwrap())).collect()
}

fn is_test_file(path: &str) -> bool {
    path.trim_end_matches(".rs").split('/').any(|part| part == "tests" || part.ends_with("_tests"))
}

/// Reads one path from `crate` or `super` on, with `{…}` opened; gives where it ended.
fn tree(tokens: &[(usize, String)], mut at: usize, module: &[String], prefix: &[String], found: &mut Vec<(usize, Vec<String>)>) -> usize {
    let mut path = prefix.to_vec();
    let mut climbing = prefix.is_empty();
    let line = tokens[at].0;
    while let Some((_, word)) = tokens.get(at) {
        match word.as_str() {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|t| t.1 != "}") {
                    at = tree(tokens, at, module, &path, found);
                    if tokens.get(at).is_some_and(|t| t.1 == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "crate" if climbing => path.clear(),
            "super" if climbing => {
                if path.is_empty() {
                    path = module.to_vec();
                }
                path.pop();
            }
            "self" => {}
            name => {
                climbing = false;
                path.push(name.to_string());
            }
        }
        at += 1;
        if tokens.get(at).is_some_and(|t| t.1 == "::") {
            at += 1;
            // A turbofish ends the path.
            if tokens.get(at).is_some_and(|t| t.1 == "<") {
                break;
            }
        } else {
            break;
        }
    }
    if tokens.get(at).is_some_and(|t| t.1 == "as") {
        at += 2;
    }
    found.push((line, path));
    at.max(1)
}

/// Words, `::` and single marks, with their lines.
fn tokens(code: &str) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    for (n, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let len = if first.is_alphanumeric() || first == '_' {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            out.push((n + 1, rest[..len].to_string()));
            rest = rest[len..].trim_start();
        }
    }
    out
}

/// Blanks comments, text and character literals.
fn without_literals(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let blank = |out: &mut String, from: usize, to: usize| {
        for c in &chars[from..to.min(chars.len())] {
            out.push(if *c == '\n' { '\n' } else { ' ' });
        }
    };
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut i = 0;
    while i < chars.len() {
        let begun = i;
        let after_word = i > 0 && (at(i - 1).is_alphanumeric() || at(i - 1) == '_');
        if at(i) == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if at(i) == '/' && at(i + 1) == '*' {
            let mut nested = 0;
            loop {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (nested, i) = (nested + 1, i + 2),
                    ('*', '/') => (nested, i) = (nested - 1, i + 2),
                    _ => i += 1,
                }
                if nested == 0 || i >= chars.len() {
                    break;
                }
            }
        } else if let Some(hashes) = raw_text(&chars[i..]).filter(|_| !after_word) {
            let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            while at(i) != '"' {
                i += 1;
            }
            i += 1;
            while i < chars.len() && !chars[i..].starts_with(&close) {
                i += 1;
            }
            i += close.len();
        } else if at(i) == '"' {
            i += 1;
            while i < chars.len() && at(i) != '"' {
                i += if at(i) == '\\' { 2 } else { 1 };
            }
            i += 1;
        } else if at(i) == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            // Not a lifetime.
            i += if at(i + 1) == '\\' { 3 } else { 2 };
            while i < chars.len() && at(i) != '\'' {
                i += 1;
            }
            i += 1;
        } else {
            out.push(at(i));
            i += 1;
            continue;
        }
        blank(&mut out, begun, i);
    }
    out
}

/// How many `#` a raw text that starts here has.
fn raw_text(chars: &[char]) -> Option<usize> {
    let chars = chars.strip_prefix(&['b']).unwrap_or(chars).strip_prefix(&['r'])?;
    let hashes = chars.iter().take_while(|c| **c == '#').count();
    (chars.get(hashes) == Some(&'"')).then_some(hashes)
}

/// Blanks every item under `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        out.push_str(&rest[..at]);
        let item = &rest[at..];
        let mut depth = 0;
        let mut end = item.len();
        for (i, c) in item.char_indices().skip(MARK.len()) {
            match c {
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => depth -= 1,
                _ => {}
            }
            if depth == 0 && (c == '}' || c == ';') {
                end = i + 1;
                break;
            }
        }
        out.extend(item[..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &item[end..];
    }
    out.push_str(rest);
    out
}
