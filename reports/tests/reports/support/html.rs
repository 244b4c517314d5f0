//! A strict reader of our own HTML: enough to see whether text stayed text.

/// Elements that do not break a line.
const INLINE: [&str; 8] = ["bdi", "b", "i", "small", "span", "code", "strong", "a"];
/// Elements without an end tag.
const VOID: [&str; 3] = ["meta", "br", "!DOCTYPE"];

/// A start tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    /// Names of the elements around it, outermost first.
    pub(crate) path: Vec<String>,
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A page taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) elements: Vec<Element>,
    /// Pieces of text outside of `style`, each with the number of the block in which it stands.
    pub(crate) texts: Vec<(usize, String)>,
}

impl Page {
    /// Panics on anything that is not balanced, quoted and escaped.
    pub(crate) fn parse(source: &str) -> Self {
        let mut page = Self::default();
        // Names of the open elements, each with the number of the block that it is or is in.
        let mut open: Vec<(String, usize)> = Vec::new();
        let mut rest = source;
        while let Some(start) = rest.find('<') {
            page.text(&open, &rest[..start]);
            rest = &rest[start + 1..];
            if let Some(end_tag) = rest.strip_prefix('/') {
                let (name, after) = end_tag.split_once('>').expect("an end tag ends");
                let (started, _) = open.pop().expect("what ends has started");
                assert_eq!(started, name, "end tags match start tags");
                rest = after;
                continue;
            }
            let path = open.iter().map(|(name, _)| name.clone()).collect();
            let (element, self_closing, after) = start_tag(rest, path);
            rest = after;
            let name = element.name.clone();
            page.elements.push(element);
            if name == "style" {
                let (style, after) = rest.split_once("</style>").expect("the style sheet ends");
                assert!(!style.contains('<'), "a style sheet holds no markup");
                rest = after;
            } else if name == "br" {
                page.text(&open, " ");
            } else if !self_closing && !VOID.contains(&name.as_str()) {
                let around = open.last().map_or(0, |(_, block)| *block);
                let block = if INLINE.contains(&name.as_str()) {
                    around
                } else {
                    page.elements.len()
                };
                open.push((name, block));
            }
        }
        page.text(&open, rest);
        assert_eq!(open, Vec::new(), "every element ends");
        page
    }

    fn text(&mut self, open: &[(String, usize)], source: &str) {
        assert!(!source.contains('>'), "text is escaped: {source:?}");
        if !source.is_empty() {
            self.texts
                .push((open.last().map_or(0, |(_, block)| *block), unescape(source)));
        }
    }

    pub(crate) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.elements.iter().filter(move |element| element.name == name)
    }

    /// All text, a line for each piece of a block.
    pub(crate) fn text_content(&self) -> String {
        let mut lines: Vec<(usize, String)> = Vec::new();
        for (block, text) in &self.texts {
            match lines.last_mut() {
                Some((last, line)) if last == block => line.push_str(text),
                _ => lines.push((*block, text.clone())),
            }
        }
        let lines = lines
            .iter()
            .map(|(_, line)| line.trim())
            .filter(|line| !line.is_empty());
        lines.map(|line| format!("{line}\n")).collect()
    }
}

fn start_tag(source: &str, path: Vec<String>) -> (Element, bool, &str) {
    let end = source.find([' ', '>', '/']).expect("a start tag ends");
    let name = source[..end].to_owned();
    assert!(
        name == "!DOCTYPE" || name.chars().all(|c| c.is_ascii_alphanumeric()),
        "an element has a name: {name:?}"
    );
    let mut rest = &source[end..];
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches(' ');
        if let Some(after) = rest.strip_prefix("/>") {
            return (Element { name, attributes, path }, true, after);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (Element { name, attributes, path }, false, after);
        }
        let end = rest.find(['=', ' ', '>']).expect("an attribute ends");
        let key = rest[..end].to_owned();
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let (raw, after) = quoted.split_once('"').expect("an attribute is quoted");
            assert!(!raw.contains('<'), "attributes hold no markup: {raw:?}");
            value = unescape(raw);
            rest = after;
        }
        attributes.push((key, value));
    }
}

fn unescape(source: &str) -> String {
    for (index, _) in source.match_indices('&') {
        let known = ["&lt;", "&gt;", "&quot;", "&amp;"]
            .iter()
            .any(|entity| source[index..].starts_with(entity));
        assert!(known, "ampersands are escaped: {source:?}");
    }
    source
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}
