//! What is checked in every build before a datum is read or handed over, inside a backend.

use super::*;
use pgrx::prelude::*;
use rowset::{Cells, Column, RowsetRow};

thread_local! {
    static TAKES_TEXT: Statement = const { Statement::typed("takes_text", "select $1", &[pg_sys::TEXTOID], None) };
}

result_row! {
    #[derive(Debug, PartialEq, Eq)]
    struct Pair {
        id: i64,
        name: String,
    }
}

result_row! {
    #[derive(Debug, PartialEq, Eq)]
    struct Texts {
        varchar: String,
        bpchar: String,
        domain: String,
        text: String,
    }
}

rowset_row! {
    struct HandedRow<'a> {
        id: i64,
        name: Option<&'a str>,
    }
}

/// A row of [`HandedRow`]'s columns that puts so many values: what [`rowset_row`] never makes.
struct OddRow(usize);

// SAFETY: what does not hold here, the number of the values, is what the store is to notice.
unsafe impl RowsetRow for OddRow {
    type Family = OddRow;

    const COLUMNS: &'static [Column] = HandedRow::COLUMNS;

    fn fill(self, cells: &mut Cells) {
        (0..self.0).for_each(|_| cells.put(Some(1_i64)));
    }
}

statements! {
    query find_pair(name: Option<&str>) -> Pair = text "select 7::int8 as id, $1 as name";
    query find_moved() -> Pair = text "select 'a' as name, 7::int8 as id";
    query find_retyped() -> Pair = text "select 7::int8 as id, true as name";
    query find_retyped_list() -> Vec<String> = text "select true";
    query find_names() -> Vec<String> = text "select array['a', 'b']";
    query find_one_less() -> Pair = text "select 7::int8 as id";
    execute find_one_more() -> Pair = text "select 7::int8 as id, 'a' as name, 'b' as other";
    execute find_number() -> i64 = text "select 7::int4";
    execute find_handed() with (handed: HandedRow<'static>) -> Pair = text "select id, name from handed order by id";
    query find_texts() -> Texts = text
        "select 'a'::varchar(3) as varchar, 'b'::char(1) as bpchar, 'c'::pg_temp.code as domain, 'd'::text as text";
    execute divide_by_zero() with (handed: HandedRow<'static>) -> i64 = text "select 1 / (id - id) from handed";
    execute make_nothing() = text "select where false";
}

/// The message of the ERROR that `work` must raise or return.
fn refused<T>(work: impl FnOnce() -> Result<T>) -> String {
    match attempt(work) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("no error"),
    }
}

/// A rowset of one row.
fn handed(session: &Session) -> Result<TypedRowset<'_, HandedRow<'static>>> {
    let mut rows = TypedRowset::new(session);
    rows.push(HandedRow {
        id: 7,
        name: Some("a"),
    })?;
    Ok(rows)
}

#[pg_schema]
mod tests {
    use super::*;

    #[pg_test]
    fn a_boolean_read_as_a_list_of_texts_is_an_error() {
        let message = refused(|| session(|session| find_retyped_list(session)?.first()));
        assert_eq!(
            message,
            "internal error: raw_ops::db::tests::find_retyped_list: column 1 is boolean, where text[] is read"
        );
        let names = session(|session| find_names(session)?.first());
        assert_eq!(names.unwrap().unwrap(), ["a", "b"]);
    }

    #[pg_test]
    fn what_is_stored_as_a_text_is_read_as_one() {
        Spi::run("create domain pg_temp.code as text").unwrap();
        let [varchar, bpchar, domain, text] = ["a", "b", "c", "d"].map(String::from);
        let wanted = Texts {
            varchar,
            bpchar,
            domain,
            text,
        };
        let found = session(|session| find_texts(session)?.first());
        assert_eq!(found.unwrap(), Some(wanted));
    }

    #[pg_test]
    fn parameters_of_another_number_or_type_never_reach_the_statement() {
        let run = |arguments: &[Argument]| {
            refused(|| session(|session| session.execute_with(&TAKES_TEXT, arguments).map(|_| ())))
        };
        assert_eq!(run(&[]), "internal error: 0 parameters for the 1 of: takes_text");
        assert_eq!(
            run(&[Argument::of(1_i64)]),
            "internal error: parameter 1 is bigint and not text, of: takes_text"
        );
    }

    #[pg_test]
    fn a_row_with_too_few_or_too_many_columns_is_an_error_and_not_read_beyond() {
        for values in [1, 3] {
            let message = refused(|| session(|session| TypedRowset::new(session).push(OddRow(values))));
            assert_eq!(
                message,
                format!("internal error: a row of {values} values for 2 columns")
            );
        }
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
            said(find_one_less),
            of("find_one_less") + "column 2 is missing, where name is read"
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

    #[pg_test]
    fn what_a_failed_attempt_leaves_of_its_rowset_harms_no_later_one() {
        let found = session(|session| {
            for _ in 0..3 {
                let failed = attempt(|| divide_by_zero(session, &mut handed(session)?)?.first());
                assert!(failed.unwrap_err().to_string().contains("division by zero"));
            }
            find_handed(session, &mut handed(session)?)?.map(|pair| pair.id)
        });
        assert_eq!(found.unwrap(), [7]);
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
