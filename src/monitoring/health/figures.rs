//! What health rests on, each question asked apart.

use super::fault::Fault;
use super::sight::Sight;
use super::{definitions, structure};
use crate::db::statement::Row;
use crate::db::{Session, Statement, Value, owner, schema};
use crate::error::{Error, Result};
use crate::outbox::carriers::{self, InForce};
use crate::outbox::clone_guard::{self, Held};
use crate::outbox::receivers::slack::Webhook;
use crate::wake::{self, Listening};
use pgrx::prelude::*;
use std::thread::LocalKey;

macro_rules! statements {
    ($($name:ident $file:literal),+ $(,)?) => {
        thread_local! {
            $(static $name: Statement = const { Statement::new(
                include_str!(concat!("../../../sql/monitoring/health/", $file, ".sql")), &[]) };)+
        }
    };
}

statements! {
    INSTALLED "installed",
    INBOX "inbox",
    OUTBOX "outbox",
    ALERTS "alerts",
    MONITORS "monitors",
    SNAPSHOT "snapshot",
    NOT_VISIBLE "not_visible",
    PRELOADS_PG_CRON "preloads_pg_cron",
    OTHERS_TRIGGERS "others_triggers",
}

thread_local! {
    static VERSION: Statement = const { Statement::new("select max(version) from raw_ops.schema_migrations", &[]) };
    static TUPLES: Statement = const { Statement::new(
        "select n_live_tup, n_dead_tup from pg_catalog.pg_stat_all_tables where relid = 'raw_ops.webhook_inbox'::regclass",
        &[]) };
    static SECRETS: Statement = const { Statement::new("select name from raw_ops.secrets", &[]) };
    static JOBS: Statement = const { Statement::new(
        "select jobname::text from cron.job where active and database = current_database()", &[]) };
    static LOCKS: Statement = const { Statement::new(
        include_str!("../../../sql/monitoring/health/locks.sql"), &[pg_sys::BOOLOID]) };
    static SWALLOWED: Statement = const { Statement::new(
        include_str!("../../../sql/monitoring/health/swallowed.sql"), &[pg_sys::TEXTARRAYOID]) };
    static MAY_READ_JOBS: Statement = const { Statement::new(
        "select has_schema_privilege(schema.oid, 'usage') and has_table_privilege(job.oid, 'select')
           from pg_catalog.pg_class as job join pg_catalog.pg_namespace as schema on schema.oid = job.relnamespace
          where schema.nspname = 'cron' and job.relname = 'job'", &[]) };
    // Role 0 is PUBLIC.
    static NET_IS_OPEN: Statement = const { Statement::new(
        "select has_table_privilege(0, queue.oid, 'select')
           from pg_catalog.pg_class as queue join pg_catalog.pg_namespace as schema on schema.oid = queue.relnamespace
          where schema.nspname = 'net' and queue.relname = 'http_request_queue'", &[]) };
}

/// Everything the verdict rests on; `None`: could not be seen.
#[derive(Debug, Default)]
pub struct Figures {
    pub not_set_up: Option<Error>,
    pub extension: Option<String>,
    pub schema_version: Option<i32>,
    pub has_pg_cron: bool,
    pub has_pg_net: bool,
    pub is_replica: bool,
    pub inbox: Option<Inbox>,
    pub outbox: Option<Outbox>,
    pub alerts: Option<Alerts>,
    /// Live and dead rows of the inbox.
    pub tuples: Option<(i64, i64)>,
    pub missing_secrets: Vec<String>,
    /// Silent or failed.
    pub bad_monitors: Vec<String>,
    pub jobs: Option<Vec<String>>,
    pub preloads_pg_cron: Option<bool>,
    pub listening: Option<Listening>,
    pub carrier: Option<InForce>,
    /// Why nothing is sent, where nothing may be.
    pub held: Option<Option<Held>>,
    pub net_is_open: bool,
    pub snapshot: Option<Snapshot>,
}

#[derive(Debug, Default)]
pub struct Inbox {
    pub depth: i64,
    pub oldest_pending_seconds: Option<f64>,
    /// Of all that still wait, retries too.
    pub oldest_seconds: Option<f64>,
    pub oldest_at: Option<i64>,
    pub dead_letters: i64,
    pub oldest_dead_at: Option<i64>,
}

#[derive(Debug, Default)]
pub struct Outbox {
    pub waiting: i64,
    pub overdue_seconds: Option<f64>,
    pub overdue_since: Option<i64>,
}

#[derive(Debug, Default)]
pub struct Alerts {
    pub open: i64,
    pub undelivered: i64,
    pub oldest_undelivered: Option<i64>,
}

#[derive(Debug)]
pub struct Snapshot {
    pub pid: i32,
    pub user: Option<String>,
    pub application: Option<String>,
    pub state: Option<String>,
    pub seconds: f64,
    pub since: Option<i64>,
}

type Question = fn(&Session) -> Result<Vec<Fault>>;

/// What the owner of the tables sees in them; returns what is wrong with their structure.
pub fn of_tables(session: &Session, sight: &Sight, figures: &mut Figures) -> Vec<Fault> {
    // Of itself: an older schema is told as such, whatever else fails because of it.
    let ready = sight.ask(session, "whether the schema is whole", |session| {
        Ok(schema::ensure_ready(session).err())
    });
    figures.not_set_up = ready.flatten();
    figures.schema_version = sight
        .ask(session, "the schema's version", |session| {
            Ok(session
                .query(&VERSION, vec![])?
                .first(|row| row.int4(1))
                .flatten())
        })
        .flatten();
    // Columns first: what hangs on them is made again after them.
    let mut faults = Vec::new();
    let questions: [(&str, Question); 3] = [
        ("how the tables are defined", definitions::faults),
        ("the tables' structure", structure::faults),
        ("triggers of others", others_triggers),
    ];
    for (what, look) in questions {
        faults.extend(sight.ask(session, what, look).unwrap_or_default());
    }
    figures.inbox = first(session, sight, "the inbox", &INBOX, |row| Inbox {
        depth: row.int8(1).unwrap_or(0),
        oldest_pending_seconds: row.float8(2),
        oldest_seconds: row.float8(3),
        oldest_at: row.timestamp(4),
        dead_letters: row.int8(5).unwrap_or(0),
        oldest_dead_at: row.timestamp(6),
    });
    figures.outbox = first(session, sight, "the outbox", &OUTBOX, |row| Outbox {
        waiting: row.int8(1).unwrap_or(0),
        overdue_seconds: row.float8(2),
        overdue_since: row.timestamp(3),
    });
    figures.alerts = first(session, sight, "alerts", &ALERTS, |row| Alerts {
        open: row.int8(1).unwrap_or(0),
        undelivered: row.int8(2).unwrap_or(0),
        oldest_undelivered: row.timestamp(3),
    });
    figures.tuples = first(session, sight, "dead rows", &TUPLES, |row| {
        (row.int8(1).unwrap_or(0), row.int8(2).unwrap_or(0))
    });
    let missing = |set: Vec<String>| {
        let wanted = Webhook::OF_CHANNELS.map(|webhook| webhook.secret().to_owned());
        wanted.into_iter().filter(|name| !set.contains(name)).collect()
    };
    figures.missing_secrets = names(session, sight, "secrets", &SECRETS)
        .map(missing)
        .unwrap_or_default();
    figures.bad_monitors = names(session, sight, "the monitors", &MONITORS).unwrap_or_default();
    figures.held = sight.ask(session, "whether this database may send", clone_guard::held);
    faults
}

/// Those of others that run before a row of the inbox is written: worth a word, and a warning once nothing comes through.
fn others_triggers(session: &Session) -> Result<Vec<Fault>> {
    let mut found = session.query(&OTHERS_TRIGGERS, vec![])?.map(|row| {
        let may_swallow = row.boolean(7).unwrap_or(false);
        (row.text(8).filter(|_| may_swallow), Fault::from_row(row))
    });
    let suspects: Vec<&str> = found.iter().filter_map(|(name, _)| name.as_deref()).collect();
    let mut faults = match suspects.is_empty() {
        true => Vec::new(),
        false => {
            let rows = session.query(&SWALLOWED, vec![Value::TextArray(suspects)])?;
            rows.map(Fault::from_row)
        }
    };
    faults.extend(found.drain(..).map(|(_, fault)| fault));
    Ok(faults)
}

/// What the owner of the tables need not see: asked with the rights of the function's owner. Catalogs, pg_cron's table and
/// the rights on pg_net's, nothing that anybody could put in their place.
pub fn of_the_server(session: &Session, sight: &Sight, figures: &mut Figures) {
    let installed = sight.ask(session, "what is installed", |session| {
        session.query(&INSTALLED, vec![])?.first(|row| {
            figures.extension = row.text(1);
            figures.has_pg_cron = row.boolean(2).unwrap_or(false);
            figures.has_pg_net = row.boolean(3).unwrap_or(false);
            figures.is_replica = row.boolean(4).unwrap_or(false);
        });
        Ok(())
    });
    debug_assert!(installed.is_some());
    figures.listening = wake::listening();
    figures.carrier = sight.ask(session, "the carrier", carriers::carrier_in_force);
    figures.preloads_pg_cron = first(session, sight, "settings", &PRELOADS_PG_CRON, |row| {
        row.boolean(1)
    })
    .flatten();
    if figures.has_pg_cron {
        figures.jobs = jobs(session, sight);
    }
    if figures.has_pg_net {
        let open = first(session, sight, "rights on pg_net", &NET_IS_OPEN, |row| {
            row.boolean(1)
        });
        figures.net_is_open = open.flatten() == Some(true);
    }
    figures.snapshot = first(session, sight, "snapshots", &SNAPSHOT, |row| Snapshot {
        pid: row.int4(1).unwrap_or(0),
        user: row.text(2),
        application: row.text(3),
        state: row.text(5),
        seconds: row.float8(6).unwrap_or(0.0),
        since: row.timestamp(7),
    });
}

/// Active jobs of this database: those that the function's owner sees and those of the owner of the tables, whose ours are.
/// pg_cron's row security hides other roles' jobs from all but superusers.
fn jobs(session: &Session, sight: &Sight) -> Option<Vec<String>> {
    let mut found = visible_jobs(session, sight);
    let of_owner = owner::as_table_owner(|| Ok(visible_jobs(session, sight)));
    match (&mut found, of_owner.ok().flatten()) {
        (Some(found), Some(others)) => {
            found.extend(others);
            found.sort_unstable();
            found.dedup();
        }
        (None, others) => found = others,
        (Some(_), None) => {}
    }
    found
}

fn visible_jobs(session: &Session, sight: &Sight) -> Option<Vec<String>> {
    let may = first(session, sight, "rights on pg_cron", &MAY_READ_JOBS, |row| {
        row.boolean(1)
    });
    may.flatten().filter(|may| *may)?;
    names(session, sight, "the jobs of pg_cron", &JOBS)
}

/// What the function's owner may not see, and the statements that show it.
pub fn not_visible(session: &Session, sight: &Sight) -> Vec<Fault> {
    let faults = sight.ask(session, "rights", |session| {
        Ok(session.query(&NOT_VISIBLE, vec![])?.map(Fault::from_row))
    });
    faults.unwrap_or_default()
}

/// Who keeps others out of a table.
pub fn locks(session: &Session, sight: &Sight, could_not_read: bool) -> Vec<Fault> {
    let faults = sight.ask(session, "locks", |session| {
        let rows = session.query(&LOCKS, vec![Value::Boolean(could_not_read)])?;
        Ok(rows.map(Fault::from_row))
    });
    faults.unwrap_or_default()
}

fn first<T>(
    session: &Session,
    sight: &Sight,
    what: &'static str,
    statement: &'static LocalKey<Statement>,
    read: impl FnMut(Row) -> T,
) -> Option<T> {
    sight
        .ask(session, what, |session| {
            Ok(session.query(statement, vec![])?.first(read))
        })
        .flatten()
}

fn names(
    session: &Session,
    sight: &Sight,
    what: &'static str,
    statement: &'static LocalKey<Statement>,
) -> Option<Vec<String>> {
    sight.ask(session, what, |session| {
        let rows = session.query(statement, vec![])?;
        Ok(rows.map(|row| row.text(1).unwrap_or_default()))
    })
}
