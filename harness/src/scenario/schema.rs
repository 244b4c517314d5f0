//! The JSON Schema of scenario files, for editors.

use schemars::generate::SchemaSettings;

use super::file::ScenarioFile;

/// The schema, JSON Schema 2020-12, as it is checked in: pretty-printed with a line feed at the end.
///
/// # Errors
/// None in practice: a schema is JSON already.
pub fn text() -> Result<String, serde_json::Error> {
    let schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<ScenarioFile>();
    let mut text = serde_json::to_string_pretty(&schema)?;
    text.push('\n');
    Ok(text)
}
