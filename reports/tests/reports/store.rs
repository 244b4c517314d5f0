//! Run stores on disk: nothing lost, nothing different, nothing believed that is damaged.

use crate::support;

use std::fs;
use std::path::{Path, PathBuf};

use chrysalis_reports::schema::{AssertionRow, RequestRow, RequestStatus, Row as _};
use chrysalis_reports::store::read_manifest;
use chrysalis_reports::{
    Manifest, RunDescription, RunStore, RunStoreWriter, RunVerdict, SCHEMA_VERSION, StoreError, Tables,
};
use tempfile::TempDir;

fn write(dir: &Path, tables: &Tables, run: RunDescription) -> Manifest {
    RunStoreWriter::create(dir).unwrap().write(tables, run).unwrap()
}

/// A stored run and the folder that keeps it alive.
fn stored() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let dir = folder.path().join("run");
    write(
        &dir,
        &support::tables(1, 12, false),
        support::description(1, RunVerdict::Pass),
    );
    (folder, dir)
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_table_comes_back_as_it_was() {
    let folder = TempDir::new().unwrap();
    let tables = support::tables(7, 40, true);
    // The generator fills every table and leaves some optional values absent; otherwise this test says little.
    let serialized = serde_json::to_value(&tables).unwrap();
    for table in Tables::ALL {
        assert!(
            !serialized[table.name].as_array().unwrap().is_empty(),
            "{} is empty",
            table.name
        );
    }
    assert!(tables.requests.iter().any(|request| request.ttft_ns.is_none()));
    assert!(tables.requests.iter().any(|request| request.ttft_ns.is_some()));

    let description = support::description(7, RunVerdict::Fail);
    let manifest = write(&folder.path().join("run"), &tables, description.clone());
    let store = RunStore::open(folder.path().join("run")).unwrap();
    assert_eq!(store.tables(), &tables);
    assert_eq!(store.manifest(), &manifest);
    assert_eq!(store.run(), &description);
    assert_eq!(store, RunStore::in_memory(tables, description).unwrap());
}

#[test]
fn empty_tables_and_extreme_values_come_back_as_they_were() {
    let folder = TempDir::new().unwrap();
    let empty = Tables::default();
    write(
        &folder.path().join("empty"),
        &empty,
        support::description(0, RunVerdict::Pass),
    );
    assert_eq!(RunStore::open(folder.path().join("empty")).unwrap().tables(), &empty);

    let mut extreme = support::hostile(support::tables(2, 3, false));
    extreme.requests = RequestStatus::ALL
        .iter()
        .map(|status| RequestRow {
            status: *status,
            user: u64::MAX,
            error_code: Some(i64::MIN),
            http_status: Some(u32::MAX),
            model: String::new(),
            proxy: None,
            worker: Some(String::new()),
            ..extreme.requests[0].clone()
        })
        .collect();
    // A column in which every value is absent.
    extreme.assertions = vec![AssertionRow {
        at_ns: None,
        ..extreme.assertions[0].clone()
    }];
    write(&folder.path().join("extreme"), &extreme, support::hostile_description());
    assert_eq!(
        RunStore::open(folder.path().join("extreme")).unwrap().tables(),
        &extreme
    );
}

#[test]
fn equal_runs_give_equal_bytes_and_unequal_runs_do_not() {
    let folder = TempDir::new().unwrap();
    let files = |name: &str, seed: u64| {
        let dir = folder.path().join(name);
        write(
            &dir,
            &support::tables(seed, 60, false),
            support::description(seed, RunVerdict::Pass),
        );
        names(&dir)
            .into_iter()
            .map(|file| (file.clone(), fs::read(dir.join(file)).unwrap()))
            .collect::<Vec<_>>()
    };
    let first = files("a", 1);
    assert_eq!(first.len(), Tables::ALL.len() + 1);
    assert!(first == files("b", 1), "two writes of one run differ");
    assert!(first != files("c", 2), "the comparison sees nothing");
}

/// Digests from another process, and usually from another machine. They change with the schema and with the versions of
/// polars and zstd, and with nothing else.
#[test]
fn the_manifest_of_a_known_run() {
    let manifest = write(
        &TempDir::new().unwrap().path().join("run"),
        &support::tables(1, 60, false),
        support::description(1, RunVerdict::Pass),
    );
    insta::assert_snapshot!(serde_json::to_string_pretty(&manifest).unwrap());
}

#[test]
fn a_store_is_whole_or_absent() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path().join("deep/er/run");
    let writer = RunStoreWriter::create(&dir).unwrap();
    assert!(!dir.exists());
    drop(writer);
    assert_eq!(names(dir.parent().unwrap()), Vec::<String>::new());

    write(&dir, &Tables::default(), support::description(1, RunVerdict::Pass));
    assert_eq!(names(dir.parent().unwrap()), ["run"]);
    assert!(matches!(
        RunStoreWriter::create(&dir),
        Err(StoreError::AlreadyExists { .. })
    ));
    assert!(matches!(
        RunStoreWriter::create("/"),
        Err(StoreError::AlreadyExists { .. })
    ));
    assert!(matches!(
        RunStoreWriter::create("a/.."),
        Err(StoreError::AlreadyExists { .. } | StoreError::NotARunStore { .. })
    ));

    // Two at once: the second to finish loses, and neither disturbs the other.
    let twice = folder.path().join("twice");
    let writers = [
        RunStoreWriter::create(&twice).unwrap(),
        RunStoreWriter::create(&twice).unwrap(),
    ];
    let results = writers.map(|writer| writer.write(&Tables::default(), support::description(1, RunVerdict::Pass)));
    assert!(
        matches!(results, [Ok(_), Err(StoreError::AlreadyExists { .. })]),
        "{results:?}"
    );
    RunStore::open(&twice).unwrap();
    fs::remove_dir_all(&twice).unwrap();

    // Somebody else was faster.
    let late = folder.path().join("late");
    let writer = RunStoreWriter::create(&late).unwrap();
    write_plain(&late);
    let result = writer.write(&Tables::default(), support::description(1, RunVerdict::Pass));
    assert!(matches!(result, Err(StoreError::AlreadyExists { .. })), "{result:?}");
    assert_eq!(names(folder.path()), ["deep", "late"]);
}

fn write_plain(dir: &Path) {
    fs::create_dir(dir).unwrap();
    fs::write(dir.join("file"), "x").unwrap();
}

#[test]
fn what_is_not_a_store_is_named_as_such() {
    let folder = TempDir::new().unwrap();
    assert!(matches!(
        RunStore::open(folder.path().join("none")),
        Err(StoreError::Missing { .. })
    ));
    let (_kept, dir) = stored();
    assert!(matches!(
        RunStore::open(dir.join("parts.parquet")),
        Err(StoreError::NotARunStore { .. })
    ));
    write_plain(&folder.path().join("plain"));
    assert!(matches!(
        RunStore::open(folder.path().join("plain")),
        Err(StoreError::NotARunStore { .. })
    ));
    fs::create_dir(folder.path().join("plain/manifest.json")).unwrap();
    assert!(matches!(
        RunStore::open(folder.path().join("plain")),
        Err(StoreError::NotARunStore { .. })
    ));
}

#[test]
fn manifests_are_parsed_not_trusted() {
    let edit = |change: &dyn Fn(&mut serde_json::Value)| {
        let (_kept, dir) = stored();
        let path = dir.join("manifest.json");
        let mut manifest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut manifest);
        fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
        RunStore::open(&dir).map(|_| ())
    };
    edit(&|_| {}).unwrap();
    let newer = edit(&|manifest| manifest["schema_version"] = (SCHEMA_VERSION + 1).into());
    assert!(
        matches!(newer, Err(StoreError::WrongSchemaVersion { found, .. }) if found == u64::from(SCHEMA_VERSION) + 1)
    );
    let not_a_store: [&dyn Fn(&mut serde_json::Value); 7] = [
        &|manifest| manifest["format"] = "other".into(),
        &|manifest| manifest["schema_version"] = "1".into(),
        &|manifest| manifest["run"]["seed"] = (-1).into(),
        &|manifest| manifest["run"]["verdict"] = "maybe".into(),
        &|manifest| manifest["run"]["scenario_source"] = "another".into(),
        &|manifest| manifest["run"]["extra"] = 1.into(),
        &|manifest| manifest["tables"]["invented"] = manifest["tables"]["parts"].clone(),
    ];
    for (index, change) in not_a_store.into_iter().enumerate() {
        assert!(
            matches!(edit(change), Err(StoreError::NotARunStore { .. })),
            "case {index}"
        );
    }
    let corrupt: [&dyn Fn(&mut serde_json::Value); 4] = [
        &|manifest| manifest["tables"]["parts"]["rows"] = 1.into(),
        &|manifest| manifest["tables"]["parts"]["bytes"] = 1.into(),
        &|manifest| manifest["tables"]["parts"]["sha256"] = "0".into(),
        &|manifest| drop(manifest["tables"].as_object_mut().unwrap().remove("parts")),
    ];
    for (index, change) in corrupt.into_iter().enumerate() {
        assert!(
            matches!(edit(change), Err(StoreError::CorruptTable { table, .. }) if table == "parts"),
            "case {index}"
        );
    }
    let huge = edit(&|manifest| manifest["tables"]["parts"]["rows"] = u64::MAX.into());
    assert!(matches!(huge, Err(StoreError::TooLarge { .. })), "{huge:?}");
}

#[test]
fn damage_to_any_file_is_found() {
    for table in Tables::ALL {
        let (_kept, dir) = stored();
        let path = dir.join(table.file_name());
        let good = fs::read(&path).unwrap();
        let is_corrupt = || {
            assert!(
                matches!(RunStore::open(&dir), Err(StoreError::CorruptTable { table: found, .. }) if found == table.name),
                "{}",
                table.name
            );
        };
        let mut bad = good.clone();
        bad[good.len() / 2] ^= 1;
        fs::write(&path, &bad).unwrap();
        is_corrupt();
        fs::write(&path, &good[..good.len() - 1]).unwrap();
        is_corrupt();
        fs::remove_file(&path).unwrap();
        is_corrupt();
        fs::create_dir(&path).unwrap();
        is_corrupt();
        fs::remove_dir(&path).unwrap();
        fs::write(&path, &good).unwrap();
        RunStore::open(&dir).unwrap();
        // The manifest alone can be read whatever the tables are.
        fs::write(&path, &bad).unwrap();
        read_manifest(&dir).unwrap();
    }
}

#[test]
fn truncated_manifests_are_refused() {
    let (_kept, dir) = stored();
    let path = dir.join("manifest.json");
    let good = fs::read(&path).unwrap();
    for length in (0..good.len() - 1).step_by(7) {
        fs::write(&path, &good[..length]).unwrap();
        assert!(
            matches!(RunStore::open(&dir), Err(StoreError::NotARunStore { .. })),
            "{length}"
        );
    }
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    let (_kept, dir) = stored();
    let path = dir.join(chrysalis_reports::schema::PartRow::TABLE.file_name());
    let elsewhere = dir.join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    assert!(matches!(RunStore::open(&dir), Err(StoreError::CorruptTable { .. })));
}
