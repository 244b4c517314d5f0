//! lint, schema, list, explain, completions.

use clap::CommandFactory as _;
use serde_json::json;

use super::args::{Args, Completions, Explain, Global, List, Paths};
use super::problem::CommandError;
use crate::diagnostic::Code;
use crate::diagnostic::render;
use crate::exit::Exit;
use crate::host::Host;
use crate::runner::select::{Filter, Selection, select};
use crate::scenario::{properties, schema as scenario_schema};
use crate::services::ServiceError;

/// Selects scenarios as a command's paths and filters say.
///
/// # Errors
/// See [`select`].
pub fn selection(host: &Host<'_>, paths: &Paths) -> Result<Selection, CommandError> {
    let filter = Filter {
        name: paths.filter.clone(),
        tag: paths.tag.clone(),
    };
    select(&host.folder, &paths.paths, &filter)
}

/// Shows every invalid file on stderr; true if there is one.
pub fn show_invalid(host: &mut Host<'_>, selection: &Selection) -> bool {
    for diagnostic in &selection.invalid {
        let text = render::render(diagnostic, host.style);
        host.say(&text);
    }
    !selection.invalid.is_empty()
}

/// `chrysalis lint`
///
/// # Errors
/// Paths that cannot be read; nothing selected.
pub fn lint(host: &mut Host<'_>, global: &Global, paths: &Paths) -> Result<Exit, CommandError> {
    let selection = selection(host, paths)?;
    if global.json {
        let diagnostics: Vec<_> = selection.invalid.iter().map(render::json).collect();
        host.data(&json!({ "valid": selection.valid.len(), "diagnostics": diagnostics }).to_string());
    }
    if show_invalid(host, &selection) {
        return Ok(Exit::Invalid);
    }
    if !global.quiet {
        let count = selection.valid.len();
        host.say(&format!(
            "{count} {} valid",
            if count == 1 { "scenario is" } else { "scenarios are" }
        ));
    }
    Ok(Exit::Pass)
}

/// `chrysalis schema`
///
/// # Errors
/// None in practice: a schema is JSON already.
pub fn schema(host: &mut Host<'_>) -> Result<Exit, CommandError> {
    let text = scenario_schema::text().map_err(|error| CommandError::ExecutionFailed {
        what: "the schema".to_owned(),
        error: ServiceError::Environment(error.to_string()),
    })?;
    host.data(&text);
    Ok(Exit::Pass)
}

/// `chrysalis list`
///
/// # Errors
/// Paths that cannot be read; nothing selected.
pub fn list(host: &mut Host<'_>, global: &Global, list: &List) -> Result<Exit, CommandError> {
    if list.properties {
        let properties = properties::all();
        let rows = properties.iter().map(|property| {
            vec![
                property.name.to_owned(),
                property.class.to_owned(),
                property.meaning.to_owned(),
            ]
        });
        let entry = |property: &properties::Property| json!({ "name": property.name, "class": property.class, "meaning": property.meaning });
        let json = json!(properties.iter().map(entry).collect::<Vec<_>>());
        host.data(&if global.json {
            json.to_string()
        } else {
            table(rows.collect())
        });
        return Ok(Exit::Pass);
    }
    let selection = selection(host, &list.select)?;
    let rows = selection.valid.iter().map(|selected| {
        let scenario = &selected.scenario;
        vec![
            scenario.name.clone(),
            scenario.seeds.to_string(),
            scenario.tags.join(","),
            scenario.description.clone(),
        ]
    });
    let json = json!(
        selection
            .valid
            .iter()
            .map(|selected| {
                let scenario = &selected.scenario;
                json!({
                    "name": scenario.name,
                    "path": selected.path.display().to_string(),
                    "description": scenario.description,
                    "tags": scenario.tags,
                    "seeds": scenario.seeds.to_string(),
                    "race": scenario.race,
                })
            })
            .collect::<Vec<_>>()
    );
    if !selection.valid.is_empty() || global.json {
        host.data(&if global.json {
            json.to_string()
        } else {
            table(rows.collect())
        });
    }
    Ok(if show_invalid(host, &selection) {
        Exit::Invalid
    } else {
        Exit::Pass
    })
}

/// `chrysalis explain`
///
/// # Errors
/// There is no such code.
pub fn explain(host: &mut Host<'_>, global: &Global, explain: &Explain) -> Result<Exit, CommandError> {
    let codes: Vec<Code> = match &explain.code {
        None => Code::ALL.to_vec(),
        Some(text) => {
            vec![Code::from_id(text).ok_or_else(|| CommandError::UnknownCode { code: text.clone() })?]
        }
    };
    if global.json {
        let entries: Vec<_> = codes
            .iter()
            .map(|code| json!({ "code": code.id(), "title": code.title(), "explanation": code.explanation() }))
            .collect();
        host.data(&json!(entries).to_string());
    } else if let ([code], Some(_)) = (codes.as_slice(), &explain.code) {
        host.data(&format!(
            "{code}: {}\n\n{}",
            code.title(),
            wrapped(code.explanation(), 100)
        ));
    } else {
        host.data(&table(
            codes
                .iter()
                .map(|code| vec![code.id().to_owned(), code.title().to_owned()])
                .collect(),
        ));
    }
    Ok(Exit::Pass)
}

/// `chrysalis completions`
///
/// # Errors
/// None.
pub fn completions(host: &mut Host<'_>, completions: &Completions) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut Args::command(), "chrysalis", &mut script);
    host.data(&String::from_utf8_lossy(&script));
    Ok(Exit::Pass)
}

/// Rows as aligned columns; the last column is as long as it is.
#[must_use]
pub fn table(rows: Vec<Vec<String>>) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(
                ' ',
                (width + 2).saturating_sub(cell.chars().count()),
            ));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Text in lines of at most this many characters.
fn wrapped(text: &str, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}
