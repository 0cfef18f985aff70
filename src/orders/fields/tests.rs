//! What the statements of sql/orders/ name against the lists here: a column that is missing there is named.

use super::*;

const INSERT: &str = include_str!("../../../sql/orders/insert_new.sql");
const LOCK: &str = include_str!("../../../sql/orders/lock_orders.sql");
const UPDATE: &str = include_str!("../../../sql/orders/update_orders.sql");

fn in_one_line(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The words between these two, without commas and without `prefix`.
fn names_between(sql: &str, begin: &str, end: &str, prefix: &str) -> Vec<String> {
    let sql = in_one_line(sql);
    let (_, rest) = sql
        .split_once(begin)
        .unwrap_or_else(|| panic!("no {begin} in {sql}"));
    let (list, _) = rest
        .split_once(end)
        .unwrap_or_else(|| panic!("no {end} in {rest}"));
    let name = |word: &str| word.trim().trim_start_matches(prefix).to_owned();
    list.split(',').map(name).collect()
}

/// The columns of an order, with their bits.
fn columns() -> impl Iterator<Item = (usize, &'static str)> {
    ORDER
        .names
        .iter()
        .copied()
        .enumerate()
        .filter(|(bit, _)| *bit != ITEMS)
}

#[test]
fn a_new_order_is_inserted_with_every_column() {
    let inserted = names_between(INSERT, "insert into raw_ops.orders (", ")", "");
    let selected = names_between(INSERT, "select order_id,", "from new_orders", "");
    for (_, name) in columns() {
        assert!(inserted.iter().any(|column| column == name), "{name}");
        let is_it = |column: &String| column == name || column.starts_with(&format!("coalesce({name}"));
        assert!(selected.iter().any(is_it), "{name}");
    }
}

#[test]
fn a_known_order_is_compared_and_written_in_every_column_that_a_payload_decides() {
    let sql = in_one_line(UPDATE);
    let [new, old_compared, new_compared] = [
        names_between(UPDATE, "as new (", ")", ""),
        names_between(UPDATE, "or (", ")", "old."),
        names_between(UPDATE, "is distinct from (", ")", "new."),
    ];
    let position = |list: &[String], name: &str| list.iter().position(|column| column == name);
    for (bit, name) in columns() {
        assert!(sql.contains(&format!(" {name} = new.{name},")), "{name}");
        let decided = format!("case when k.take & (1 << {bit}) <> 0 then k.{name} else old.{name} end");
        let before = sql
            .find(&decided)
            .unwrap_or_else(|| panic!("{name}: no {decided}"));
        // As many columns stand before it as before its name.
        let nth = sql[..before].matches("case when k.take").count() - 1;
        assert_eq!(position(&new, name), Some(nth), "{name}");
        assert!(position(&old_compared, name).is_some(), "{name}");
        assert_eq!(position(&old_compared, name), position(&new_compared, name));
    }
    assert_eq!(columns().count(), new.len());
}

#[test]
fn a_locked_order_tells_which_open_columns_are_null() {
    let sql = in_one_line(LOCK);
    let named = sql.matches("is null)::int").count();
    let open = columns().filter(|(bit, _)| ORDER.open_when_blank & (1 << bit) != 0);
    let mut count = 0;
    for (bit, name) in open {
        let term = match bit {
            0 => format!("({name} is null)::int"),
            _ => format!("{} * ({name} is null)::int", 1 << bit),
        };
        assert!(sql.contains(&term), "{name}: no {term}");
        count += 1;
    }
    assert_eq!(count, named);
}
