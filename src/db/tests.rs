//! What is checked in every build before a datum is read or handed over, inside a backend.

use super::*;
use pgrx::prelude::*;
use rows::Row;
use rowset::Column;

thread_local! {
    static THREE: Statement = const { Statement::new(
        "select true as yes, array['a', 'b'] as names, 7::int4 as number", &[]) };
    static TAKES_TEXT: Statement = const { Statement::new("select $1", &[pg_sys::TEXTOID]) };
    static HANDED: Statement = const { Statement::new("select count(*) from handed", &[]) };
    static TEXTS: Statement = const { Statement::new(
        "select 'a'::varchar(3), 'b'::char(1), 'c'::pg_temp.code, 'd'::text", &[]) };
}

const HANDED_COLUMNS: &[Column] = &[(c"id", pg_sys::INT8OID), (c"name", pg_sys::TEXTOID)];

result_row! {
    #[derive(Debug, PartialEq, Eq)]
    struct Pair {
        id: i64,
        name: String,
    }
}

rowset_row! {
    struct HandedRow<'a> {
        id: i64,
        name: Option<&'a str>,
    }
}

statements! {
    query find_pair(name: Option<&str>) -> Pair = text "select 7::int8 as id, $1 as name";
    query find_moved() -> Pair = text "select 'a' as name, 7::int8 as id";
    query find_retyped() -> Pair = text "select 7::int8 as id, true as name";
    execute find_one_more() -> Pair = text "select 7::int8 as id, 'a' as name, 'b' as other";
    execute find_number() -> i64 = text "select 7::int4";
    execute find_handed() with (handed: HandedRow<'static>) -> Pair = text "select id, name from handed order by id";
    execute make_nothing() = text "select where false";
}

/// What is read from the first row of [`THREE`].
fn read<T>(how: impl Fn(Row) -> T) -> T {
    session(|session| {
        let rows = session.query(&THREE, vec![])?;
        Ok(rows.first(&how))
    })
    .unwrap()
    .unwrap()
}

/// The message of the ERROR that `work` must raise or return.
fn refused<T>(work: impl FnOnce() -> Result<T>) -> String {
    match attempt(work) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("no error"),
    }
}

#[pg_schema]
mod tests {
    use super::*;

    #[pg_test]
    fn a_boolean_read_as_a_list_of_texts_is_an_error() {
        let message = refused(|| Ok(read(|row| row.texts(1))));
        assert_eq!(
            message,
            "internal error: column 1 is boolean, where text[] is read"
        );
        let message = refused(|| Ok(read(|row| row.jsonb(3).is_some())));
        assert_eq!(
            message,
            "internal error: column 3 is integer, where jsonb is read"
        );
        assert_eq!(read(|row| row.texts(2)), ["a", "b"]);
        assert_eq!(read(|row| row.int4(3)), Some(7));
    }

    #[pg_test]
    fn a_column_that_is_not_there_is_an_error_and_not_null() {
        for column in [0, -1, 4] {
            let message = refused(|| Ok(read(|row| row.int4(column))));
            assert_eq!(
                message,
                format!("internal error: column {column} is read, which the statement does not return")
            );
        }
    }

    #[pg_test]
    fn what_is_stored_as_a_text_is_read_as_one() {
        Spi::run("create domain pg_temp.code as text").unwrap();
        let texts = session(|session| {
            let rows = session.query(&TEXTS, vec![])?;
            Ok(rows.first(|row| [1, 2, 3, 4].map(|column| row.text(column).unwrap())))
        });
        assert_eq!(texts.unwrap().unwrap(), ["a", "b", "c", "d"]);
    }

    #[pg_test]
    fn parameters_of_another_number_or_type_never_reach_the_statement() {
        let run = |values: fn() -> Vec<Value<'static>>| {
            refused(|| session(|session| session.execute(&TAKES_TEXT, values()).map(|_| ())))
        };
        assert_eq!(
            run(Vec::new),
            "internal error: 0 parameters for the 1 of: select $1"
        );
        assert_eq!(
            run(|| vec![Value::Int8(1)]),
            "internal error: parameter 1 is bigint and not text, of: select $1"
        );
    }

    /// Fills a rowset, and counts what a statement finds in it.
    fn hand(fill: impl Fn(&mut Rowset)) -> Result<Option<i64>> {
        session(|session| {
            let mut rows = Rowset::new(c"handed", HANDED_COLUMNS);
            fill(&mut rows);
            assert!(!rows.is_empty());
            rows.register(session)?;
            let found = session.execute(&HANDED, vec![])?;
            Ok(found.first(|row| row.int8(1)).flatten())
        })
    }

    #[pg_test]
    fn a_row_with_too_few_or_too_many_columns_is_an_error_and_not_read_beyond() {
        let whole = |rows: &mut Rowset| rows.int8(Some(1)).text(Some("a")).end_row();
        assert_eq!(hand(whole).unwrap(), Some(1));
        let message = refused(|| hand(|rows| rows.int8(Some(1)).end_row()));
        assert_eq!(
            message,
            "internal error: rowset handed: a row of 1 values for 2 columns"
        );
        let message = refused(|| {
            hand(|rows| {
                whole(rows);
                rows.int8(Some(1)).text(None).text(None).end_row();
                whole(rows);
            })
        });
        assert_eq!(
            message,
            "internal error: rowset handed: a row of 3 values for 2 columns"
        );
    }

    #[pg_test]
    fn a_value_in_a_column_of_another_type_is_an_error() {
        let message = refused(|| hand(|rows| rows.text(Some("a")).int8(Some(1)).end_row()));
        assert_eq!(
            message,
            "internal error: rowset handed: column id is bigint, given text"
        );
    }

    #[pg_test]
    fn a_moved_column_is_an_error_that_names_it_and_never_a_silent_zero() {
        let said = |find: fn(&Session) -> Result<Found<'_, Pair>>| {
            refused(|| session(|session| find(session).map(|found| found.count())))
        };
        let of = |name: &str| format!("internal error: raw_ops::db::tests::{name}: ");
        assert_eq!(
            said(find_moved),
            of("find_moved") + "column 1 is name, where id is read"
        );
        assert_eq!(
            said(find_retyped),
            of("find_retyped") + "column name is boolean, where text is read"
        );
        assert_eq!(
            said(find_one_more),
            of("find_one_more") + "returns 3 columns, where 2 are read"
        );
        let number = refused(|| session(|session| find_number(session)?.first()));
        assert_eq!(
            number,
            of("find_number") + "column 1 is integer, where bigint is read"
        );
    }

    #[pg_test]
    fn a_null_where_none_is_expected_is_an_error() {
        let pair = |name: Option<&'static str>| move || session(|session| find_pair(session, name)?.first());
        let found = Pair {
            id: 7,
            name: "a".into(),
        };
        assert_eq!(pair(Some("a"))().unwrap(), Some(found));
        assert!(refused(pair(None)).ends_with("find_pair: column name is null"));
    }

    #[pg_test]
    fn a_statement_reads_the_rows_it_is_handed() {
        let found = session(|session| {
            let mut rows = TypedRowset::new(session);
            for name in ["a", "b"] {
                let name = name.to_owned();
                rows.push(HandedRow {
                    id: i64::from(name.as_bytes()[0]),
                    name: Some(&name),
                })?;
            }
            assert_eq!(make_nothing(session)?, 0);
            find_handed(session, &mut rows)?.map(|pair| (pair.id, pair.name))
        });
        assert_eq!(found.unwrap(), [(97, "a".to_owned()), (98, "b".to_owned())]);
    }

    /// Without running the path that a statement is on.
    #[pg_test]
    fn every_statement_fits_the_tables_that_setup_makes() {
        crate::testing::set_up();
        let here: Vec<&registry::Entry> = registry::all()
            .iter()
            .filter(|entry| !entry.name.contains("::db::tests::"))
            .collect();
        assert!(here.len() > 20, "{}", here.len());
        let mut faults = Vec::new();
        for entry in here {
            match attempt(|| session(|session| (entry.plan)(session))) {
                Ok(()) => {}
                // Of an extension that is not installed here.
                Err(error) if error.sqlstate_text().starts_with("42") || error.sqlstate_text() == "3F000" => {
                    if !["cron.", "net."].iter().any(|schema| entry.text.contains(schema)) {
                        faults.push(format!("{}: {error}", entry.name));
                    }
                }
                Err(error) => faults.push(error.to_string()),
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}
