//! What Twilio's SMS and voice share: REST requests, error codes, the addresses of callbacks and their
//! signature. The international reference: free text, no templates.
//!
//! | fact | where from | what is done about it |
//! |---|---|---|
//! | nothing is idempotent, no key of ours is kept with a message | SDK | our reference stands in the callback address, which Twilio signs |
//! | `X-Twilio-Signature` over the **public** URL and form | SDK, vectors | checked against `public_url`; with and without port |
//! | SHA-256 with a shared key (9.13) | SDK | needs `signing_key`; a request that names it without one is refused |
//! | a status callback that failed is not made again unless configured | **not confirmed** | the look-up tells, where the engine asks |
//! | lists are newest first and filtered by `To` | SDK | one request of that moment is ours; two cannot be told apart |
//! | SMS to mainland China is narrowly limited (registered content only) | general knowledge | for other countries, or as the last account of a channel |
//! | rate: calls 1/s unless raised, messages by kind of number | general knowledge | `limits`, configurable |

pub mod callback;
pub mod errors;
pub mod rest;

use crate::channel::{Secret, exchange::parse_endpoint, limits};
use crate::core::time::Span;

/// Who we are to Twilio and it to us: read from both products' settings.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// `AC…`: part of every path.
    pub account_sid: String,
    /// Signs callbacks, and requests unless there is an API key.
    pub auth_token: Secret,
    /// `SK…` and its secret, for requests.
    pub api_key: Option<(String, Secret)>,
    /// The shared key that signs callbacks with SHA-256, when switched on.
    pub signing_key: Option<Secret>,
}

impl Credentials {
    /// Everything wrong with them and with what goes along, as `key: reason`.
    pub fn faults(&self, endpoint: &str, api_key: (&Option<String>, &Option<Secret>), request_timeout: Span) -> Vec<String> {
        let mut faults: Vec<String> = parse_endpoint(endpoint).err().into_iter().collect();
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if !plain(&self.account_sid) {
            faults.push("account_sid: must be letters and digits, such as AC…".into());
        }
        if self.auth_token.is_empty() {
            faults.push("auth_token: is empty; it also signs callbacks".into());
        }
        match api_key {
            (Some(sid), Some(secret)) if plain(sid) && !secret.is_empty() => {}
            (None, None) => {}
            _ => faults.push("api_key_sid, api_key_secret: give both or neither".into()),
        }
        faults.extend(limits::request_timeout_fault(request_timeout));
        faults
    }
}

/// Whether a sender is a number (`+…`), a short code or a name of letters and digits.
pub fn sender_fault(key: &str, from: &str) -> Option<String> {
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let number = from.strip_prefix('+').is_some_and(digits) || digits(from);
    let name = (1..=11).contains(&from.len()) && from.bytes().all(|b| b.is_ascii_alphanumeric() || b == b' ');
    (!number && !name)
        .then(|| format!("{key}: `{from}` is neither a number such as +15005550006 nor a name of at most 11 letters and digits"))
}
