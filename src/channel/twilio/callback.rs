//! Addresses of callbacks, their signature, their times, and the answer they want.

use super::Credentials;
use crate::channel::{
    CallbackReply, CallbackRequest, Secret,
    sign::twilio::{Hash, SETTINGS, SIGNATURE, verify},
};
use crate::core::time::Time;

/// Where Twilio calls back for one account. Our reference stands in the query as `r`.
#[derive(Clone, Debug)]
pub struct Address {
    base: String,
    path: String,
}

impl Address {
    /// `Err` when there is no public URL.
    pub fn new(public_url: &str, account: &str, secret: &Secret) -> Result<Address, String> {
        let base = public_url.trim_end_matches('/').to_string();
        if !base.starts_with("http://") && !base.starts_with("https://") {
            return Err("public_url: must be what Twilio reaches us by, such as https://warning.example.org".into());
        }
        Ok(Address { base, path: format!("/callbacks/{account}/{}", secret.reveal()) })
    }
    /// The address for one message or call.
    pub fn of(&self, reference: &str) -> String {
        format!("{}{}?r={reference}", self.base, self.path)
    }
    /// Checks the signature of a callback. `Err` says what does not hold.
    pub fn check(&self, c: &Credentials, callback: &CallbackRequest<'_>) -> Result<(), String> {
        let signature = callback.header(SIGNATURE).ok_or("it has no X-Twilio-Signature")?;
        let hash = Hash::named(callback.header(SETTINGS)).ok_or("it is signed by an algorithm that is not known")?;
        let secret = match (hash, &c.signing_key) {
            (Hash::Sha1, _) => &c.auth_token,
            (Hash::Sha256, Some(key)) => key,
            (Hash::Sha256, None) => return Err("it is signed with a shared key: set `signing_key`".into()),
        };
        let url = format!("{}{}", self.base, callback.path_and_query);
        if verify(secret.reveal(), &url, callback.content_type(), callback.body, signature, hash) {
            Ok(())
        } else {
            Err("its signature does not match; is public_url what Twilio was given, and the secret right?".into())
        }
    }
}

/// Our reference in the query of a callback.
pub fn reference(query: Option<&str>) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find(|(k, v)| k == "r" && !v.is_empty()).map(|(_, v)| v.into_owned())
}

/// `Fri, 24 May 2019 17:18:27 +0000`.
pub fn rfc2822(text: &str) -> Option<Time> {
    jiff::fmt::rfc2822::parse(text).ok().map(|z| Time(z.timestamp().as_millisecond()))
}

/// TwiML that does nothing: no reply to a message, the end of a call.
pub fn reply(ok: bool) -> CallbackReply {
    twiml(ok, "")
}
/// TwiML with this inside `<Response>`.
pub fn twiml(ok: bool, inside: &str) -> CallbackReply {
    CallbackReply {
        status: if ok { 200 } else { 503 },
        content_type: "text/xml; charset=utf-8",
        body: format!(r#"<?xml version="1.0" encoding="UTF-8"?><Response>{inside}</Response>"#),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::sign::twilio::sign;

    fn credentials() -> Credentials {
        Credentials { account_sid: "AC1".into(), auth_token: Secret::new("12345"), api_key: None, signing_key: Some(Secret::new("shared")) }
    }

    #[test]
    fn a_callback_is_checked_against_the_public_address() {
        let a = Address::new("https://warning.example.org/", "tw", &Secret::new("s3cret")).unwrap();
        let url = a.of("ref1");
        assert_eq!(url, "https://warning.example.org/callbacks/tw/s3cret?r=ref1");
        let fields = [("CallSid".to_string(), "CA1".to_string()), ("Digits".into(), "1".into())];
        let signed = |secret: &str, hash| sign(secret, &url, &fields, hash);
        let check = |signature: &str, settings: Option<&str>, body: &str, c: &Credentials| {
            let mut headers = vec![("content-type", "application/x-www-form-urlencoded"), ("x-twilio-signature", signature)];
            headers.extend(settings.map(|s| (SETTINGS, s)));
            a.check(c, &CallbackRequest { path_and_query: "/callbacks/tw/s3cret?r=ref1", headers: &headers, body: body.as_bytes() })
        };
        let (sha1, c) = (signed("12345", Hash::Sha1), credentials());
        assert_eq!(check(&sha1, None, "CallSid=CA1&Digits=1", &c), Ok(()));
        assert!(check(&sha1, None, "CallSid=CA1&Digits=2", &c).is_err());
        let named = Some("key=k,algorithm=HMAC_SHA256");
        assert_eq!(check(&signed("shared", Hash::Sha256), named, "CallSid=CA1&Digits=1", &c), Ok(()));
        assert!(check(&sha1, named, "CallSid=CA1&Digits=1", &c).is_err(), "named one way, signed another");
        let none = Credentials { signing_key: None, ..c };
        assert!(check(&signed("12345", Hash::Sha256), named, "CallSid=CA1&Digits=1", &none).unwrap_err().contains("signing_key"));
        assert!(Address::new("", "a", &Secret::new("s")).is_err());
    }

    #[test]
    fn references_and_times_are_read() {
        assert_eq!(reference(Some("x=1&r=a1B2")).as_deref(), Some("a1B2"));
        assert_eq!((reference(Some("r=")), reference(None)), (None, None));
        assert_eq!(rfc2822("Fri, 24 May 2019 17:18:27 +0000").unwrap().0, 1_558_718_307_000);
        assert_eq!(rfc2822("soon"), None);
    }
}
