//! Every decoder on the seed corpus, its mutations, and noise.

use std::{cell::Cell, fs, panic};

use proptest::{
    collection::vec,
    prelude::{Strategy, any},
    sample::Index,
    test_runner::{Config, TestRunner},
};

use crate::{
    checks::{CHECKS, Check},
    golden::package_path,
};

/// The checked-in inputs of one fuzz target: seeds, and finds that became regressions.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = package_path("fuzz/corpus").join(target);
    let mut inputs: Vec<(String, Vec<u8>)> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| {
            let entry = entry.unwrap();
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect();
    inputs.sort();
    inputs
}

#[test]
fn corpus_holds() {
    for (target, check) in CHECKS {
        let inputs = corpus(target);
        assert!(!inputs.is_empty(), "{target} has no seeds");
        for (name, input) in inputs {
            let accepted = panic::catch_unwind(|| check(&input));
            let accepted = accepted.unwrap_or_else(|_| panic!("{target} fails on corpus file {name}"));
            // Messages are made by the encoder; the other targets have seeds that are refused on purpose.
            let is_refused_on_purpose = ["answer_stream", "frame", "json"].contains(&target);
            assert!(
                accepted || is_refused_on_purpose || !name.starts_with("seed-"),
                "{target} refuses {name}"
            );
        }
    }
}

/// Every fuzz target that is built calls a check, and every check has a target.
#[test]
fn checks_and_fuzz_targets_correspond() {
    let mut targets: Vec<String> = fs::read_dir(package_path("fuzz/fuzz_targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    targets.sort();
    assert_eq!(targets, CHECKS.map(|(name, _)| name));
    let manifest = fs::read_to_string(package_path("fuzz/Cargo.toml")).unwrap();
    for target in targets {
        assert!(
            manifest.contains(&format!("name = \"{target}\"")),
            "{target} is not built"
        );
        let source = fs::read_to_string(package_path("fuzz/fuzz_targets").join(format!("{target}.rs"))).unwrap();
        assert!(
            source.contains(&format!("checks::{target}(bytes);")),
            "{target} calls another check"
        );
    }
}

/// One change of an input.
#[derive(Clone, Debug)]
enum Mutation {
    SetByte(Index, u8),
    FlipBit(Index, u8),
    /// Lengths, counts, ids and flags are such words.
    SetWord(Index, u32),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    Repeat(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let word = proptest::prop_oneof![
        any::<u32>(),
        proptest::sample::select(vec![
            0,
            1,
            2,
            3,
            4,
            0x7fff_ffff,
            0x8000_0000,
            u32::MAX,
            1 << 24,
            0xffff_fffe
        ]),
    ];
    proptest::prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::SetByte(at, byte)),
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Mutation::FlipBit(at, bit)),
        (any::<Index>(), word).prop_map(|(at, word)| Mutation::SetWord(at, word)),
        (any::<Index>(), vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Mutation::Remove(from, to)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
    ]
}

fn apply(mutation: &Mutation, input: &mut Vec<u8>) {
    let span = |from: &Index, to: &Index, len: usize| {
        let (from, to) = (from.index(len + 1), to.index(len + 1));
        from.min(to)..from.max(to)
    };
    match mutation {
        Mutation::SetByte(at, byte) if !input.is_empty() => *at.get_mut(input) = *byte,
        Mutation::FlipBit(at, bit) if !input.is_empty() => *at.get_mut(input) ^= 1 << bit,
        Mutation::SetWord(at, word) if input.len() >= 4 => {
            let start = at.index(input.len() / 4) * 4;
            input[start..start + 4].copy_from_slice(&word.to_le_bytes());
        }
        Mutation::Insert(at, bytes) => {
            let at = at.index(input.len() + 1);
            input.splice(at..at, bytes.iter().copied());
        }
        Mutation::Remove(from, to) => {
            input.drain(span(from, to, input.len()));
        }
        Mutation::Repeat(from, to) => {
            let span = span(from, to, input.len());
            let copy = input[span.clone()].to_vec();
            input.splice(span.end..span.end, copy);
        }
        Mutation::SetByte(..) | Mutation::FlipBit(..) | Mutation::SetWord(..) => {}
    }
}

const MUTANTS_PER_TARGET: u32 = 4_000;

/// Runs a check on many inputs and tells how many the decoder accepted.
fn run(target: &str, check: Check, cases: u32, inputs: impl Strategy<Value = Vec<u8>>) -> u32 {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let accepted = Cell::new(0);
    let outcome = TestRunner::new(config).run(&inputs, |input| {
        accepted.set(accepted.get() + u32::from(check(&input)));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{target}: {error}");
    }
    accepted.get()
}

#[test]
fn mutated_corpus_holds() {
    for (target, check) in CHECKS {
        let seeds: Vec<Vec<u8>> = corpus(target).into_iter().map(|(_, input)| input).collect();
        let mutants = (proptest::sample::select(seeds), vec(mutation(), 1..6)).prop_map(|(mut input, mutations)| {
            mutations.iter().for_each(|mutation| apply(mutation, &mut input));
            input
        });
        // Mutants that are all refused, or all accepted, would not reach what is behind the first test of a decoder.
        let accepted = run(target, check, MUTANTS_PER_TARGET, mutants);
        assert!(
            (20..MUTANTS_PER_TARGET - 20).contains(&accepted),
            "{target} accepted {accepted} mutants"
        );
    }
}

#[test]
fn noise_holds() {
    for (target, check) in CHECKS {
        run(target, check, 512, vec(any::<u8>(), 0..96));
    }
}

/// The checks can fail: a decoder that accepts another form than it writes is caught.
#[test]
fn a_lax_decoder_would_be_caught() {
    use chrysalis_wire::tl::{Boxed, DecodeError, Reader, Writer};

    /// Reads any four bytes and writes zeros.
    struct Lax;

    impl Boxed for Lax {
        const TYPE: &'static str = "lax";
        fn boxed_len(&self) -> usize {
            4
        }
        fn write_boxed(&self, writer: &mut Writer) {
            writer.id(0);
        }
        fn read_boxed(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
            reader.id().map(|_| Self)
        }
    }

    assert!(crate::checks::recode::<Lax>(&[0; 4]));
    assert!(panic::catch_unwind(|| crate::checks::recode::<Lax>(&[1, 0, 0, 0])).is_err());
    assert!(!crate::checks::recode::<Lax>(&[0; 3]));
}
