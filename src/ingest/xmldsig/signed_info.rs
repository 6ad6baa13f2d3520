//! What a signature says it signs, read out of the canonical bytes that the key is tried on. Anything but the one shape
//! that CAP needs is refused with its name: what is not understood proves nothing.

use super::{base64, mode};
use crate::ingest::{
    text::quote,
    xml::{Node, Vocabulary},
};
use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use bergshamra_c14n::C14nMode;

pub(super) const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
/// What a reference is made canonical by where it names nothing.
const DEFAULT_CANON: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
/// Prefixes in a list of exclusive canonicalisation.
const MAX_PREFIXES: usize = 32;

/// How bytes are made of a tree.
#[derive(Debug)]
pub(super) struct Canon {
    pub mode: C14nMode,
    pub prefixes: Vec<String>,
}
impl Canon {
    pub fn new(uri: &str, prefixes: &str) -> Result<Canon, String> {
        let mode = mode(uri).ok_or_else(|| format!("`{}` is no canonicalisation that is read", quote(uri)))?;
        let prefixes: Vec<String> = prefixes.split_whitespace().map(str::to_string).collect();
        if prefixes.len() > MAX_PREFIXES {
            return Err(format!("more than {MAX_PREFIXES} prefixes in InclusiveNamespaces"));
        }
        Ok(Canon { mode, prefixes })
    }
}

/// Signature methods that are believed; SHA-1 is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    RsaSha256,
    RsaSha384,
    RsaSha512,
    EcdsaSha256,
    EcdsaSha384,
}
impl Method {
    fn of(uri: &str) -> Option<Method> {
        Some(match uri {
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256" => Method::RsaSha256,
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384" => Method::RsaSha384,
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512" => Method::RsaSha512,
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256" => Method::EcdsaSha256,
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384" => Method::EcdsaSha384,
            _ => return None,
        })
    }

    pub fn is_rsa(self) -> bool {
        matches!(self, Method::RsaSha256 | Method::RsaSha384 | Method::RsaSha512)
    }

    pub fn name(self) -> &'static str {
        match self {
            Method::RsaSha256 => "rsa-sha256",
            Method::RsaSha384 => "rsa-sha384",
            Method::RsaSha512 => "rsa-sha512",
            Method::EcdsaSha256 => "ecdsa-sha256",
            Method::EcdsaSha384 => "ecdsa-sha384",
        }
    }
}

/// A `SignedInfo` of the one shape that is read.
pub(super) struct SignedInfo {
    pub method: Method,
    /// How the document was made canonical.
    pub canon: Canon,
    pub digest: &'static digest::Algorithm,
    pub value: Vec<u8>,
}

impl SignedInfo {
    /// # Errors
    /// What stands in it that is not read.
    pub fn read(node: &Node) -> Result<SignedInfo, String> {
        let [_, method, reference] = elements(node, &["CanonicalizationMethod", "SignatureMethod", "Reference"])?[..] else {
            return Err("SignedInfo must hold one CanonicalizationMethod, one SignatureMethod and one Reference".into());
        };
        if !method.children.is_empty() {
            return Err("SignatureMethod has parameters, which are not read".into());
        }
        let uri = algorithm(method)?;
        let method = Method::of(uri).ok_or_else(|| {
            format!("signature method `{}` is not believed; sign by rsa-sha256 (or 384, 512) or ecdsa-sha256 (or 384)", quote(uri))
        })?;
        match attribute(reference, "URI") {
            Some("") => {}
            other => return Err(format!("its reference is `{}`; only the whole document (URI=\"\") is", quote(other.unwrap_or("none")))),
        }
        let parts = elements(reference, &["Transforms", "DigestMethod", "DigestValue"])?;
        let [transforms, digest, value] = parts[..] else {
            return Err("Reference must hold Transforms, DigestMethod and DigestValue, once each".into());
        };
        let digest = match algorithm(digest)? {
            "http://www.w3.org/2001/04/xmlenc#sha256" => &SHA256,
            "http://www.w3.org/2001/04/xmldsig-more#sha384" => &SHA384,
            "http://www.w3.org/2001/04/xmlenc#sha512" => &SHA512,
            other => return Err(format!("digest method `{}` is not believed; use sha256, sha384 or sha512", quote(other))),
        };
        Ok(SignedInfo { method, canon: canon(transforms)?, digest, value: base64(&value.text)? })
    }
}

/// enveloped-signature, then at most one canonicalisation: whatever else could change what is signed.
fn canon(transforms: &Node) -> Result<Canon, String> {
    let wrong = || "Transforms must be enveloped-signature, followed by at most one canonicalisation".to_string();
    if transforms.children.iter().any(|t| t.vocabulary != Vocabulary::Signature || t.name != "Transform") {
        return Err(wrong());
    }
    match transforms.children.as_slice() {
        [first, rest @ ..] if algorithm(first)? == ENVELOPED && first.children.is_empty() => match rest {
            [] => Canon::new(DEFAULT_CANON, ""),
            [canon] => {
                let prefixes = match canon.children.as_slice() {
                    [] => "",
                    [list] if list.name == "InclusiveNamespaces" => attribute(list, "PrefixList").unwrap_or_default(),
                    _ => return Err(wrong()),
                };
                Canon::new(algorithm(canon)?, prefixes)
            }
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

/// The children by these names, in this order and no others.
fn elements<'a>(node: &'a Node, names: &[&str]) -> Result<Vec<&'a Node>, String> {
    let fits = node.children.len() == names.len()
        && node.children.iter().zip(names).all(|(c, name)| c.vocabulary == Vocabulary::Signature && c.name == *name);
    if fits {
        Ok(node.children.iter().collect())
    } else {
        Err(format!("{} must hold {}, once each, in this order", node.name, names.join(", ")))
    }
}

fn attribute<'a>(node: &'a Node, name: &str) -> Option<&'a str> {
    node.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

fn algorithm(node: &Node) -> Result<&str, String> {
    attribute(node, "Algorithm").ok_or_else(|| format!("{} names no Algorithm", node.name))
}
