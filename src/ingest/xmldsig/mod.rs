//! XML signatures over CAP (XMLDSig, enveloped): proof of who wrote a message, by keys that the operator pinned for the
//! issuer. A key or certificate inside the message proves nothing and is never looked at.
//!
//! What must hold, in this order, or the message is refused: a `Signature` stands directly in `alert`; its `SignedInfo`
//! names one reference to the whole document (`URI=""`), no transform but enveloped-signature and a canonicalisation, and
//! no algorithm outside the short list below; a pinned key fits the canonical `SignedInfo`; the digest fits the canonical
//! document without that signature. The warning is then read out of those canonical bytes and nothing else, so that
//! there is nothing beside what was signed that could be taken for it (wrapping).
//!
//! Untrusted bytes come here only after [`xml::read`] took them within its limits; the first thing that costs is
//! done over `SignedInfo` alone, and the document is made canonical only for who holds a pinned key.

mod keys;
mod signed_info;

use super::xml::{self, Node, Vocabulary};
use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bergshamra_c14n::{C14nMode, canonicalize_doc};
use bergshamra_xml::NodeSet;
use signed_info::{Canon, SignedInfo};
use uppsala::{Document, NodeId};

pub use keys::Pinned;

const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
/// Signatures that are tried: an agency's and a hub's stand side by side in some countries.
const MAX_SIGNATURES: usize = 4;
/// Canonical bytes of a `SignedInfo`; an honest one has about a thousand.
const MAX_SIGNED_INFO: usize = 16 * 1024;

/// Whether somebody signed the message, anywhere in it.
pub(super) fn is_signed(root: &Node) -> bool {
    is_signature(root) || root.children.iter().any(is_signed)
}

fn is_signature(node: &Node) -> bool {
    node.vocabulary == Vocabulary::Signature && node.name == "Signature"
}

/// The canonical document that a pinned key signed, without that signature. `root` is what [`xml::read`] made of `text`.
///
/// # Errors
/// Why no signature of it proves the message, one reason a signature.
pub(super) fn verified(text: &str, root: &Node, pinned: &Pinned) -> Result<String, String> {
    let direct: Vec<&Node> = root.children.iter().filter(|c| is_signature(c)).collect();
    if direct.is_empty() {
        return Err("the signature does not stand directly in `alert`".into());
    }
    if direct.len() > MAX_SIGNATURES {
        return Err(format!("it has {} signatures; at most {MAX_SIGNATURES} are tried", direct.len()));
    }
    let doc = uppsala::parse(text).map_err(|e| format!("it cannot be made canonical: {}", super::text::quote(&e.to_string())))?;
    let alert = doc.document_element().ok_or("it has no root element")?;
    let signatures = doc.child_elements_by_name_ns(alert, DSIG, "Signature");
    if signatures.len() != direct.len() {
        return Err("its signatures cannot be told apart".into());
    }
    let mut reasons = Vec::new();
    for (node, id) in direct.iter().zip(signatures) {
        match one(&doc, node, id, pinned) {
            Ok(canonical) => return Ok(canonical),
            Err(why) => reasons.push(why),
        }
    }
    reasons.dedup();
    Err(reasons.join("; "))
}

/// One signature.
fn one(doc: &Document<'_>, node: &Node, id: NodeId, pinned: &Pinned) -> Result<String, String> {
    let [info] = doc.child_elements_by_name_ns(id, DSIG, "SignedInfo")[..] else {
        return Err("a Signature has one SignedInfo".into());
    };
    // How SignedInfo itself is made canonical must be known first; the canonical bytes then say it again, signed.
    let [method] = doc.child_elements_by_name_ns(info, DSIG, "CanonicalizationMethod")[..] else {
        return Err("SignedInfo has one CanonicalizationMethod".into());
    };
    let prefixes = doc.first_child_element_by_name_ns(method, signed_info::EXCLUSIVE, "InclusiveNamespaces");
    let canon = Canon::new(
        doc.get_attribute(method, "Algorithm").unwrap_or_default(),
        prefixes.and_then(|p| doc.get_attribute(p, "PrefixList")).unwrap_or_default(),
    )?;
    let visible =
        if canon.mode.with_comments() { NodeSet::tree_with_comments(info, doc) } else { NodeSet::tree_without_comments(info, doc) };
    let bytes = canonical(doc, &canon, &visible)?;
    if bytes.len() > MAX_SIGNED_INFO {
        return Err(format!("SignedInfo has {} bytes; at most {MAX_SIGNED_INFO} are read", bytes.len()));
    }
    let tree = xml::read(&bytes).map_err(|e| e.to_string())?;
    let signed = SignedInfo::read(&tree)?;
    let value = node.children.iter().find(|c| c.vocabulary == Vocabulary::Signature && c.name == "SignatureValue");
    let value = base64(&value.ok_or("a Signature has a SignatureValue")?.text)?;
    if !pinned.fits(signed.method, bytes.as_bytes(), &value) {
        return Err(format!("its {} signature fits none of the keys pinned for this issuer", signed.method.name()));
    }
    let whole = NodeSet::all_without_comments(doc).subtract(&NodeSet::tree_with_comments(id, doc));
    let whole = canonical(doc, &signed.canon, &whole)?;
    if digest::digest(signed.digest, whole.as_bytes()).as_ref() != signed.value {
        return Err("the message is not the one that was signed: its digest differs".into());
    }
    Ok(whole)
}

fn canonical(doc: &Document<'_>, canon: &Canon, visible: &NodeSet) -> Result<String, String> {
    let bytes = canonicalize_doc(doc, canon.mode, Some(visible), &canon.prefixes);
    let bytes = bytes.map_err(|e| format!("it cannot be made canonical: {}", super::text::quote(&e.to_string())))?;
    String::from_utf8(bytes).map_err(|_| "it cannot be made canonical: not UTF-8".to_string())
}

/// Base64 as XML carries it: broken into lines.
fn base64(text: &str) -> Result<Vec<u8>, String> {
    let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(packed).map_err(|_| "a value in its signature is not base64".to_string())
}

/// The mode of an algorithm that has one.
fn mode(uri: &str) -> Option<C14nMode> {
    C14nMode::from_uri(uri)
}
