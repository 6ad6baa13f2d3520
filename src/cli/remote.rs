//! A gateway that runs, asked over its own API: SQLite belongs to one process, and a drill is the gateway's to start.

use super::Failure;
use crate::{
    channel::http::{ClientSettings, client},
    config::Config,
};
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct Remote {
    /// Address of a running gateway.
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// A file with the token to use there. Default: the variable JIAOYING_TOKEN.
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// What a gateway answered.
pub(super) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}
impl Answer {
    pub fn json(&self) -> Result<Value, Failure> {
        serde_json::from_slice(&self.body).map_err(|e| Failure::Failed(format!("the gateway's answer cannot be read: {e}")))
    }
}

impl Remote {
    /// The address: as given, else what the configuration says the gateway is reached by.
    fn base(&self, config: Option<&Config>) -> Result<String, Failure> {
        let known = self.url.clone().or_else(|| config.map(|c| format!("http://{}", c.server.listen)));
        known.map(|u| u.trim_end_matches('/').to_string()).ok_or_else(|| Failure::Usage("give the gateway's address by --url".into()))
    }

    fn token(&self) -> Result<String, Failure> {
        match &self.token_file {
            Some(path) => std::fs::read_to_string(path)
                .map(|t| t.trim().to_string())
                .map_err(|e| Failure::Usage(format!("{}: cannot be read: {e}", path.display()))),
            None => std::env::var("JIAOYING_TOKEN")
                .map_err(|_| Failure::Usage("give a token by --token-file FILE or the variable JIAOYING_TOKEN".into())),
        }
    }

    /// Asks; whatever is refused is told in the gateway's own words.
    pub async fn ask(
        &self,
        config: Option<&Config>,
        method: &str,
        path: &str,
        query: &[(&str, String)],
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Answer, Failure> {
        let base = self.base(config)?;
        let http = client(&ClientSettings::default()).map_err(Failure::Failed)?;
        let mut url = url::Url::parse(&format!("{base}{path}")).map_err(|e| Failure::Usage(format!("--url {base}: {e}")))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query.iter().map(|(k, v)| (*k, v.as_str())));
        }
        let request = if method == "GET" { http.get(url) } else { http.post(url) };
        let mut request = request.bearer_auth(self.token()?);
        if let Some((media, bytes)) = body {
            request = request.header("content-type", media).body(bytes);
        }
        let response = request.send().await.map_err(|e| Failure::Failed(format!("{base}: {}", crate::channel::http::reasons(&e))))?;
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(|e| Failure::Failed(format!("{base}: {}", crate::channel::http::reasons(&e))))?.to_vec();
        if status >= 400 {
            let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
            let detail = problem["detail"].as_str().unwrap_or_default();
            let fields: Vec<String> = problem["errors"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|e| format!("{}: {}", e["pointer"].as_str().unwrap_or_default(), e["detail"].as_str().unwrap_or_default()))
                .collect();
            return Err(Failure::Failed(format!("{status} {detail} {}", fields.join("; ")).trim().to_string()));
        }
        Ok(Answer { status, body })
    }
}
