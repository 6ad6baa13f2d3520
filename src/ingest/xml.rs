//! XML from strangers as a small tree, within limits that no honest warning reaches: no DOCTYPE ever
//! (so no entity can be declared), depth, element and attribute counts, and quick-xml's own limit of
//! namespace bindings. Nothing is ever fetched.

use super::text::{self, quote};
use crate::core::warning::Refusal;
use quick_xml::{
    XmlVersion,
    events::{BytesStart, Event},
    name::ResolveResult,
    reader::NsReader,
};

/// CAP needs five levels, a signature with certificates about eight.
pub const MAX_DEPTH: usize = 16;
/// A message for every county of a province with polygons has some thousand. Comments, instructions and CDATA sections
/// count as elements: each is a node to whoever makes the document canonical.
pub const MAX_ELEMENTS: usize = 20_000;
/// On one element.
pub const MAX_ATTRIBUTES: usize = 32;

/// Which vocabulary an element belongs to; kept as a word, because a stranger's URI may be a megabyte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    None,
    Cap10,
    Cap11,
    Cap12,
    /// `http://com.icss.amp`: the national system's own.
    National,
    /// XMLDSig: a signature and its parts, never a field.
    Signature,
    Other,
}

impl Vocabulary {
    fn of(uri: &str) -> Vocabulary {
        match uri.trim() {
            "" => Vocabulary::None,
            "http://www.incident.com/cap/1.0" => Vocabulary::Cap10,
            "urn:oasis:names:tc:emergency:cap:1.1" => Vocabulary::Cap11,
            "urn:oasis:names:tc:emergency:cap:1.2" => Vocabulary::Cap12,
            "http://com.icss.amp" => Vocabulary::National,
            "http://www.w3.org/2000/09/xmldsig#" => Vocabulary::Signature,
            _ => Vocabulary::Other,
        }
    }
}

/// An element: its local name, its own text (children's text not included) and its children in order.
#[derive(Debug)]
pub struct Node {
    pub name: String,
    pub vocabulary: Vocabulary,
    pub text: String,
    /// Local names and values, in order; bindings of namespaces are left out.
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Node>,
}

impl Node {
    /// The children of a name, in this element's vocabulary or one that warnings are written in: a
    /// stranger's element (such as a signature's) is never taken for a field.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        let is_ours = |v: Vocabulary| !matches!(v, Vocabulary::Other | Vocabulary::Signature);
        self.children.iter().filter(move |c| c.name == name && (c.vocabulary == self.vocabulary || is_ours(c.vocabulary)))
    }

    /// Whether there is such a child at all, empty or not.
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The first non-empty text of a child as one clean line. Empty elements count as absent.
    pub fn line(&self, name: &str) -> Option<String> {
        self.all(name).map(|c| text::line(&c.text)).find(|t| !t.is_empty())
    }

    /// The first non-empty text of a child, with its lines.
    pub fn lines(&self, name: &str) -> Option<String> {
        self.all(name).map(|c| text::clean(&c.text)).find(|t| !t.is_empty())
    }
}

/// Parses a document.
///
/// # Errors
/// [`Refusal::Malformed`] when it is not well-formed, has a DOCTYPE, an unknown entity, or breaks a limit.
pub fn read(text: &str) -> Result<Node, Refusal> {
    let mut reader = NsReader::from_str(text);
    reader.config_mut().enable_all_checks(true);
    let mut open: Vec<Node> = Vec::new();
    let mut root: Option<Node> = None;
    let mut elements = 0;
    loop {
        let at = reader.buffer_position();
        let bad = |what: String| Refusal::Malformed(format!("line {}: {what}", line_of(text, at)));
        let (space, event) = reader.read_resolved_event().map_err(|e| bad(format!("not well-formed XML: {}", quote(&e.to_string()))))?;
        if matches!(event, Event::Start(_) | Event::Empty(_) | Event::Comment(_) | Event::PI(_) | Event::CData(_)) {
            elements += 1;
            if elements > MAX_ELEMENTS {
                return Err(bad(format!("more than {MAX_ELEMENTS} elements")));
            }
        }
        match event {
            Event::Start(ref start) | Event::Empty(ref start) => {
                if root.is_some() {
                    return Err(bad("a second root element".into()));
                }
                if open.len() >= MAX_DEPTH {
                    return Err(bad(format!("elements nested more than {MAX_DEPTH} deep")));
                }
                let vocabulary = match space {
                    ResolveResult::Unbound => Vocabulary::None,
                    ResolveResult::Bound(uri) => Vocabulary::of(uri.0),
                    ResolveResult::Unknown(prefix) => return Err(bad(format!("prefix `{}` is not declared", quote(&prefix)))),
                };
                let attributes = attributes(start).map_err(bad)?;
                let name = start.local_name().into_inner().to_string();
                let node = Node { name, vocabulary, text: String::new(), attributes, children: Vec::new() };
                if matches!(event, Event::Empty(_)) {
                    place(node, &mut open, &mut root);
                } else {
                    open.push(node);
                }
            }
            Event::End(_) => {
                if let Some(node) = open.pop() {
                    place(node, &mut open, &mut root);
                }
            }
            Event::Text(t) => add_text(&t.xml10_content(), &mut open).map_err(bad)?,
            Event::CData(t) => add_text(&t.xml10_content(), &mut open).map_err(bad)?,
            Event::GeneralRef(entity) => {
                let character = match entity.xml10_content().as_ref() {
                    "amp" => Some('&'),
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => entity.resolve_char_ref().map_err(|e| bad(format!("bad character reference: {e}")))?,
                };
                let Some(character) = character else {
                    return Err(bad(format!(
                        "unknown entity `&{};`; only the five predefined ones are read",
                        quote(&entity.xml10_content())
                    )));
                };
                add_text(character.encode_utf8(&mut [0; 4]), &mut open).map_err(bad)?;
            }
            Event::DocType(_) => return Err(bad("a DOCTYPE; warnings have none, and it is never read".into())),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => {
                if let Some(unclosed) = open.last() {
                    return Err(bad(format!("the document ends inside `{}`; it was cut off", quote(&unclosed.name))));
                }
                return root.ok_or_else(|| bad("no element at all; this is not XML".into()));
            }
        }
    }
}

fn place(node: Node, open: &mut [Node], root: &mut Option<Node>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(node),
        None => *root = Some(node),
    }
}

fn add_text(text: &str, open: &mut [Node]) -> Result<(), String> {
    match open.last_mut() {
        Some(node) => node.text.push_str(text),
        None if text.trim_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}').is_empty() => {}
        None => return Err(format!("text outside the root element: `{}`", quote(text))),
    }
    Ok(())
}

fn attributes(start: &BytesStart) -> Result<Vec<(String, String)>, String> {
    let mut all = Vec::new();
    // Duplicates are compared pairwise by the reader, so the count is bounded as it goes.
    for (n, attribute) in start.attributes().enumerate() {
        if n >= MAX_ATTRIBUTES {
            return Err(format!("more than {MAX_ATTRIBUTES} attributes on one element"));
        }
        let attribute = attribute.map_err(|e| format!("bad attribute: {e}"))?;
        if attribute.key.as_namespace_binding().is_none() {
            let name = attribute.key.local_name().into_inner().to_string();
            // A reference nobody declared stays as it is written: no field of a warning is an attribute.
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).unwrap_or_else(|_| attribute.value.clone());
            all.push((name, value.into_owned()));
        }
    }
    Ok(all)
}

/// The 1-based line of a byte position: where a person looks.
fn line_of(text: &str, at: u64) -> usize {
    let at = usize::try_from(at).unwrap_or(usize::MAX).min(text.len());
    1 + text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(xml: &str) -> String {
        match read(xml) {
            Err(Refusal::Malformed(why)) => why,
            other => panic!("not refused as malformed: {other:?}"),
        }
    }

    #[test]
    fn text_entities_and_sections_come_out_as_characters() {
        let root = read("<a xmlns='urn:oasis:names:tc:emergency:cap:1.2'><b>1 &lt; 2 &#x4E2D;<![CDATA[ & ]]></b><c/></a>").unwrap();
        assert_eq!((root.vocabulary, root.line("b").as_deref()), (Vocabulary::Cap12, Some("1 < 2 中 &")));
        assert!(root.has("c") && root.line("c").is_none());
    }

    #[test]
    fn a_strangers_element_is_not_taken_for_a_field() {
        let root = read("<a xmlns='urn:oasis:names:tc:emergency:cap:1.2' xmlns:x='urn:x'><x:b>no</x:b><b xmlns=''>yes</b></a>").unwrap();
        assert_eq!(root.line("b").as_deref(), Some("yes"));
    }

    #[test]
    fn every_bomb_is_refused_at_its_fuse() {
        assert!(refused("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>").contains("DOCTYPE"));
        assert!(refused("<a>&x;</a>").contains("unknown entity"));
        assert!(refused(&"<a>".repeat(1_000_000)).contains("nested"));
        assert!(refused(&format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS))).contains("elements"));
        let attributes: String = (0..5000).map(|n| format!(" a{n}=''")).collect();
        assert!(refused(&format!("<a{attributes}/>")).contains("attributes"));
        let bindings: String = (0..5000).map(|n| format!(" xmlns:p{n}='urn:{n}'")).collect();
        refused(&format!("<a{bindings}/>"));
        let nested: String = (0..4000).map(|n| format!("<a xmlns:p{n}='urn:{n}'>")).collect();
        refused(&nested);
    }

    #[test]
    fn what_is_not_well_formed_is_refused_with_its_line() {
        assert!(refused("<a>\n<b>\n</a>").starts_with("line 3"));
        for bad in ["", "   ", "hello", "<a>", "<a/><b/>", "<a/>x", "<p:a/>", "<a b=c/>", "<a b='1' b='2'/>", "<a>&#0;</a>"] {
            refused(bad);
        }
    }
}
