//! Requests as they came over the wire, one JSON file each, in the form that independent judges of
//! signatures read: `{"method", "url", "headers": [[name, value]], "body"}`.

use axum::http::request::Parts;
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Kept in memory for `GET /_standin/log`.
const KEPT: usize = 1000;

/// A group robot by its path: the last part of it may be a key.
fn robot(path: &str) -> Option<&'static str> {
    match path {
        "/robot/send" => Some("dingtalkRobot"),
        "/cgi-bin/webhook/send" => Some("wecomRobot"),
        _ => path.starts_with("/open-apis/bot/v2/hook/").then_some("feishuRobot"),
    }
}

pub struct Capture {
    dir: PathBuf,
    limit: usize,
    count: AtomicUsize,
    last: Mutex<VecDeque<Value>>,
}

impl Capture {
    pub fn open(dir: &Path, limit: usize) -> io::Result<Capture> {
        std::fs::create_dir_all(dir)?;
        Ok(Capture { dir: dir.to_path_buf(), limit, count: AtomicUsize::new(0), last: Mutex::default() })
    }

    /// Writes one request, before it is answered: whoever has the reply finds the file.
    pub async fn write(&self, parts: &Parts, body: &[u8]) {
        let n = self.count.fetch_add(1, Ordering::Relaxed);
        // Robots say little, and their last word comes last.
        if n >= self.limit && robot(parts.uri.path()).is_none() {
            return;
        }
        let text = |v: &axum::http::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
        let host = parts.headers.get("host").map(text).unwrap_or_default();
        let action: String = parts
            .headers
            .get("x-acs-action")
            .or_else(|| parts.headers.get("x-tc-action"))
            .map(text)
            .or_else(|| robot(parts.uri.path()).map(str::to_string))
            // `/sms/batchSendSms/v1`, `/2010-04-01/Accounts/AC…/Messages.json`
            .or_else(|| parts.uri.path().split('/').rfind(|p| p.len() > 2).map(|p| p.trim_end_matches(".json").to_string()))
            .unwrap_or_else(|| "request".into())
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(40)
            .collect();
        let headers: Vec<[String; 2]> = parts.headers.iter().map(|(k, v)| [k.as_str().to_string(), text(v)]).collect();
        let request = json!({
            "method": parts.method.as_str(),
            "url": format!("http://{host}{}", parts.uri.path_and_query().map_or("/", |p| p.as_str())),
            "headers": headers,
            "body": String::from_utf8_lossy(body),
        });
        let path = self.dir.join(format!("{n:06}_{action}.json"));
        if let Err(e) = tokio::fs::write(&path, request.to_string()).await {
            tracing::error!(path = %path.display(), "a captured request could not be written: {e}");
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.push_back(request);
        if last.len() > KEPT {
            last.pop_front();
        }
    }

    /// The newest `limit` captured requests, oldest first; only those of `action` when given.
    pub fn last(&self, action: Option<&str>, limit: usize) -> Vec<Value> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_of = |v: &&Value| {
            action.is_none_or(|a| {
                v["headers"].as_array().is_some_and(|hs| hs.iter().any(|h| h[0] == "x-acs-action" && h[1].as_str() == Some(a)))
            })
        };
        let mut found: Vec<Value> = last.iter().rev().filter(is_of).take(limit).cloned().collect();
        found.reverse();
        found
    }
}
