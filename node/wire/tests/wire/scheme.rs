//! Constructor ids against their declarations, the checked-in scheme, and the table of the reference's description.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use chrysalis_wire::{
    Boxed, objects,
    objects::constructors,
    query::Query,
    tl::{Constructor, TlObject},
};

use crate::golden::{assert_golden, package_path};

/// CRC-32 (IEEE, reflected), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut register = u32::MAX;
    for byte in bytes {
        register ^= u32::from(*byte);
        for _ in 0..8 {
            register = (register >> 1) ^ (0xedb8_8320 & (register & 1).wrapping_neg());
        }
    }
    !register
}

#[test]
fn crc32_is_the_usual_one() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    assert_eq!(crc32(b"boolTrue = Bool"), 0x9972_75b5);
    assert_eq!(crc32(b"boolFalse = Bool"), 0xbc79_9737);
}

#[test]
fn implicit_ids_are_checksums_of_their_declarations() {
    let (explicit, implicit): (Vec<&Constructor>, Vec<&Constructor>) =
        constructors().partition(|constructor| constructor.is_explicit);
    for constructor in &implicit {
        let declaration = constructor.declaration();
        assert_eq!(constructor.id, crc32(declaration.as_bytes()), "{declaration}");
    }
    // The check would be empty if all ids were explicit; those that are must not be checksums by accident.
    assert_eq!(implicit.len(), 74);
    for constructor in &explicit {
        assert_ne!(
            constructor.id,
            crc32(constructor.declaration().as_bytes()),
            "{} is implicit",
            constructor.name
        );
    }
    let names: Vec<&str> = explicit.iter().map(|constructor| constructor.name).collect();
    assert_eq!(
        names,
        [
            "client.params",
            "worker.params",
            "proxy.params",
            "client.workerInstanceV2"
        ]
    );
}

#[test]
fn ids_and_names_are_unique() {
    let ids: BTreeSet<u32> = constructors().map(|constructor| constructor.id).collect();
    let names: BTreeSet<&str> = constructors().map(|constructor| constructor.name).collect();
    assert_eq!(ids.len(), constructors().count());
    assert_eq!(names.len(), constructors().count());
    for constructor in constructors() {
        assert_eq!(objects::constructor_name(constructor.id), Some(constructor.name));
    }
    assert_eq!(objects::constructor_name(0), None);
}

#[test]
fn the_checked_in_scheme_is_the_one_in_the_code() {
    let mut scheme = String::from("// Made from the code by the tests of this package: see tests/wire/main.rs.\n");
    scheme.push_str("boolFalse = Bool;\nboolTrue = Bool;\n");
    for constructor in constructors() {
        scheme.push_str(&constructor.scheme_line());
        scheme.push('\n');
    }
    assert_golden("scheme.tl", scheme.as_bytes());
}

/// The constructors of the description's tables for which an object exists here: id by name.
fn described_constructors(description: &str) -> BTreeMap<String, u32> {
    let mut described = BTreeMap::new();
    let tables = description
        .split("### 2.6")
        .nth(1)
        .unwrap()
        .split("Configuration and storage:")
        .next()
        .unwrap();
    for row in tables.lines().filter(|line| line.starts_with("| 0x")) {
        let columns: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let has_kind = columns.len() == 4;
        let ids = columns[0].split(" / ").map(|id| id.trim_end_matches(" (explicit)"));
        let names: Vec<&str> = columns[if has_kind { 2 } else { 1 }].split(" / ").collect();
        for (id, name) in ids.zip(&names) {
            // A second name may stand as an ellipsis and an ending that overlaps the first name.
            let name = match name.strip_prefix('…') {
                Some(ending) => {
                    let overlap = (0..ending.len())
                        .rev()
                        .find(|len| names[0].ends_with(&ending[..*len]))
                        .unwrap();
                    format!("{}{}", names[0], &ending[overlap..])
                }
                None => (*name).to_owned(),
            };
            described.insert(name, u32::from_str_radix(id.trim_start_matches("0x"), 16).unwrap());
        }
    }
    described
}

#[test]
fn every_described_constructor_is_there_with_its_id() {
    let Ok(description) = fs::read_to_string(package_path("../../../shared/cocoon-spec.md")) else {
        eprintln_skip("the description of the reference is not beside this checkout");
        return;
    };
    let mut described = described_constructors(&description);
    assert_eq!(described.remove("boolTrue"), Some(0x9972_75b5));
    assert_eq!(described.remove("boolFalse"), Some(0xbc79_9737));
    let implemented: BTreeMap<String, u32> = constructors()
        .map(|constructor| (constructor.name.to_owned(), constructor.id))
        .collect();
    // The key manager's constructors stand in running text and not in a table.
    for (name, id) in &described {
        assert_eq!(implemented.get(name), Some(id), "{name}");
    }
    let only_here: Vec<&String> = implemented
        .keys()
        .filter(|name| !described.contains_key(*name))
        .collect();
    assert!(
        only_here.iter().all(|name| name.starts_with("keyManager.")),
        "{only_here:?}"
    );
    for name in only_here {
        assert!(description.contains(&format!("{:#010x}", implemented[name])), "{name}");
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a skipped check must be seen in the log of the tests"
)]
fn eprintln_skip(why: &str) {
    eprintln!("skipped: {why}");
}

/// The type that a constructor's declaration ends in.
fn result_type(constructor: &Constructor) -> String {
    constructor.declaration().rsplit(" = ").next().unwrap().to_owned()
}

fn find(name: &str) -> &'static Constructor {
    constructors().find(|constructor| constructor.name == name).unwrap()
}

/// The declaration of a query names the type of its answer.
fn assert_answer_is_declared<Q: Query>() {
    let declared = result_type(find(Q::NAME));
    let answer = constructors().find(|constructor| constructor.name == <Q::Answer as Boxed>::TYPE);
    let answered = answer.map_or_else(|| <Q::Answer as Boxed>::TYPE.to_owned(), result_type);
    assert_eq!(declared, answered, "{}", Q::NAME);
}

#[test]
fn answers_have_the_type_that_their_queries_declare() {
    use objects::*;
    assert_answer_is_declared::<TestQuery>();
    assert_answer_is_declared::<ClientConnectToProxy>();
    assert_answer_is_declared::<ClientAuthorizeWithProxyShort>();
    assert_answer_is_declared::<ClientAuthorizeWithProxyLong>();
    assert_answer_is_declared::<ClientUpdatePaymentStatus>();
    assert_answer_is_declared::<ClientGetWorkerTypes>();
    assert_answer_is_declared::<ClientGetWorkerTypesV2>();
    assert_answer_is_declared::<ClientRequestRefund>();
    assert_answer_is_declared::<WorkerConnectToProxy>();
    assert_answer_is_declared::<WorkerCompareBalanceWithProxy>();
    assert_answer_is_declared::<WorkerExtendedCompareBalanceWithProxy>();
    assert_answer_is_declared::<WorkerProxyHandshakeComplete>();
    assert_answer_is_declared::<WorkerUpdatePaymentStatus>();
    assert_answer_is_declared::<KeyManagerGetWorkerPrivateKeys>();
    assert_answer_is_declared::<KeyManagerGetProxyPrivateKeys>();
    // Two queries whose answers differ must not pass for each other.
    assert_ne!(
        result_type(find(ClientGetWorkerTypes::NAME)),
        result_type(find(ClientGetWorkerTypesV2::NAME))
    );
}
