//! Moving webhooks that are done with into `webhook_inbox_archive`, a partition a month.
//!
//! Two calls at once take different webhooks and do not wait for each other, unless one of them is making a partition. An
//! INSERT into the archive by hand waits for a call and the other way round: both would copy the same rows otherwise, and
//! whoever comes second would fail half-way.

use crate::audit;
use crate::db::{self, Argument, Session, owner, result_row, schema, settings, statements};
use crate::error::{Error, Result};
use crate::json::Timestamp;
use pgrx::JsonB;
use pgrx::datum::Interval;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};

const PARTITION: &str = include_str!("../../sql/retention/archive_partition.sql");
const MOVE: &str = include_str!("../../sql/retention/archive_move.sql");

statements! {
    execute find_cutoff(older_than: Option<Interval>) -> Cutoff = file "retention/archive_cutoff.sql";
    execute find_added_columns() -> AddedColumn = file "retention/archive_added_columns.sql";
    execute find_columns() -> Option<String> = file "retention/archive_columns.sql";
    execute find_months(cutoff: Timestamp, limit: i64, partition: &str) -> Month = file "retention/archive_months.sql";
    /// One maker of partitions at a time, and nobody half-way through an insert: they would be in each other's way.
    execute lock_to_partition() = text
        "lock table only raw_ops.webhook_inbox_archive in share row exclusive mode";
    /// Keeps others from inserting into the archive, but not into one of its partitions, which is what calls of this
    /// function do.
    execute lock_to_move() = text "lock table only raw_ops.webhook_inbox_archive in share mode";
    execute fill_in(template: &str, columns: &str, target: &str) -> String = text "select format($1, $2, $3)";
    execute has_remaining(cutoff: Timestamp) -> bool = file "retention/archive_remaining.sql";
}

result_row! {
    struct Cutoff {
        cutoff: Option<Timestamp>,
        is_negative: Option<bool>,
        older_than: Option<String>,
    }
}

result_row! {
    struct AddedColumn {
        name: String,
        statement: String,
    }
}

result_row! {
    /// A month of the archive.
    struct Month {
        since: Timestamp,
        until: Timestamp,
        name: String,
        /// The table its rows go to.
        target: String,
        /// What makes its partition, if it has none.
        make: Option<String>,
    }
}

result_row! {
    /// What was moved; its oldest and newest as JSON shows a time.
    struct Moved {
        count: i64,
        oldest: Option<String>,
        newest: Option<String>,
    }
}

/// What is to be archived.
struct Order {
    /// Created before this.
    cutoff: Timestamp,
    /// The same as an age, for people.
    older_than: String,
    limit: i64,
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
    let found = find_cutoff(session, older_than)?
        .first()?
        .ok_or_else(|| Error::Internal("no cutoff".into()))?;
    let older_than = found.older_than.unwrap_or_default();
    match (found.cutoff, found.is_negative) {
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
    let remaining = has_remaining(session, order.cutoff)?.first()?;
    Ok(JsonB(json!({
        "archived": done.archived,
        "remaining": remaining,
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
    lock_to_move(session)?;
    let columns = find_columns(session)?.first()?.flatten();
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
    let added = find_added_columns(session)?.all()?;
    for column in &added {
        db::run_script(session, &column.statement)?;
    }
    Ok(added.into_iter().map(|column| column.name).collect())
}

/// Names of the partitions made, and of those that could not be made because one of the owner's own covers their time.
fn make_partitions(session: &Session, order: &Order) -> Result<(Vec<String>, Vec<String>)> {
    let (mut created, mut overlapping) = (Vec::new(), Vec::new());
    if months(session, order)?.iter().all(|month| month.make.is_none()) {
        return Ok((created, overlapping));
    }
    lock_to_partition(session)?;
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
    find_months(session, order.cutoff, order.limit, PARTITION)?.all()
}

fn move_month(
    session: &Session,
    order: &Order,
    month: &Month,
    (columns, target): (&str, &str),
    done: &mut Done,
) -> Result<()> {
    let statement = fill_in(session, MOVE, columns, target)?.first()?;
    let moved = session.find_dynamic::<Moved>(
        "retention/archive_move.sql",
        &statement.unwrap_or_default(),
        &[
            Argument::of(order.cutoff),
            Argument::of(order.limit - done.archived),
            Argument::of(month.since),
            Argument::of(month.until),
        ],
    )?;
    if let Some(moved) = moved.first()?
        && moved.count > 0
    {
        done.archived += moved.count;
        done.oldest = done.oldest.take().or(moved.oldest);
        done.newest = moved.newest;
    }
    Ok(())
}
