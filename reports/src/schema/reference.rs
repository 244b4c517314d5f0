//! The reference page of the schema, generated from the table definitions.

use std::fmt::Write as _;

use super::{ColumnType, SCHEMA_VERSION, Tables};

/// The reference of all tables as Markdown.
pub fn reference_page() -> String {
    let mut page = format!(
        "# Run-store schema, version {SCHEMA_VERSION}\n\n\
         One folder for each run: `manifest.json` and one Parquet file for each table. Times are nanoseconds of virtual\n\
         time since the start of the run, money is nanoTON (1 TON = 1,000,000,000 nanoTON), sizes are bytes. Text may\n\
         have been chosen by a node and is not to be trusted.\n"
    );
    for table in Tables::ALL {
        // Writing to a String cannot fail.
        let _ = write!(
            page,
            "\n## `{}`\n\n{}\n\n| column | type | may be absent | meaning |\n|---|---|---|---|\n",
            table.name, table.doc
        );
        for column in table.columns {
            let absent = if column.nullable { "yes" } else { "no" };
            let _ = writeln!(
                page,
                "| `{}` | {} | {absent} | {} |",
                column.name,
                type_name(column.column_type),
                column.doc
            );
        }
    }
    page
}

fn type_name(column_type: ColumnType) -> String {
    match column_type {
        ColumnType::Bool => "bool".to_owned(),
        ColumnType::U32 => "u32".to_owned(),
        ColumnType::U64 => "u64".to_owned(),
        ColumnType::I64 => "i64".to_owned(),
        ColumnType::Text => "text".to_owned(),
        ColumnType::Code(codes) => {
            let codes: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
            format!("text: {}", codes.join(", "))
        }
    }
}
