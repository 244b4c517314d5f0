//! How threats are classified: the words and identifiers that `threat` may name, each with the name that its publisher
//! gives it. One table, so that what a report prints is what was looked up.
//!
//! ATT&CK and ATLAS: techniques as published by MITRE (ATT&CK Enterprise 17, ATLAS 5). LINDDUN: the threat types of 2023.
//! OWASP: Top 10 for LLM applications, 2025.

use super::scalar::{Scalar, ScalarError, Words, shown};

/// An identifier with its publisher's name for it.
pub type Named = (&'static str, &'static str);

/// Techniques of MITRE ATT&CK that scenarios name.
pub const ATTACK: &[Named] = &[
    ("T1036", "Masquerading"),
    ("T1040", "Network Sniffing"),
    ("T1068", "Exploitation for Privilege Escalation"),
    ("T1078", "Valid Accounts"),
    ("T1195.003", "Compromise Hardware Supply Chain"),
    ("T1200", "Hardware Additions"),
    ("T1211", "Exploitation for Defense Evasion"),
    ("T1484.002", "Trust Modification"),
    ("T1489", "Service Stop"),
    ("T1499", "Endpoint Denial of Service"),
    ("T1499.002", "Service Exhaustion Flood"),
    ("T1542", "Pre-OS Boot"),
    ("T1550", "Use Alternate Authentication Material"),
    ("T1552.004", "Private Keys"),
    ("T1553", "Subvert Trust Controls"),
    ("T1553.004", "Install Root Certificate"),
    ("T1557", "Adversary-in-the-Middle"),
    ("T1562", "Impair Defenses"),
    ("T1562.010", "Downgrade Attack"),
    ("T1563", "Remote Service Session Hijacking"),
    ("T1565.002", "Transmitted Data Manipulation"),
    ("T1584", "Compromise Infrastructure"),
    ("T1587.003", "Digital Certificates"),
    ("T1601.001", "Patch System Image"),
    ("T1601.002", "Downgrade System Image"),
    ("T1611", "Escape to Host"),
    ("T1649", "Steal or Forge Authentication Certificates"),
];

/// Techniques of MITRE ATLAS that scenarios name.
pub const ATLAS: &[Named] = &[
    ("AML.T0024", "Exfiltration via AI Inference API"),
    ("AML.T0029", "Denial of AI Service"),
    ("AML.T0040", "AI Model Inference API Access"),
    ("AML.T0048", "External Harms"),
    ("AML.T0057", "LLM Data Leakage"),
    ("AML.T0073", "Impersonation"),
];

/// OWASP's risks of LLM applications.
pub const OWASP: &[Named] = &[
    ("LLM01", "Prompt Injection"),
    ("LLM02", "Sensitive Information Disclosure"),
    ("LLM03", "Supply Chain"),
    ("LLM04", "Data and Model Poisoning"),
    ("LLM05", "Improper Output Handling"),
    ("LLM06", "Excessive Agency"),
    ("LLM07", "System Prompt Leakage"),
    ("LLM08", "Vector and Embedding Weaknesses"),
    ("LLM09", "Misinformation"),
    ("LLM10", "Unbounded Consumption"),
];

/// The project's own catalogue: rows of attestation, as docs/attestation-scenarios.md lists them, and threats to coins (T).
pub const CATALOGUE: &[Named] = &[
    ("A1", "relay and diversion"),
    ("A2", "leaked key with old evidence"),
    ("A3", "stolen quote with another key"),
    ("A4", "cuckoo: another genuine machine"),
    ("A5", "replay of nonces and roles, reflection"),
    ("A6", "collateral frozen, rolled back, suppressed"),
    ("A8", "other encodings of the same evidence"),
    ("A9", "confusion of parsers"),
    ("A10", "resumption and early data"),
    ("A11", "policy and reference values"),
    ("A12", "clocks and outages"),
    ("A13", "exhaustion of the verifier"),
    ("A14", "revocation in a live session"),
    ("A15", "another root of trust"),
    ("P1", "extracted attestation key"),
    ("P2", "machines of a kind that gives its keys away"),
    ("P3", "memory shared by an interposer after the check"),
    ("P4", "memory shared by modules that lie about their size"),
    ("P5", "chip keys of a whole family read by software"),
    ("P6", "chip key extracted by a glitch"),
    ("H1", "fake microcode and overstated levels"),
    ("H2", "memory rolled back by the host"),
    ("H3", "attack by the host on another kernel"),
    ("H4", "stack pointer moved by a sibling thread"),
    ("H5", "reports forged by way of open firmware tables"),
    ("H6", "ciphertext watched and pages moved by the host"),
    ("H7", "performance counters and stepping"),
    ("H8", "migration to another machine"),
    ("H9", "flaw in the TDX module"),
    ("H10", "flaw in microcode"),
    ("H11", "what the host feeds to the guest"),
    ("H12", "debug, profiling, service TDs"),
    ("G1", "leaks between GPU driver and host"),
    ("G3", "GPU that is not in the guest's machine"),
    ("G4", "GPU without confidential computing"),
    ("G5", "outdated or altered driver, VBIOS, firmware of a GPU"),
    ("G9", "one GPU sold many times"),
    ("T55", "keys for whoever asks at the right port"),
    ("T71", "keys for images that nobody has allowed"),
];

/// A category of STRIDE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stride {
    /// Somebody is taken for another.
    Spoofing,
    /// Something is changed.
    Tampering,
    /// Something can be denied.
    Repudiation,
    /// Something is read.
    InformationDisclosure,
    /// Somebody is not served.
    DenialOfService,
    /// Somebody may do more than he should.
    ElevationOfPrivilege,
}

/// A category of LINDDUN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Linddun {
    /// Data or actions are brought together.
    Linking,
    /// Somebody's identity is learnt.
    Identifying,
    /// Somebody cannot deny.
    NonRepudiation,
    /// Somebody's part in something is deduced.
    Detecting,
    /// More data than needed are disclosed.
    DataDisclosure,
    /// Somebody does not know what becomes of his data.
    Unawareness,
    /// Rules are not kept.
    NonCompliance,
}

impl Words for Stride {
    const WHAT: &'static str = "a category of STRIDE";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("spoofing", Self::Spoofing),
        ("tampering", Self::Tampering),
        ("repudiation", Self::Repudiation),
        ("information_disclosure", Self::InformationDisclosure),
        ("denial_of_service", Self::DenialOfService),
        ("elevation_of_privilege", Self::ElevationOfPrivilege),
    ];
    const EXAMPLES: &'static [&'static str] = &["spoofing", "information_disclosure"];
}

impl Words for Linddun {
    const WHAT: &'static str = "a category of LINDDUN";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("linking", Self::Linking),
        ("identifying", Self::Identifying),
        ("non_repudiation", Self::NonRepudiation),
        ("detecting", Self::Detecting),
        ("data_disclosure", Self::DataDisclosure),
        ("unawareness", Self::Unawareness),
        ("non_compliance", Self::NonCompliance),
    ];
    const EXAMPLES: &'static [&'static str] = &["data_disclosure", "linking"];
}

/// Declares a type of identifiers with a table.
macro_rules! identifiers {
    ($(#[$doc:meta])* $name:ident, $what:literal, $table:ident, $examples:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub Named);

        impl Scalar for $name {
            const WHAT: &'static str = $what;
            const EXAMPLES: &'static [&'static str] = $examples;

            fn parse(text: &str) -> Result<Self, ScalarError> {
                let found = $table.iter().find(|(id, _)| *id == text.trim());
                found.map(|named| Self(*named)).ok_or_else(|| ScalarError::UnknownChoice {
                    what: $what,
                    text: shown(text),
                    choices: $table.iter().map(|(id, _)| *id).collect(),
                })
            }

            fn words() -> Option<Vec<&'static str>> {
                Some($table.iter().map(|(id, _)| *id).collect())
            }
        }
    };
}

identifiers!(
    /// A technique of MITRE ATT&CK.
    AttackId,
    "a technique of MITRE ATT&CK that is known here",
    ATTACK,
    &["T1557", "T1552.004"]
);
identifiers!(
    /// A technique of MITRE ATLAS.
    AtlasId,
    "a technique of MITRE ATLAS that is known here",
    ATLAS,
    &["AML.T0057"]
);
identifiers!(
    /// A risk of OWASP's list.
    OwaspId,
    "a risk of OWASP's list for LLM applications",
    OWASP,
    &["LLM02"]
);
identifiers!(
    /// A row of the project's catalogue.
    CatalogueId,
    "a row of the catalogue of threats",
    CATALOGUE,
    &["A2", "H12"]
);

/// How a threat is classified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ThreatClass {
    /// Rows of the catalogue.
    pub catalogue: Vec<CatalogueId>,
    /// Categories of STRIDE.
    pub stride: Vec<Stride>,
    /// Categories of LINDDUN.
    pub linddun: Vec<Linddun>,
    /// Techniques of ATT&CK.
    pub attack: Vec<AttackId>,
    /// Techniques of ATLAS.
    pub atlas: Vec<AtlasId>,
    /// Risks of OWASP's list.
    pub owasp: Vec<OwaspId>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn identifiers_are_of_their_publishers_form_and_given_once() {
        let is_number = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
        for (id, _) in ATTACK {
            let (technique, sub) = id.split_once('.').map_or((*id, None), |(id, sub)| (id, Some(sub)));
            assert!(technique.strip_prefix('T').is_some_and(|n| is_number(n, 4)), "{id}");
            assert!(sub.is_none_or(|sub| is_number(sub, 3)), "{id}");
        }
        for (id, _) in ATLAS {
            assert!(id.strip_prefix("AML.T").is_some_and(|n| is_number(n, 4)), "{id}");
        }
        for table in [ATTACK, ATLAS, OWASP, CATALOGUE] {
            let ids: BTreeSet<_> = table.iter().map(|(id, _)| id).collect();
            assert_eq!(ids.len(), table.len());
            assert!(table.iter().all(|(_, name)| !name.is_empty()));
        }
    }

    #[test]
    fn only_what_stands_in_a_table_is_read() {
        assert_eq!(
            AttackId::parse("T1557"),
            Ok(AttackId(("T1557", "Adversary-in-the-Middle")))
        );
        assert!(AttackId::parse("T9999").is_err() && AtlasId::parse("T1557").is_err());
    }
}
