//! Power losses, process deaths and disk faults, seen through `Env::files`.

use crate::support::{Pair, engines, pair};
use chrysalis_env::{Env, OpenMode};
use chrysalis_sim::{DiskFault, DiskSpec, KillMode, NodeSpec, SimConfig, run};
use std::{collections::BTreeSet, io, net::Ipv4Addr, path::Path, time::Duration};

fn read(env: &Env, path: &str) -> io::Result<Vec<u8>> {
    let file = env.files().open(Path::new(path), OpenMode::Existing)?;
    let mut bytes = vec![0; file.len_bytes()? as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

fn write(env: &Env, path: &str, bytes: &[u8], sync: bool) -> io::Result<()> {
    let file = env.files().open(Path::new(path), OpenMode::Truncate)?;
    file.write_all_at(bytes, 0)?;
    if sync {
        file.sync()?;
        env.files().sync_names(Path::new(path).parent().unwrap())?;
    }
    Ok(())
}

/// The careful way to replace a file: whole old content or whole new content, whatever happens.
fn replace(env: &Env, bytes: &[u8]) -> io::Result<()> {
    let files = env.files();
    let file = files.open(Path::new("state.new"), OpenMode::Truncate)?;
    file.write_all_at(bytes, 0)?;
    file.sync()?;
    files.rename(Path::new("state.new"), Path::new("state"))?;
    files.sync_names(Path::new(""))
}

#[test]
fn a_process_death_loses_nothing_and_a_wipe_everything() {
    pair(|pair| async move {
        write(&pair.server.env(), "a/b", b"kept", false).unwrap();
        pair.server.kill(KillMode::Process);
        pair.server.restart();
        let env = pair.server.env();
        assert_eq!(read(&env, "a/b").unwrap(), b"kept");
        assert!(env.files().exists(Path::new("/a/./b")));
        pair.server.wipe_disk();
        assert!(!env.files().exists(Path::new("a/b")));
        assert_eq!(read(&env, "a/b").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(read(&env, "../b").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    });
}

#[test]
fn synchronised_files_survive_a_power_loss_and_others_may_not() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..40 {
        for engine in engines() {
            let (outcome, _) = run(engine, SimConfig::new(seed), move |sim| async move {
                let pair = Pair::new(engine, &sim, 1);
                let env = pair.server.env();
                write(&env, "durable", &[1; 2_000], true).unwrap();
                write(&env, "name-lost", b"x", false).unwrap();
                env.files()
                    .open(Path::new("durable"), OpenMode::Existing)
                    .unwrap()
                    .write_all_at(&[2; 2_000], 0)
                    .unwrap();
                pair.server.kill(KillMode::PowerLoss);
                pair.server.restart();
                let env = pair.server.env();
                let durable = read(&env, "durable").unwrap();
                assert_eq!(durable.len(), 2_000);
                (durable[0], durable[1_999], env.files().exists(Path::new("name-lost")))
            })
            .unwrap();
            if engine == chrysalis_sim::EngineKind::Native {
                outcomes.insert(outcome);
            }
        }
    }
    assert_eq!(outcomes.len(), 8, "every combination of losses occurs: {outcomes:?}");
}

#[test]
fn decisions_do_not_depend_on_the_order_of_writes() {
    let survivors = |backwards: bool| {
        run(
            chrysalis_sim::EngineKind::Native,
            SimConfig::new(3),
            move |sim| async move {
                let pair = Pair::new(chrysalis_sim::EngineKind::Native, &sim, 1);
                let env = pair.server.env();
                let mut names: Vec<String> = (0..20).map(|index| format!("file-{index}")).collect();
                names
                    .iter()
                    .for_each(|name| write(&env, name, &[1; 4_096], true).unwrap());
                if backwards {
                    names.reverse();
                }
                for name in &names {
                    let file = env.files().open(Path::new(name), OpenMode::Existing).unwrap();
                    file.write_all_at(&[2; 4_096], 0).unwrap();
                }
                pair.server.kill(KillMode::PowerLoss);
                pair.server.restart();
                names.sort();
                let env = pair.server.env();
                names.iter().map(|name| read(&env, name).unwrap()).collect::<Vec<_>>()
            },
        )
        .unwrap()
        .0
    };
    let forwards = survivors(false);
    assert_eq!(forwards, survivors(true));
    assert!(forwards.iter().flatten().any(|byte| *byte == 1));
    assert!(forwards.iter().flatten().any(|byte| *byte == 2));
}

/// Runs `update` with a power loss after every number of disk operations, until it gets through; says what was found.
fn every_crash_point(update: fn(&Env, &[u8]) -> io::Result<()>) -> (u64, BTreeSet<Vec<u8>>) {
    let mut found = BTreeSet::new();
    for operations in 0.. {
        let (outcome, _) = run(
            chrysalis_sim::EngineKind::Native,
            SimConfig::new(operations),
            move |sim| async move {
                let pair = Pair::new(chrysalis_sim::EngineKind::Native, &sim, 1);
                let env = pair.server.env();
                replace(&env, &[1; 3_000]).unwrap();
                pair.server.set_disk_fault(DiskFault::PowerLossAfter { operations });
                let (done, finished) = tokio::sync::oneshot::channel();
                env.clone().spawn("updater", async move {
                    let result = update(&env, &[2; 3_000]);
                    // After a power loss this is the last the node does; nobody may see it.
                    let _ = done.send(result.is_ok());
                    env.sleep(Duration::from_secs(1)).await;
                });
                let through = finished.await.unwrap();
                sim.sleep(Duration::from_millis(1)).await;
                assert_eq!(pair.server.is_up(), through);
                pair.server.kill(KillMode::PowerLoss);
                pair.server.restart();
                (through, read(&pair.server.env(), "state").unwrap())
            },
        )
        .unwrap();
        found.insert(outcome.1);
        if outcome.0 {
            return (operations, found);
        }
    }
    unreachable!("an update ends")
}

#[test]
fn a_careful_update_survives_every_crash_point() {
    let (operations, found) = every_crash_point(replace);
    assert_eq!(operations, 5);
    let whole: BTreeSet<Vec<u8>> = [vec![1; 3_000], vec![2; 3_000]].into();
    assert_eq!(found, whole);
}

#[test]
fn a_careless_update_does_not() {
    let (_, found) = every_crash_point(|env, bytes| write(env, "state", bytes, true));
    assert!(found.iter().any(|state| *state != [1; 3_000] && *state != [2; 3_000]));
}

#[test]
fn a_full_disk_and_a_failing_disk_say_so() {
    for engine in engines() {
        run(engine, SimConfig::new(1), move |sim| async move {
            let mut spec = NodeSpec::new("small", Ipv4Addr::new(10, 0, 0, 1));
            spec.disk = DiskSpec {
                capacity_bytes: Some(1_000),
            };
            let node = sim.add_node(spec).unwrap();
            let env = node.env();
            write(&env, "a", &[0; 600], false).unwrap();
            let error = write(&env, "b", &[0; 401], false).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            write(&env, "b", &[0; 400], false).unwrap();
            env.files().remove(Path::new("a")).unwrap();
            env.files().sync_names(Path::new("")).unwrap();
            write(&env, "c", &[0; 600], false).unwrap();

            node.set_disk_fault(DiskFault::Full);
            assert_eq!(
                write(&env, "d", &[], false).unwrap_err().kind(),
                io::ErrorKind::StorageFull
            );
            assert_eq!(read(&env, "c").unwrap().len(), 600);
            node.set_disk_fault(DiskFault::Errors { ppm: 500_000 });
            let failures = (0..200).filter(|_| read(&env, "c").is_err()).count();
            assert!((100..200).contains(&failures), "{failures}");
            node.set_disk_fault(DiskFault::None);
            assert!(read(&env, "c").is_ok());
        })
        .unwrap();
    }
}

#[test]
fn an_open_file_outlives_its_name_but_not_its_process() {
    pair(|pair| async move {
        let env = pair.server.env();
        write(&env, "x", b"content", true).unwrap();
        let file = env.files().open(Path::new("x"), OpenMode::Existing).unwrap();
        env.files().remove(Path::new("x")).unwrap();
        env.files().sync_names(Path::new("")).unwrap();
        let mut bytes = [0; 7];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"content");
        assert_eq!(
            file.read_exact_at(&mut bytes, 1).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
        pair.server.restart();
        assert!(file.read_exact_at(&mut bytes, 0).is_err());
        assert!(!pair.server.env().files().exists(Path::new("x")));
    });
}
