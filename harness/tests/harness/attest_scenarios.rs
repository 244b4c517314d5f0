//! The scenarios about evidence: each is classified, and the documentation lists each.

use chrysalis::scenario::{self, Scenario};
use std::{collections::BTreeSet, path::Path};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn all() -> Vec<Scenario> {
    of("scenarios/attest")
}

fn of(folder: &str) -> Vec<Scenario> {
    let mut files: Vec<_> = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            scenario::parse(&name, &std::fs::read(file).unwrap())
                .unwrap_or_else(|problem| panic!("{name}: {problem:?}"))
        })
        .collect()
}

#[test]
fn each_is_classified_under_the_row_that_its_name_begins_with() {
    let scenarios = all();
    assert!(scenarios.len() >= 40);
    let mut rows = BTreeSet::new();
    for scenario in &scenarios {
        let threat = scenario
            .threat
            .as_ref()
            .unwrap_or_else(|| panic!("{} has no threat", scenario.name));
        let row = scenario.name.split('-').next().unwrap().to_uppercase();
        let named: Vec<&str> = threat.catalogue.iter().map(|id| id.0.0).collect();
        assert!(named.contains(&row.as_str()), "{}: {named:?}", scenario.name);
        assert!(
            !threat.stride.is_empty() && !threat.attack.is_empty(),
            "{}",
            scenario.name
        );
        rows.extend(threat.catalogue.iter().map(|id| id.0.0));
    }
    let of_keys = of("scenarios/keys").into_iter().filter_map(|scenario| scenario.threat);
    rows.extend(of_keys.flat_map(|threat| threat.catalogue).map(|id| id.0.0));
    let missing: Vec<_> = scenario::threat::CATALOGUE
        .iter()
        .filter(|(id, _)| !rows.contains(id))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_documentation_lists_each() {
    let text = std::fs::read_to_string(root().join("docs/attestation-scenarios.md")).unwrap();
    for scenario in all() {
        assert!(text.contains(&format!("| `{}` |", scenario.name)), "{}", scenario.name);
    }
}
