//! The canonical form of XML by known answers. What rules refuse and accept is tested with the mutants
//! ([`crate::mutate`]), genuine manifests with the vectors.

use super::xml::{canonical, parse};

fn canonical_form(document: &str) -> Option<String> {
    parse(document).map(|root| canonical(&root, &|_| false))
}

#[test]
fn canonical_xml_sorts_declares_once_and_opens_empty_elements() {
    for (document, expected) in [
        ("<a/>", "<a></a>"),
        ("<?xml version=\"1.0\"?>\n<a />\n", "<a></a>"),
        ("<a b='2'   a=\"1\"></a >", "<a a=\"1\" b=\"2\"></a>"),
        // Namespaces before attributes, by prefix; attributes by namespace and name, those without a namespace first.
        (
            "<a z:y=\"3\" b=\"2\" xmlns:z=\"urn:a\" xmlns=\"urn:d\" c:x=\"4\" xmlns:c=\"urn:b\"/>",
            "<a xmlns=\"urn:d\" xmlns:c=\"urn:b\" xmlns:z=\"urn:a\" b=\"2\" z:y=\"3\" c:x=\"4\"></a>",
        ),
        // A declaration that says nothing new is left out.
        (
            "<a xmlns=\"urn:d\"><b xmlns=\"urn:d\"><c xmlns=\"urn:e\"/></b></a>",
            "<a xmlns=\"urn:d\"><b><c xmlns=\"urn:e\"></c></b></a>",
        ),
        ("<a>x > y</a>", "<a>x &gt; y</a>"),
        ("<a b='\"'/>", "<a b=\"&quot;\"></a>"),
        ("<a>\n <b/> </a>", "<a>\n <b></b> </a>"),
    ] {
        assert_eq!(canonical_form(document).as_deref(), Some(expected), "{document}");
    }
}

#[test]
fn a_part_of_a_document_takes_its_namespaces_with_it() {
    let root = parse("<a xmlns=\"urn:d\" xmlns:n=\"urn:n\"><b/></a>").unwrap();
    let inner = root.elements().next().unwrap();
    assert_eq!(
        canonical(inner, &|_| false),
        "<b xmlns=\"urn:d\" xmlns:n=\"urn:n\"></b>"
    );
    assert_eq!(
        canonical(&root, &|element| element.name == "b"),
        "<a xmlns=\"urn:d\" xmlns:n=\"urn:n\"></a>"
    );
}

#[test]
fn what_is_outside_the_subset_is_refused() {
    for document in [
        "",
        "text",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>text",
        "<a b=\"1\" b=\"2\"/>",
        "<a xmlns:p=\"urn:x\" xmlns:q=\"urn:x\" p:b=\"1\" q:b=\"2\"/>",
        "<a xmlns:p=\"urn:x\" xmlns:p=\"urn:x\"/>",
        "<p:a/>",
        "<a p:b=\"1\"/>",
        "<a xmlns=\"\"/>",
        "<a xml:lang=\"en\"/>",
        "<a xmlns:xml=\"urn:x\"/>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
        "<a>&amp;</a>",
        "<a>&#65;</a>",
        "<a b=\"&lt;\"/>",
        "<a b=\"1\n2\"/>",
        "<a><!-- x --></a>",
        "<a><?p x?></a>",
        "<a><![CDATA[x]]></a>",
        "<a>\r\n</a>",
        "\u{feff}<a/>",
        "<a><?xml version=\"1.0\"?></a>",
    ] {
        assert_eq!(canonical_form(document), None, "{document}");
    }
    let deep = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
    assert!(parse(&deep(16)).is_some());
    assert!(parse(&deep(17)).is_none());
    let wide = |elements: usize| format!("<a>{}</a>", "<b/>".repeat(elements - 1));
    assert!(parse(&wide(4_096)).is_some());
    assert!(parse(&wide(4_097)).is_none());
}

#[test]
fn a_memo_says_what_verification_says() {
    use crate::{
        anchors::GpuAnchors,
        gpu::{Architecture, ManifestMemo, Rim},
        mutate::{Lab, lab::NOW_UNIX_S, lab::Subject},
    };
    let lab = Lab::new(Subject::Gpu(Architecture::Hopper), 7);
    let other = Lab::new(Subject::Gpu(Architecture::Hopper), 8);
    let case = lab.genuine();
    let document = &case.manifests[0];
    let memo = ManifestMemo::new(4);
    let (own, others) = (lab.trust(), other.trust());
    let mut altered = document.clone();
    let at = altered.len() / 2;
    altered[at] ^= 1;
    let expired = Rim::verify(document, own.gpu(), NOW_UNIX_S).unwrap().expires_unix_s + 1;
    for _ in 0..2 {
        for (document, anchors, now) in [
            (document, own.gpu(), NOW_UNIX_S),
            (document, own.gpu(), expired),
            (document, own.gpu(), 0),
            (document, others.gpu(), NOW_UNIX_S),
            (document, &GpuAnchors::Vendor, NOW_UNIX_S),
            (&altered, own.gpu(), NOW_UNIX_S),
        ] {
            let remembered = Rim::verify_once(document, anchors, now, Some(&memo));
            assert_eq!(remembered, Rim::verify(document, anchors, now));
        }
    }
    assert!(Rim::verify_once(document, own.gpu(), NOW_UNIX_S, Some(&memo)).is_ok());
    assert!(Rim::verify_once(document, others.gpu(), NOW_UNIX_S, Some(&memo)).is_err());
}
