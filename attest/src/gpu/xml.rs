//! XML as manifests use it, and its canonical form (Canonical XML 1.1 without comments).
//!
//! What the signature covers and what is read afterwards are one tree, so there is no second opinion for an attacker to
//! exploit. The language is a subset: no document type, comments, processing instructions, CDATA or references, no
//! attributes of the `xml` namespace, no undeclared prefixes. Canonical XML is short for that subset.

use quick_xml::{Reader, events::Event};
use std::collections::BTreeMap;

/// Deepest nesting; manifests have six levels.
const MAX_DEPTH: usize = 16;
/// Most elements; manifests have about 100.
const MAX_ELEMENTS: usize = 4_096;

/// Prefixes and what they stand for; the empty prefix is the default namespace.
type Namespaces = BTreeMap<String, String>;

/// An element with everything in scope.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    prefix: String,
    pub(crate) name: String,
    /// Everything in scope here, inherited declarations included.
    namespaces: Namespaces,
    /// By namespace and local name, which is the canonical order; the value with its prefix.
    attributes: BTreeMap<(String, String), (String, String)>,
    pub(crate) children: Vec<Node>,
}

/// What elements contain.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Element(Element),
    Text(String),
}

impl Element {
    /// The namespace, empty if it has none.
    pub(crate) fn namespace(&self) -> &str {
        self.namespaces.get(&self.prefix).map_or("", String::as_str)
    }

    pub(crate) fn is(&self, namespace: &str, name: &str) -> bool {
        self.name == name && self.namespace() == namespace
    }

    pub(crate) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|child| match child {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The children, if all are elements or white space.
    pub(crate) fn only_elements(&self) -> Option<Vec<&Element>> {
        let blank = |child: &Node| match child {
            Node::Element(_) => true,
            Node::Text(text) => text.chars().all(|c| matches!(c, ' ' | '\t' | '\n')),
        };
        self.children.iter().all(blank).then(|| self.elements().collect())
    }

    /// The text, if that is all there is.
    pub(crate) fn text(&self) -> Option<&str> {
        match self.children.as_slice() {
            [] => Some(""),
            [Node::Text(text)] => Some(text),
            _ => None,
        }
    }

    pub(crate) fn attribute(&self, namespace: &str, name: &str) -> Option<&str> {
        self.attributes
            .get(&(namespace.to_owned(), name.to_owned()))
            .map(|(_, value)| value.as_str())
    }
}

/// Reads a document; none if it is not of the subset.
pub(crate) fn parse(document: &str) -> Option<Element> {
    if document.contains(['\r', '\u{feff}', '\0']) {
        return None;
    }
    let mut reader = Reader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut elements = 0;
    let mut begun = false;
    loop {
        let event = reader.read_event().ok()?;
        match event {
            Event::Decl(_) if !begun => {}
            Event::Start(start) => {
                elements += 1;
                if root.is_some() || open.len() == MAX_DEPTH || elements > MAX_ELEMENTS {
                    return None;
                }
                let inherited = open.last().map(|parent| parent.namespaces.clone()).unwrap_or_default();
                open.push(element(&start, inherited)?);
            }
            Event::End(end) => {
                let closed = open.pop()?;
                // The reader compares names already; an unbalanced document never gets here.
                debug_assert_eq!(end.local_name().as_ref(), closed.name.as_bytes());
                match open.last_mut() {
                    Some(parent) => parent.children.push(Node::Element(closed)),
                    None => root = Some(closed),
                }
            }
            Event::Text(text) => {
                let text = std::str::from_utf8(&text).ok()?;
                if text.contains(['&', '<']) {
                    return None;
                }
                match open.last_mut() {
                    Some(parent) => push_text(parent, text),
                    None if text.chars().all(|c| matches!(c, ' ' | '\t' | '\n')) => {}
                    None => return None,
                }
            }
            Event::Eof => break,
            _ => return None,
        }
        begun = true;
    }
    if open.is_empty() { root } else { None }
}

fn push_text(parent: &mut Element, text: &str) {
    if let Some(Node::Text(before)) = parent.children.last_mut() {
        before.push_str(text);
    } else {
        parent.children.push(Node::Text(text.to_owned()));
    }
}

fn element(start: &quick_xml::events::BytesStart<'_>, inherited: Namespaces) -> Option<Element> {
    let mut namespaces = inherited;
    let mut plain = Vec::new();
    let mut declared = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        let name = std::str::from_utf8(attribute.key.as_ref()).ok()?;
        let value = std::str::from_utf8(&attribute.value).ok()?.to_owned();
        // References and white space that parsers normalise are outside the subset.
        if value.contains(['&', '<', '\t', '\n']) {
            return None;
        }
        let declares = match name.split_once(':') {
            None if name == "xmlns" => Some(String::new()),
            Some(("xmlns", prefix)) => Some(simple_name(prefix)?.to_owned()),
            _ => None,
        };
        match declares {
            Some(prefix) => {
                if value.is_empty() || prefix.starts_with("xml") || declared.contains(&prefix) {
                    return None;
                }
                declared.push(prefix.clone());
                namespaces.insert(prefix, value);
            }
            None => plain.push((qualified(name)?, value)),
        }
    }
    let mut attributes = BTreeMap::new();
    for ((prefix, name), value) in plain {
        // An attribute without a prefix has no namespace, whatever the default is.
        let namespace = if prefix.is_empty() {
            String::new()
        } else {
            namespaces.get(&prefix)?.clone()
        };
        if attributes.insert((namespace, name), (prefix, value)).is_some() {
            return None;
        }
    }
    let name = start.name();
    let (prefix, name) = qualified(std::str::from_utf8(name.as_ref()).ok()?)?;
    if !prefix.is_empty() && !namespaces.contains_key(&prefix) {
        return None;
    }
    Some(Element {
        prefix,
        name,
        namespaces,
        attributes,
        children: Vec::new(),
    })
}

fn qualified(name: &str) -> Option<(String, String)> {
    let (prefix, local) = match name.split_once(':') {
        Some((prefix, local)) => (simple_name(prefix)?, local),
        None => ("", name),
    };
    (!prefix.starts_with("xml")).then_some(())?;
    Some((prefix.to_owned(), simple_name(local)?.to_owned()))
}

fn simple_name(name: &str) -> Option<&str> {
    let mut bytes = name.bytes();
    let first = bytes.next()?;
    let starts = first.is_ascii_alphabetic() || first == b'_';
    (starts && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))).then_some(name)
}

/// The canonical form of an element, which is also that of a document whose root it is. Children for which `leave_out`
/// holds are not written.
pub(crate) fn canonical(element: &Element, leave_out: &dyn Fn(&Element) -> bool) -> String {
    let mut out = String::new();
    write(&mut out, element, &Namespaces::new(), leave_out);
    out
}

fn write(out: &mut String, element: &Element, rendered: &Namespaces, leave_out: &dyn Fn(&Element) -> bool) {
    let qualified = |prefix: &str, name: &str| {
        if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{prefix}:{name}")
        }
    };
    let name = qualified(&element.prefix, &element.name);
    out.push('<');
    out.push_str(&name);
    // Sorted by prefix, the default namespace first: the order of the map.
    for (prefix, uri) in &element.namespaces {
        if rendered.get(prefix) != Some(uri) {
            let key = if prefix.is_empty() {
                "xmlns".to_owned()
            } else {
                format!("xmlns:{prefix}")
            };
            push_attribute(out, &key, uri);
        }
    }
    for ((_, local), (prefix, value)) in &element.attributes {
        push_attribute(out, &qualified(prefix, local), value);
    }
    out.push('>');
    for child in &element.children {
        match child {
            Node::Text(text) => out.push_str(&text.replace('>', "&gt;")),
            Node::Element(child) if leave_out(child) => {}
            Node::Element(child) => write(out, child, &element.namespaces, leave_out),
        }
    }
    out.push_str("</");
    out.push_str(&name);
    out.push('>');
}

fn push_attribute(out: &mut String, key: &str, value: &str) {
    out.push(' ');
    out.push_str(key);
    out.push_str("=\"");
    out.push_str(&value.replace('"', "&quot;"));
    out.push('"');
}
