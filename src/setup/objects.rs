//! What `setup()` makes, read from its own scripts, so that it cannot disagree with them: whoever looks whether
//! something was dropped compares with this.

use super::view_scripts::VIEWS;
use super::{ATTACH, BOOKKEEPING, MIGRATIONS};
use std::sync::LazyLock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Table,
    View,
    Index,
    /// A primary key, a unique or a foreign key.
    Constraint,
    Trigger,
}

/// Something that `setup()` makes in the schema raw_ops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub kind: Kind,
    pub name: String,
    /// The table it belongs to; of a table or view its own name.
    pub table: String,
    /// Writing relies on it: a primary key, a unique key or index.
    pub is_unique: bool,
    /// The statement that makes it, without the semicolon.
    pub statement: String,
    /// Of the migration that makes it; 0: `setup()` makes it whenever it is missing.
    pub version: i32,
}

/// Everything `setup()` makes, in its order; of what is made twice, the last.
pub fn objects() -> &'static [Object] {
    static OBJECTS: LazyLock<Vec<Object>> = LazyLock::new(|| {
        let mut found: Vec<Object> = Vec::new();
        let migrations = MIGRATIONS
            .iter()
            .map(|migration| (migration.version, migration.sql));
        let views = VIEWS.iter().map(|view| (0, view.sql));
        let scripts = [(0, BOOKKEEPING)]
            .into_iter()
            .chain(migrations)
            .chain([(0, ATTACH)])
            .chain(views);
        let of_one = |(version, script): (i32, &str)| {
            let made = of_script(script).into_iter();
            made.map(move |object| Object { version, ..object })
        };
        for object in scripts.flat_map(of_one) {
            let is_same = |other: &Object| (other.kind, &other.name) == (object.kind, &object.name);
            found.retain(|other| !is_same(other));
            found.push(object);
        }
        found
    });
    &OBJECTS
}

/// What a script makes. Every statement begins a line of its own, as the scripts are written.
fn of_script(script: &str) -> Vec<Object> {
    let mut found = Vec::new();
    let mut position = 0;
    while position < script.len() {
        let rest = &script[position..];
        let line = rest.lines().next().unwrap_or_default();
        let indent = line.len() - line.trim_start().len();
        if line[indent..].starts_with("create ") {
            let text = statement(&rest[indent..]);
            found.extend(objects_of(text));
            position += indent + text.len();
        }
        position += script[position..]
            .find('\n')
            .map_or(script.len() - position, |end| end + 1);
    }
    found
}

/// Up to the semicolon that ends it.
fn statement(text: &str) -> &str {
    let end = outside(text).find(|(_, character, _)| *character == ';');
    end.map_or(text, |(position, _, _)| &text[..position])
}

/// The characters outside of quotes and comments: position, character, how many parentheses are open before it.
fn outside(text: &str) -> impl Iterator<Item = (usize, char, usize)> {
    let mut depth = 0_usize;
    let mut is_quoted = false;
    let mut is_comment = false;
    let bytes = text.as_bytes();
    text.char_indices().filter_map(move |(position, character)| {
        match character {
            '\n' => is_comment = false,
            _ if is_comment => return None,
            '\'' => is_quoted = !is_quoted,
            _ if is_quoted => return None,
            '-' if bytes.get(position + 1) == Some(&b'-') => {
                is_comment = true;
                return None;
            }
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let before = depth;
        if character == '(' {
            depth += 1;
        }
        Some((position, character, before))
    })
}

fn objects_of(statement: &str) -> Vec<Object> {
    let statement = &statement.replacen("create or replace ", "create ", 1);
    let words: Vec<&str> = statement.split_whitespace().take(12).collect();
    let after = |word: &str| {
        words
            .iter()
            .position(|other| *other == word)
            .and_then(|at| words.get(at + 1))
    };
    let bare = |name: &str| {
        name.trim_start_matches("raw_ops.")
            .trim_end_matches(['(', ';'])
            .to_owned()
    };
    let object = |kind, name: String, table: String| Object {
        kind,
        name,
        table,
        is_unique: words.get(1) == Some(&"unique"),
        statement: without_comments(statement),
        version: 0,
    };
    match words.get(1) {
        Some(&"table" | &"unlogged") => {
            let Some(name) = after("table").map(|name| bare(name)) else {
                return Vec::new();
            };
            let keys = keys_of(statement, &name);
            let table = object(Kind::Table, name.clone(), name);
            std::iter::once(table).chain(keys).collect()
        }
        Some(&"view") => after("view")
            .map(|name| object(Kind::View, bare(name), bare(name)))
            .into_iter()
            .collect(),
        Some(&"index" | &"unique") => {
            let name = after("exists").or_else(|| after("index"));
            let made = name.zip(after("on"));
            made.map(|(name, table)| object(Kind::Index, bare(name), bare(table)))
                .into_iter()
                .collect()
        }
        Some(&"trigger") => {
            // `insert or update of send_after on raw_ops.http_requests`: the first name of ours.
            let table = words.iter().find(|word| word.starts_with("raw_ops."));
            let made = words.get(2).zip(table);
            made.map(|(name, table)| object(Kind::Trigger, (*name).to_owned(), bare(table)))
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The statements of a script that make or describe something, without the semicolons; each begins a line.
pub(super) fn statements_of(script: &str) -> impl Iterator<Item = &str> {
    const BEGIN: &[&str] = &["create ", "insert ", "comment ", "alter "];
    let lines = script.match_indices('\n').map(|(end, _)| end + 1);
    let begins = move |from: &usize| BEGIN.iter().any(|word| script[*from..].starts_with(word));
    std::iter::once(0)
        .chain(lines)
        .filter(begins)
        .map(|from| statement(&script[from..]))
}

/// The columns of a table, as the migration that made it names them.
pub(super) fn columns_of(table: &Object) -> Vec<String> {
    let parts = parts_of(&table.statement);
    let names = parts.iter().filter_map(|part| part.split_whitespace().next());
    names
        .filter(|name| *name != "constraint")
        .map(str::to_owned)
        .collect()
}

/// Columns and constraints of a CREATE TABLE.
fn parts_of(statement: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut begin = None;
    for (position, character, depth) in outside(statement) {
        match (character, depth) {
            ('(', 0) if begin.is_none() => begin = Some(position + 1),
            (',', 1) | (')', 0) => {
                if let Some(from) = begin {
                    parts.push(without_comments(&statement[from..position]));
                }
                if character == ')' {
                    break;
                }
                begin = Some(position + 1);
            }
            _ => {}
        }
    }
    parts
}

/// Primary, unique and foreign keys that stand in a CREATE TABLE.
fn keys_of(statement: &str, table: &str) -> Vec<Object> {
    let parts = parts_of(statement);
    let key = |part: &String| {
        let mut words = part.split_whitespace();
        let name = words
            .next()
            .filter(|word| *word == "constraint")
            .and_then(|_| words.next())?;
        let kind = words.next()?;
        matches!(kind, "primary" | "unique" | "foreign").then(|| Object {
            kind: Kind::Constraint,
            name: name.to_owned(),
            table: table.to_owned(),
            is_unique: kind != "foreign",
            statement: format!("alter table raw_ops.{table} add {part}"),
            version: 0,
        })
    };
    parts.iter().filter_map(key).collect()
}

/// The text in one line, or in several where it has several.
fn without_comments(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| match line.trim_start().starts_with("--") {
            true => "",
            false => line,
        });
    let kept: Vec<&str> = lines.filter(|line| !line.trim().is_empty()).collect();
    kept.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_as_the_server_reads_it() {
        let script = "
-- create table raw_ops.none (id int);
create table raw_ops.a (
    id uuid not null, -- the a's (id)
    -- a comment, with a comma; and a semicolon
    b  numeric(1, 2) default ';',
    constraint a_pkey primary key (id, b),
    constraint a_check check (b > 0),
    constraint a_b_fkey foreign key (b) references raw_ops.b (id) on delete cascade
) with (fillfactor = 70);
create unique index a_one_key on raw_ops.a (lower(b))
    where b = 'x;y';
do $x$ begin
        create trigger t_a
            after insert or update of b on raw_ops.a
            for each row execute function raw_ops.f();
end $x$;
create index if not exists i on raw_ops.a (b);
create or replace view raw_ops.v as select 1;";
        let found = of_script(script);
        let told: Vec<String> = found
            .iter()
            .map(|object| {
                format!(
                    "{:?} {} {} {}",
                    object.kind, object.name, object.table, object.is_unique
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                "Table a a false",
                "Constraint a_pkey a true",
                "Constraint a_b_fkey a false",
                "Index a_one_key a true",
                "Trigger t_a a false",
                "Index i a false",
                "View v v false",
            ]
        );
        assert_eq!(
            found[1].statement,
            "alter table raw_ops.a add constraint a_pkey primary key (id, b)"
        );
        assert_eq!(found[6].statement, "create view raw_ops.v as select 1");
    }
}
