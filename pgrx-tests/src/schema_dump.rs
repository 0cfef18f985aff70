//! `sql/schema.sql`: what a fresh `setup()` makes, as pg_dump prints it, put in order for reading: a table with all that
//! belongs to it, one after the other, then the views.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result};

use crate::Cluster;

/// The major version of PostgreSQL that prints the committed dump; others print some definitions otherwise.
pub const PRINTED_BY: u32 = 15;

/// Where the dump is committed.
pub const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sql/schema.sql");

const HEADER: &str = "\
-- Everything that a fresh setup() makes in the schema raw_ops, as pg_dump prints it: tables with their keys, indexes and
-- triggers, then views. For reading; setup() makes it from sql/migrations/, sql/setup/ and sql/views/.
-- Generated: `make schema` writes it, a test compares it.
";

/// The dump of a database in which nothing but `CREATE EXTENSION` and `setup()` has run.
pub async fn of_fresh_setup(cluster: &Cluster) -> Result<String> {
    const DATABASE: &str = "schema_dump";
    cluster.create_database(DATABASE).await?;
    let client = cluster.connect(DATABASE).await?;
    client
        .batch_execute("CREATE EXTENSION raw_ops; SELECT raw_ops.setup()")
        .await?;
    let options = [
        "--format=plain",
        "--schema-only",
        "--schema=raw_ops",
        "--no-owner",
        "--no-privileges",
    ];
    let dump = cluster.pg_dump(DATABASE, &options).await?;
    // The provider made up for the tests is in no shop's schema.
    let dump = std::str::from_utf8(&dump)?.replace(", 'example'::text", "");
    in_reading_order(&dump)
}

/// What pg_dump wrote of one object.
struct Entry<'a> {
    kind: &'a str,
    /// Without blank lines around.
    sql: &'a str,
}

fn entries(dump: &str) -> impl Iterator<Item = Entry<'_>> {
    const NAME: &str = "\n-- Name: ";
    dump.split(NAME).skip(1).filter_map(|part| {
        let (head, sql) = part.split_once('\n')?;
        let kind = head.split_once("; Type: ")?.1.split(';').next()?;
        // Between the comment line that ends this heading and the one that begins the next.
        let sql = sql.strip_prefix("--\n")?.split("\n--\n").next()?.trim_end();
        let sql = sql.strip_suffix("\n--").unwrap_or(sql).trim();
        Some(Entry { kind, sql })
    })
}

fn in_reading_order(dump: &str) -> Result<String> {
    // Tables before views, each in the order of their names.
    type Place = (bool, String);
    let mut places: BTreeMap<String, Place> = BTreeMap::new();
    let mut paragraphs: BTreeMap<Place, Vec<&str>> = BTreeMap::new();
    for entry in entries(dump).filter(|entry| entry.kind != "SCHEMA") {
        let name = names(entry.sql).next().context("an entry without a name")?;
        if matches!(entry.kind, "TABLE" | "VIEW") {
            places.insert(name.to_owned(), (entry.kind == "VIEW", name.to_owned()));
        }
        let place = places
            .get(name)
            .with_context(|| format!("{} of something unknown: {}", entry.kind, entry.sql))?
            .clone();
        if let Some(own) = own_name(entry.sql) {
            places.entry(own.to_owned()).or_insert_with(|| place.clone());
        }
        let paragraph = paragraphs.entry(place).or_default();
        paragraph.push(settings_left_out(entry.sql));
    }
    let mut text = HEADER.to_owned();
    for statements in paragraphs.values() {
        text.push('\n');
        for statement in statements {
            writeln!(text, "{statement}")?;
        }
    }
    Ok(text)
}

/// The names that a statement has qualified with the schema, in its order: what it is about first.
fn names(sql: &str) -> impl Iterator<Item = &str> {
    sql.split("raw_ops.").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &rest[..end.unwrap_or(rest.len())]
    })
}

/// What an index or key is called, which later statements name instead of its table.
fn own_name(sql: &str) -> Option<&str> {
    let after = |word: &str| sql.split_once(word)?.1.split_whitespace().next();
    match sql.starts_with("CREATE ") {
        true => after("INDEX "),
        false => after(" ADD CONSTRAINT "),
    }
}

/// Settings for what follows stand behind the last statement of some.
fn settings_left_out(sql: &str) -> &str {
    let end = sql.find("\n\nSET default_").unwrap_or(sql.len());
    sql[..end].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "
\\restrict abc

--
-- Name: raw_ops; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA raw_ops;


SET default_tablespace = '';

--
-- Name: a_view; Type: VIEW; Schema: raw_ops; Owner: -
--

CREATE VIEW raw_ops.a_view AS
 SELECT b.id FROM raw_ops.b;


--
-- Name: b; Type: TABLE; Schema: raw_ops; Owner: -
--

CREATE TABLE raw_ops.b (
    id uuid
);


SET default_table_access_method = heap;

--
-- Name: b_key; Type: INDEX; Schema: raw_ops; Owner: -
--

CREATE UNIQUE INDEX b_key ON raw_ops.b USING btree (id);


--
-- Name: INDEX b_key; Type: COMMENT; Schema: raw_ops; Owner: -
--

COMMENT ON INDEX raw_ops.b_key IS 'One each.';


--
-- PostgreSQL database dump complete
--
\\unrestrict abc
";

    #[test]
    fn a_table_stands_with_all_that_belongs_to_it_and_views_stand_last() {
        let read = in_reading_order(DUMP).unwrap();
        let expected = "
CREATE TABLE raw_ops.b (
    id uuid
);
CREATE UNIQUE INDEX b_key ON raw_ops.b USING btree (id);
COMMENT ON INDEX raw_ops.b_key IS 'One each.';

CREATE VIEW raw_ops.a_view AS
 SELECT b.id FROM raw_ops.b;
";
        assert_eq!(read, format!("{HEADER}{expected}"));
    }
}
