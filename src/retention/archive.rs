//! Moving webhooks that are done with into `webhook_inbox_archive`, a partition a month.
//!
//! Two calls at once take different webhooks and do not wait for each other, unless one of them is making a partition. An
//! INSERT into the archive by hand waits for a call and the other way round: both would copy the same rows otherwise, and
//! whoever comes second would fail half-way.

use crate::audit;
use crate::db::{self, Session, Statement, Value, owner, schema, settings};
use crate::error::{Error, Result};
use pgrx::JsonB;
use pgrx::datum::Interval;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};

const PARTITION: &str = include_str!("../../sql/retention/archive_partition.sql");
const MOVE: &str = include_str!("../../sql/retention/archive_move.sql");

thread_local! {
    static CUTOFF: Statement = const { Statement::new(
        include_str!("../../sql/retention/archive_cutoff.sql"), &[pg_sys::INTERVALOID]) };
    static ADDED_COLUMNS: Statement = const { Statement::new(
        include_str!("../../sql/retention/archive_added_columns.sql"), &[]) };
    static COLUMNS: Statement = const { Statement::new(include_str!("../../sql/retention/archive_columns.sql"), &[]) };
    static MONTHS: Statement = const { Statement::new(
        include_str!("../../sql/retention/archive_months.sql"), &[pg_sys::TIMESTAMPTZOID, pg_sys::INT8OID, pg_sys::TEXTOID]) };
    /// One maker of partitions at a time, and nobody half-way through an insert: they would be in each other's way.
    static LOCK_TO_PARTITION: Statement = const { Statement::new(
        "lock table only raw_ops.webhook_inbox_archive in share row exclusive mode", &[]) };
    /// Keeps others from inserting into the archive, but not into one of its partitions, which is what calls of this
    /// function do.
    static LOCK_TO_MOVE: Statement = const { Statement::new(
        "lock table only raw_ops.webhook_inbox_archive in share mode", &[]) };
    static FILL_IN: Statement = const { Statement::new(
        "select format($1, $2, $3)", &[pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID]) };
    static REMAINING: Statement = const { Statement::new(
        include_str!("../../sql/retention/archive_remaining.sql"), &[pg_sys::TIMESTAMPTZOID]) };
}

/// What is to be archived.
struct Order {
    /// Microseconds since 2000; created before this.
    cutoff: i64,
    /// The same as an age, for people.
    older_than: String,
    limit: i64,
}

/// A month of the archive.
struct Month {
    from: i64,
    to: i64,
    name: String,
    /// The table its rows go to.
    target: String,
    /// What makes its partition, if it has none.
    make: Option<String>,
}

/// What a call did.
#[derive(Default)]
struct Done {
    archived: i64,
    oldest: Option<String>,
    newest: Option<String>,
    partitions_created: Vec<String>,
    columns_added: Vec<String>,
}

#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_archive_webhooks_v1(
    p_older_than: default!(Option<Interval>, "'90 days'"),
    p_limit: default!(Option<i32>, 10000),
) -> Result<JsonB, ErrorReport> {
    let limit = p_limit.unwrap_or(10_000);
    if limit < 1 {
        return Err(Error::argument("p_limit", format!("must be 1 or more, is {limit}")).into());
    }
    Ok(owner::as_table_owner(|| {
        db::session(|session| {
            schema::ensure_ready(session)?;
            let order = order(session, p_older_than, limit.into())?;
            archive(session, &order)
        })
    })?)
}

fn order(session: &Session, older_than: Option<Interval>, limit: i64) -> Result<Order> {
    let rows = session.execute(&CUTOFF, vec![Value::Interval(older_than)])?;
    let (cutoff, is_negative, older_than) = rows
        .first(|row| (row.timestamp(1), row.boolean(2), row.text(3).unwrap_or_default()))
        .ok_or_else(|| Error::Internal("no cutoff".into()))?;
    match (cutoff, is_negative) {
        (Some(cutoff), Some(false)) => Ok(Order {
            cutoff,
            older_than,
            limit,
        }),
        _ => Err(Error::argument(
            "p_older_than",
            format!("must not be negative, is {older_than}"),
        )),
    }
}

fn archive(session: &Session, order: &Order) -> Result<JsonB> {
    let waits = settings::limit_lock_waits();
    let done = match db::attempt(|| batch(session, order)) {
        // Somebody has the archive for themselves, or is archiving: there is a next time.
        Err(error) if error.is_lock_timeout() => Done::default(),
        outcome => outcome?,
    };
    drop(waits);
    if done.archived > 0 || !done.partitions_created.is_empty() || !done.columns_added.is_empty() {
        audit::log_act_on_set(session, "webhook", "webhooks.archived", &details(order, &done))?;
    }
    let remaining = session.execute(&REMAINING, vec![Value::Timestamp(order.cutoff)])?;
    Ok(JsonB(json!({
        "archived": done.archived,
        "remaining": remaining.first(|row| row.boolean(1)).flatten(),
        "partitions_created": done.partitions_created,
        "columns_added": done.columns_added,
    })))
}

fn details(order: &Order, done: &Done) -> Json {
    json!({
        "who": db::session_user(),
        "note": format!("done with, and older than {}", order.older_than),
        "before": {"table": "webhook_inbox"},
        "after": {"table": "webhook_inbox_archive"},
        "archived": done.archived,
        "oldest": done.oldest,
        "newest": done.newest,
        "partitions_created": done.partitions_created,
        "columns_added": done.columns_added,
    })
}

/// All locks on tables come before the first lock on a row, so that nothing that holds rows ever waits here.
fn batch(session: &Session, order: &Order) -> Result<Done> {
    let mut done = Done {
        columns_added: take_over_columns(session)?,
        ..Done::default()
    };
    let (created, overlapping) = make_partitions(session, order)?;
    done.partitions_created = created;
    session.execute(&LOCK_TO_MOVE, vec![])?;
    let columns = session
        .execute(&COLUMNS, vec![])?
        .first(|row| row.text(1))
        .flatten();
    let columns =
        columns.ok_or_else(|| Error::Internal("inbox and archive have no column in common".into()))?;
    for month in months(session, order)? {
        let target = if overlapping.contains(&month.name) {
            "raw_ops.webhook_inbox_archive"
        } else {
            &month.target
        };
        move_month(session, order, &month, (&columns, target), &mut done)?;
        if done.archived >= order.limit {
            break;
        }
    }
    Ok(done)
}

/// Columns that an owner added to the inbox are added to the archive: a webhook is archived whole.
fn take_over_columns(session: &Session) -> Result<Vec<String>> {
    let added = session.execute(&ADDED_COLUMNS, vec![])?;
    let added = added.map(|row| (row.text(1).unwrap_or_default(), row.text(2).unwrap_or_default()));
    for (_, statement) in &added {
        db::run_script(session, statement)?;
    }
    Ok(added.into_iter().map(|(name, _)| name).collect())
}

/// Names of the partitions made, and of those that could not be made because one of the owner's own covers their time.
fn make_partitions(session: &Session, order: &Order) -> Result<(Vec<String>, Vec<String>)> {
    let (mut created, mut overlapping) = (Vec::new(), Vec::new());
    if months(session, order)?.iter().all(|month| month.make.is_none()) {
        return Ok((created, overlapping));
    }
    session.execute(&LOCK_TO_PARTITION, vec![])?;
    // Somebody else may have made them while we waited.
    for month in months(session, order)? {
        let Some(script) = month.make else {
            continue;
        };
        match db::attempt(|| db::run_script(session, &script)) {
            Ok(()) => created.push(month.name),
            Err(Error::Database {
                code: PgSqlErrorCode::ERRCODE_INVALID_OBJECT_DEFINITION,
                ..
            }) => overlapping.push(month.name),
            // Somebody reads the rows that have no partition: these join them, and a later call sorts them out.
            Err(error) if error.is_lock_timeout() => {}
            Err(error) => return Err(error),
        }
    }
    Ok((created, overlapping))
}

fn months(session: &Session, order: &Order) -> Result<Vec<Month>> {
    let values = vec![
        Value::Timestamp(order.cutoff),
        Value::Int8(order.limit),
        Value::Text(PARTITION),
    ];
    Ok(session.execute(&MONTHS, values)?.map(|row| Month {
        from: row.timestamp(1).unwrap_or_default(),
        to: row.timestamp(2).unwrap_or_default(),
        name: row.text(3).unwrap_or_default(),
        target: row.text(4).unwrap_or_default(),
        make: row.text(5),
    }))
}

fn move_month(
    session: &Session,
    order: &Order,
    month: &Month,
    (columns, target): (&str, &str),
    done: &mut Done,
) -> Result<()> {
    let values = vec![Value::Text(MOVE), Value::Text(columns), Value::Text(target)];
    let statement = session
        .execute(&FILL_IN, values)?
        .first(|row| row.text(1))
        .flatten();
    let moved = session.execute_dynamic(
        &statement.unwrap_or_default(),
        &[
            pg_sys::TIMESTAMPTZOID,
            pg_sys::INT8OID,
            pg_sys::TIMESTAMPTZOID,
            pg_sys::TIMESTAMPTZOID,
        ],
        vec![
            Value::Timestamp(order.cutoff),
            Value::Int8(order.limit - done.archived),
            Value::Timestamp(month.from),
            Value::Timestamp(month.to),
        ],
    )?;
    if let Some((count, oldest, newest)) =
        moved.first(|row| (row.int8(1).unwrap_or(0), row.text(2), row.text(3)))
        && count > 0
    {
        done.archived += count;
        done.oldest = done.oldest.take().or(oldest);
        done.newest = newest;
    }
    Ok(())
}
