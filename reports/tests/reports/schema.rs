//! The schema as others depend on it.

use chrysalis_reports::Tables;
use chrysalis_reports::schema::{
    AssertionRow, CellError, ColumnData, ColumnType, PriceRow, RequestStatus, Row, SCHEMA_VERSION, reference_page,
};

/// A change here is a change of the schema: raise `SCHEMA_VERSION` with it.
#[test]
fn the_reference_page_of_this_version() {
    assert_eq!(SCHEMA_VERSION, 5);
    insta::assert_snapshot!(reference_page());
}

#[test]
fn every_column_is_documented_and_named_once() {
    for table in Tables::ALL {
        assert!(table.doc.ends_with('.'), "{}", table.name);
        for (index, column) in table.columns.iter().enumerate() {
            assert!(
                column.doc.ends_with('.') && !column.doc.contains('|'),
                "{}.{}",
                table.name,
                column.name
            );
            let earlier = &table.columns[..index];
            assert!(
                earlier.iter().all(|other| other.name != column.name),
                "{}.{}",
                table.name,
                column.name
            );
        }
    }
}

#[test]
fn times_and_money_say_their_unit() {
    for (table, column) in Tables::ALL
        .iter()
        .flat_map(|table| table.columns.iter().map(move |column| (table, column)))
    {
        let name = column.name;
        let is_time =
            name.starts_with("at_") || name.contains("send") || name.contains("byte_") || name.contains("e2e");
        assert!(!is_time || name.ends_with("_ns"), "{}.{name}", table.name);
        let is_money = name.contains("cost") || name.contains("fee") || name.contains("price");
        assert!(!is_money || name.ends_with("nanoton"), "{}.{name}", table.name);
        if name.ends_with("_ns") || name.ends_with("nanoton") {
            assert_eq!(column.column_type, ColumnType::U64, "{}.{name}", table.name);
        }
    }
}

#[test]
fn columns_of_another_shape_are_refused() {
    let at_ns = ColumnData::U64(vec![Some(1)]);
    let name = ColumnData::Text(vec![Some("a".to_owned())]);
    let rows = PriceRow::from_columns(vec![at_ns.clone(), name.clone(), at_ns.clone()]).unwrap();
    assert_eq!(
        rows,
        [PriceRow {
            at_ns: 1,
            name: "a".to_owned(),
            nanoton: 1
        }]
    );

    let refused = |columns: Vec<ColumnData>| PriceRow::from_columns(columns).unwrap_err();
    assert_eq!(
        refused(vec![at_ns.clone(), name.clone()]),
        CellError::ColumnCount { expected: 3, found: 2 }
    );
    assert_eq!(
        refused(vec![at_ns.clone(), name.clone(), ColumnData::U64(Vec::new())]),
        CellError::RowCount {
            column: "nanoton",
            expected: 1,
            found: 0
        }
    );
    assert_eq!(
        refused(vec![name.clone(), name.clone(), at_ns.clone()]),
        CellError::WrongType { column: "at_ns" }
    );
    assert_eq!(
        refused(vec![ColumnData::U64(vec![None]), name, at_ns]),
        CellError::Absent {
            column: "at_ns",
            row: 0
        }
    );
}

#[test]
fn codes_outside_their_list_are_refused() {
    let text = |text: &str| ColumnData::Text(vec![Some(text.to_owned())]);
    let row = |class: &str| {
        let columns = vec![
            text("coins"),
            text(class),
            text("pass"),
            text(""),
            ColumnData::U64(vec![None]),
        ];
        AssertionRow::from_columns(columns)
    };
    assert!(row("always").is_ok());
    assert!(matches!(
        row("usually"),
        Err(CellError::Unknown {
            column: "class",
            row: 0,
            ..
        })
    ));
    for status in RequestStatus::ALL {
        assert_eq!(RequestStatus::from_code(status.code()), Ok(*status));
        assert_eq!(serde_json::to_value(status).unwrap(), status.code());
    }
}
