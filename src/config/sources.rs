//! `[[source.folder]]` and `[[source.pull]]`: where warnings are fetched instead of posted.

use super::Config;
use crate::core::{ids::IssuerId, time::Span};
use serde::Deserialize;
use std::{collections::BTreeSet, path::PathBuf};
use url::Url;

/// `[source]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sources {
    #[serde(rename = "folder")]
    pub folders: Vec<FolderSource>,
    #[serde(rename = "pull")]
    pub pulls: Vec<PullSource>,
}

/// A folder into which an issuer's files are put.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderSource {
    /// Whose files these are: their rights and their mapping apply.
    pub issuer: IssuerId,
    pub path: PathBuf,
    /// Between two looks; a file is taken at the second look that finds it unchanged.
    #[serde(default = "two_seconds")]
    pub every: Span,
    /// After so many failed looks in a row the duty room is told.
    #[serde(default = "five")]
    pub failures: u32,
}

/// An address that publishes warnings.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullSource {
    /// Whose warnings these are.
    pub issuer: IssuerId,
    /// The only address that is asked; redirects are not followed.
    pub url: String,
    #[serde(default = "one_minute")]
    pub every: Span,
    /// For the whole answer.
    #[serde(default = "ten_seconds")]
    pub timeout: Span,
    #[serde(default = "five")]
    pub failures: u32,
}

fn two_seconds() -> Span {
    Span::secs(2)
}
fn ten_seconds() -> Span {
    Span::secs(10)
}
fn one_minute() -> Span {
    Span::mins(1)
}
fn five() -> u32 {
    5
}

/// What reads well yet cannot work.
pub(super) fn check(config: &Config, fault: &mut impl FnMut(&str, String)) {
    let known = |issuer: &IssuerId| config.issuers.iter().find(|i| i.id == *issuer);
    let mut paths = BTreeSet::new();
    for (n, f) in config.source.folders.iter().enumerate() {
        let key = |k: &str| format!("source.folder[{n}].{k}");
        if known(&f.issuer).is_none() {
            fault(&key("issuer"), format!("`{}` is the id of no [[issuer]]", f.issuer));
        }
        if f.path.as_os_str().is_empty() || !paths.insert(&f.path) {
            fault(&key("path"), "must name a folder of its own, watched once".into());
        }
        in_range(&key("every"), f.every, Span::ms(100), Span::mins(10), fault);
        if f.failures == 0 {
            fault(&key("failures"), "is 0; say after how many failures the duty room is told".into());
        }
    }
    for (n, p) in config.source.pulls.iter().enumerate() {
        let key = |k: &str| format!("source.pull[{n}].{k}");
        if known(&p.issuer).is_none() {
            fault(&key("issuer"), format!("`{}` is the id of no [[issuer]]", p.issuer));
        }
        let plain = |u: &Url| matches!(u.scheme(), "http" | "https") && u.has_host() && u.password().is_none() && u.fragment().is_none();
        if !Url::parse(&p.url).is_ok_and(|u| plain(&u)) {
            fault(&key("url"), "is not an http(s) address without a password and a fragment".into());
        }
        in_range(&key("every"), p.every, Span::secs(1), Span::hours(24), fault);
        in_range(&key("timeout"), p.timeout, Span::ms(100), Span::mins(2), fault);
        if p.failures == 0 {
            fault(&key("failures"), "is 0; say after how many failures the duty room is told".into());
        }
    }
}

fn in_range(key: &str, value: Span, least: Span, most: Span, fault: &mut impl FnMut(&str, String)) {
    if value < least || value > most {
        fault(key, format!("{value} is outside {least} to {most}"));
    }
}
