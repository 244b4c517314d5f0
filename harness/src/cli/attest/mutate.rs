//! attest mutate.

use std::path::Path;
use std::sync::Arc;

use chrysalis_attest::files::{self, FoundEvidence};
use chrysalis_attest::gpu::ManifestMemo;
use chrysalis_attest::mutate::{Case, Expectation, Mutator};
use serde_json::json;

use super::args::Mutate;
use super::input::{Judge, read_as};
use super::line;
use crate::cli::args::Global;
use crate::cli::problem::CommandError;
use crate::exit::Exit;
use crate::host::Host;

/// `chrysalis attest mutate`
///
/// # Errors
/// What cannot be read or written, and evidence that is refused as it is.
pub fn mutate(host: &mut Host<'_>, global: &Global, command: &Mutate) -> Result<Exit, CommandError> {
    let mut evidence = read_as(host, &command.file, files::evidence)?;
    let judge = Judge::read(host, &command.judgement)?;
    let (Some(one), true) = (evidence.pop(), evidence.is_empty()) else {
        return Err(CommandError::Unreadable {
            path: command.file.clone(),
            problem: "as one piece of evidence: it holds that of several GPUs, and mutants are made of one".to_owned(),
        });
    };
    let genuine = case(&judge, one);
    let appraisal = genuine.appraise();
    if let Err(reason) = &appraisal.outcome {
        host.say(&format!(
            "the evidence is refused as it is, so that its mutants would show nothing: {}",
            line(&reason.to_string())
        ));
        return Ok(Exit::Refused);
    }
    let mutator = Mutator::new(&genuine, command.seed);
    let mut unexpected = 0u64;
    let end = command.first.saturating_add(command.count);
    for number in command.first..end {
        if let Some(signal) = host.signal() {
            return Ok(Exit::Signal(signal));
        }
        let mutant = mutator.mutant(number);
        let judged = mutant.judge(appraisal.identity);
        unexpected += u64::from(!judged.is_expected);
        if let Some(folder) = &command.out {
            write_changes(host, &folder.join(number.to_string()), &genuine, &mutant.case)?;
        }
        let outcome = line(&judged.outcome);
        host.data(&if global.json {
            json!({
                "number": number, "class": mutant.class.name(), "recipe": line(&mutant.recipe),
                "declared": declared(mutant.expectation), "outcome": outcome, "as_declared": judged.is_expected,
            })
            .to_string()
        } else {
            let mark = if judged.is_expected { "" } else { "   NOT AS DECLARED" };
            format!(
                "{number:>8}  {:13}  {:40}  {outcome}{mark}",
                mutant.class.name(),
                line(&mutant.recipe)
            )
        });
    }
    if !global.quiet {
        host.say(&format!(
            "{} mutants with seed {}, {unexpected} not judged as declared",
            end - command.first,
            command.seed
        ));
    }
    Ok(if unexpected == 0 { Exit::Pass } else { Exit::Refused })
}

fn case(judge: &Judge, evidence: FoundEvidence) -> Case {
    Case {
        certificates: judge.certificates_for(&evidence).to_vec(),
        collateral: judge.collateral_for(&evidence).cloned().map(Arc::new),
        evidence: evidence.bytes,
        event_log: judge.event_log.clone(),
        revocation_list: judge.revocation_list.clone(),
        manifests: judge.manifests.clone(),
        manifest_memo: Some(Arc::new(ManifestMemo::new(judge.manifests.len()))),
        trust: judge.trust.clone(),
        policy: judge.policy.clone(),
        report_data: judge.report_data,
        nonce: judge.nonce,
        challenged_unix_s: judge.challenged_unix_s,
        now_unix_s: judge.now_unix_s,
    }
}

fn declared(expectation: Expectation) -> String {
    match expectation {
        Expectation::Refused => "refused".to_owned(),
        Expectation::RefusedAs(class) => format!("refused as {class:?}"),
        Expectation::Same => "accepted as the same evidence".to_owned(),
        Expectation::RefusedOrSame => "refused, or accepted as the same evidence".to_owned(),
        Expectation::Accepted => "accepted".to_owned(),
    }
}

/// Writes the files in which a mutant differs from the genuine case.
fn write_changes(host: &Host<'_>, folder: &Path, genuine: &Case, mutant: &Case) -> Result<(), CommandError> {
    let mut changed: Vec<(String, Vec<u8>)> = Vec::new();
    if mutant.evidence != genuine.evidence {
        changed.push(("evidence.bin".to_owned(), mutant.evidence.clone()));
    }
    let lists = [
        ("certificate", "der", &mutant.certificates, &genuine.certificates),
        ("manifest", "xml", &mutant.manifests, &genuine.manifests),
    ];
    for (name, ending, of_mutant, of_genuine) in lists {
        let pairs = of_mutant.iter().zip(of_genuine).enumerate();
        let differing = pairs.filter(|(_, (changed, genuine))| changed != genuine);
        changed.extend(differing.map(|(n, (bytes, _))| (format!("{name}-{n}.{ending}"), bytes.clone())));
    }
    if mutant.revocation_list != genuine.revocation_list {
        changed.extend(
            mutant
                .revocation_list
                .clone()
                .map(|list| ("revocation-list.der".to_owned(), list)),
        );
    }
    if mutant.collateral.as_ref().map(|one| one.id()) != genuine.collateral.as_ref().map(|one| one.id()) {
        // A mutant whose collateral cannot be read has none.
        let json = mutant
            .collateral
            .as_ref()
            .and_then(|collateral| collateral.to_json().ok());
        changed.extend(json.map(|json| ("collateral.json".to_owned(), json)));
    }
    for (name, bytes) in changed {
        write_bytes(host, &folder.join(name), &bytes)?;
    }
    Ok(())
}

/// Writes a file and the folders above it.
pub(super) fn write_bytes(host: &Host<'_>, file: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let failed = |error: std::io::Error| CommandError::OutputFolder {
        path: file.to_owned(),
        why: error.to_string(),
    };
    let path = host.resolve(file);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    std::fs::write(path, bytes).map_err(failed)
}
