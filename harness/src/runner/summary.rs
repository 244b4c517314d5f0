//! Verdicts for people and machines, and the commands that run a failing seed again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrysalis_world::plan::Profile;
use serde_json::json;

use super::campaign::{Campaign, SeedOutcome, Suite, Verdict};
use super::elapsed::shown;
use crate::cli::problem::CommandError;
use crate::diagnostic::source::printable;
use crate::exit::Exit;
use crate::services::Engine;

/// Failing seeds of one scenario that people are shown.
const FAILURES_SHOWN: usize = 10;

/// Expectations of a suite that had nothing to check in any run that has a verdict. Nothing is known about them, so the
/// suite is no pass: it does not test what it says.
#[must_use]
pub fn never_checked(campaign: &Campaign, suite: usize) -> Vec<&str> {
    let mut judged = campaign
        .outcomes
        .iter()
        .filter(|outcome| outcome.suite == suite && !matches!(outcome.verdict, Verdict::Broken(_)));
    let Some(first) = judged.next() else {
        return Vec::new();
    };
    let mut names: Vec<&str> = first.unchecked.iter().map(String::as_str).collect();
    for outcome in judged {
        names.retain(|name| outcome.unchecked.iter().any(|other| other == name));
    }
    names
}

/// Indices of suites of which something ended.
fn suites_of(campaign: &Campaign) -> impl Iterator<Item = usize> {
    let suites: BTreeSet<usize> = campaign.outcomes.iter().map(|outcome| outcome.suite).collect();
    suites.into_iter()
}

/// In how many runs of a suite each expectation had nothing to check, if in any.
fn unchecked(campaign: &Campaign, suite: usize) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    let outcomes = campaign.outcomes.iter().filter(|outcome| outcome.suite == suite);
    for name in outcomes.flat_map(|outcome| &outcome.unchecked) {
        *counts.entry(name.as_str()).or_default() += 1;
    }
    counts
}

/// How the campaign ends: the most serious of what happened. A scenario that failed is known to have failed, whatever
/// could not be carried out besides.
#[must_use]
pub fn exit(campaign: &Campaign) -> Exit {
    let broken = |wanted: fn(&CommandError) -> bool| {
        campaign
            .outcomes
            .iter()
            .any(|outcome| matches!(&outcome.verdict, Verdict::Broken(error) if wanted(error)))
    };
    if let Some(signal) = campaign.signal {
        Exit::Signal(signal)
    } else if broken(|error| matches!(error, CommandError::Panicked { .. })) {
        Exit::Internal
    } else if broken(|error| matches!(error, CommandError::NotDeterministic { .. })) {
        Exit::NotDeterministic
    } else if campaign
        .outcomes
        .iter()
        .any(|outcome| matches!(outcome.verdict, Verdict::Failed(_)))
    {
        Exit::Failures
    } else if broken(|_| true) {
        Exit::Environment
    } else if suites_of(campaign).any(|suite| !never_checked(campaign, suite).is_empty()) {
        Exit::Failures
    } else {
        Exit::Pass
    }
}

/// The command that runs one seed again.
#[must_use]
pub fn again(suite: &Suite<'_>, outcome: &SeedOutcome, engine: Engine) -> String {
    let path = &suite.selected.path;
    match &outcome.folder {
        Some(folder) => format!("chrysalis replay {}", quoted(&folder.display().to_string())),
        None => {
            let (path, seed) = (quoted(&path.display().to_string()), outcome.seed);
            let profile = match suite.profile {
                Profile::Hardened => "",
                Profile::Reference => " --profile reference",
            };
            let contracts = suite.contracts.map_or_else(String::new, |folder| {
                format!(" --contracts {}", quoted(&folder.display().to_string()))
            });
            format!(
                "chrysalis run {path} --seeds {seed}..{} --engine {}{profile}{contracts}",
                seed.saturating_add(1),
                engine.name()
            )
        }
    }
}

/// A word as a shell reads it back.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./=:,@+%".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The summary for people.
#[must_use]
pub fn text(campaign: &Campaign, suites: &[Suite<'_>], engine: Engine) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    for (index, suite) in suites.iter().enumerate() {
        let outcomes: Vec<&SeedOutcome> = campaign
            .outcomes
            .iter()
            .filter(|outcome| outcome.suite == index)
            .collect();
        if outcomes.is_empty() {
            continue;
        }
        let passed = outcomes
            .iter()
            .filter(|outcome| outcome.verdict == Verdict::Passed)
            .count();
        let resumed = outcomes.iter().filter(|outcome| outcome.resumed).count();
        let never = never_checked(campaign, index);
        let all_is_well = passed == outcomes.len() && never.is_empty();
        let word = if all_is_well { "pass" } else { "FAIL" };
        let kept = if resumed == 0 {
            String::new()
        } else {
            format!(", {resumed} of them from before")
        };
        let name = &suite.selected.scenario.name;
        let _ = writeln!(out, "{word}  {name}: {passed} of {} seeds passed{kept}", outcomes.len());
        for (name, count) in unchecked(campaign, index) {
            let never = if never.contains(&name) {
                ", so it says nothing"
            } else {
                ""
            };
            let _ = writeln!(
                out,
                "      nothing to check for {name} in {count} of {} seeds{never}",
                outcomes.len()
            );
        }
        let bad: Vec<&&SeedOutcome> = outcomes
            .iter()
            .filter(|outcome| outcome.verdict != Verdict::Passed)
            .collect();
        for outcome in bad.iter().take(FAILURES_SHOWN) {
            let _ = writeln!(out, "      seed {}", outcome.seed);
            for line in reasons(&outcome.verdict) {
                let _ = writeln!(out, "        {}", printable(&line).replace('\n', " "));
            }
            let _ = writeln!(out, "        again: {}", again(suite, outcome, engine));
        }
        if let Some(more) = bad.len().checked_sub(FAILURES_SHOWN).filter(|more| *more > 0) {
            let _ = writeln!(out, "      and {more} more seeds");
        }
    }
    let ended = campaign.outcomes.len();
    let _ = writeln!(
        out,
        "{ended} of {} runs on {} in {}",
        campaign.total,
        engine.name(),
        shown(campaign.elapsed)
    );
    out
}

/// Why a seed has not passed, one line each.
#[must_use]
pub fn reasons(verdict: &Verdict) -> Vec<String> {
    match verdict {
        Verdict::Passed => Vec::new(),
        Verdict::Failed(failures) => failures.clone(),
        Verdict::Broken(error) => vec![format!("{error} [{}]", error.code())],
    }
}

/// The summary for machines.
#[must_use]
pub fn json(campaign: &Campaign, suites: &[Suite<'_>], engine: Engine) -> serde_json::Value {
    let scenarios: Vec<serde_json::Value> = suites
        .iter()
        .enumerate()
        .map(|(index, suite)| {
            let outcomes = || campaign.outcomes.iter().filter(move |outcome| outcome.suite == index);
            let failed: Vec<serde_json::Value> = outcomes()
                .filter(|outcome| outcome.verdict != Verdict::Passed)
                .map(|outcome| {
                    let code = match &outcome.verdict {
                        Verdict::Broken(error) => Some(error.code().id()),
                        Verdict::Passed | Verdict::Failed(_) => None,
                    };
                    json!({
                        "seed": outcome.seed,
                        "reasons": reasons(&outcome.verdict),
                        "code": code,
                        "folder": outcome.folder.as_ref().map(|folder| folder.display().to_string()),
                        "again": again(suite, outcome, engine),
                    })
                })
                .collect();
            json!({
                "name": suite.selected.scenario.name,
                "path": suite.selected.path.display().to_string(),
                "seeds": suite.seeds.to_string(),
                "ended": outcomes().count(),
                "passed": outcomes().filter(|outcome| outcome.verdict == Verdict::Passed).count(),
                "resumed": outcomes().filter(|outcome| outcome.resumed).count(),
                "nothing_to_check": unchecked(campaign, index),
                "never_checked": never_checked(campaign, index),
                "failed": failed,
            })
        })
        .collect();
    json!({
        "format": "chrysalis summary 2",
        "program": env!("CARGO_PKG_VERSION"),
        "engine": engine.name(),
        "runs": campaign.total,
        "ended": campaign.outcomes.len(),
        "elapsed_ms": u64::try_from(campaign.elapsed.as_millis()).unwrap_or(u64::MAX),
        "interrupted_by_signal": campaign.signal,
        "exit_code": exit(campaign).code(),
        "scenarios": scenarios,
    })
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quoted("runs/hello/3"), "runs/hello/3");
        assert_eq!(quoted("my runs/it's"), r"'my runs/it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
