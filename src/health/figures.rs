//! What health rests on, each question asked apart.

use crate::alerts::AllThresholds;
use crate::db::typed::FromRow;
use crate::db::{Found, Session, owner, result_row, schema, statements};
use crate::error::{Error, Result};
use crate::jobs::watch;
use crate::json::Timestamp;
use crate::monitoring::integrity::{definitions, structure};
use crate::monitoring::{Fault, FaultRow, Sight};
use crate::outbox::carriers::{self, InForce};
use crate::outbox::clone_guard::{self, Held};
use crate::outbox::receivers::slack::Webhook;
use crate::wake::{self, Listening};

statements! {
    query find_installed() -> Installed = file "health/installed.sql";
    query find_inbox() -> InboxRow = file "health/inbox.sql";
    query find_outbox() -> OutboxRow = file "health/outbox.sql";
    query find_alerts() -> AlertsRow = file "health/alerts.sql";
    query find_bad_monitors() -> BadMonitor = file "health/monitors.sql";
    query find_snapshot() -> SnapshotRow = file "health/snapshot.sql";
    query does_preload_pg_cron() -> Option<bool> = file "health/preloads_pg_cron.sql";
    query find_version() -> Option<i32> = text "select max(version) from raw_ops.schema_migrations";
    query count_tuples() -> Tuples = text
        "select n_live_tup, n_dead_tup from pg_catalog.pg_stat_all_tables where relid = 'raw_ops.webhook_inbox'::regclass";
    /// What a shop has of its own does not count: what is about no single shop goes by what all have.
    query find_secrets() -> String = text "select name from raw_ops.secrets where shop_domain = ''";
    query find_jobs() -> Option<String> = text
        "select jobname::text from cron.job where active and database = current_database()";
    query may_read_jobs() -> Option<bool> = text
        "select has_schema_privilege(schema.oid, 'usage') and has_table_privilege(job.oid, 'select')
           from pg_catalog.pg_class as job join pg_catalog.pg_namespace as schema on schema.oid = job.relnamespace
          where schema.nspname = 'cron' and job.relname = 'job'";
    /// Role 0 is PUBLIC.
    query is_net_open() -> Option<bool> = text
        "select has_table_privilege(0, queue.oid, 'select')
           from pg_catalog.pg_class as queue join pg_catalog.pg_namespace as schema on schema.oid = queue.relnamespace
          where schema.nspname = 'net' and queue.relname = 'http_request_queue'";
}

statements! {
    query find_not_visible() -> FaultRow = file "health/not_visible.sql";
    query find_others_triggers() -> TriggerRow = file "health/others_triggers.sql";
    query find_swallowed(triggers: Vec<&str>) -> FaultRow = file "health/swallowed.sql";
}

result_row! {
    struct TriggerRow {
        what: Option<String>,
        severity: Option<String>,
        problem: Option<String>,
        since: Option<Timestamp>,
        next: Option<Vec<String>>,
        roles: Option<Vec<String>>,
        may_swallow: Option<bool>,
        name: Option<String>,
    }
}

result_row! {
    struct Installed {
        extension: Option<String>,
        has_pg_cron: bool,
        has_pg_net: bool,
        is_replica: bool,
    }
}

result_row! {
    struct InboxRow {
        depth: i64,
        oldest_pending_seconds: Option<f64>,
        oldest_seconds: Option<f64>,
        oldest_at: Option<Timestamp>,
        dead_letters: i64,
        oldest_dead_at: Option<Timestamp>,
    }
}

result_row! {
    #[derive(Debug)]
    pub struct BadMonitor {
        pub check_name: String,
        /// The last time it ran; else it is silent.
        pub has_failed: bool,
    }
}

result_row! {
    struct OutboxRow {
        waiting: i64,
        overdue_seconds: Option<f64>,
        overdue_since: Option<Timestamp>,
    }
}

result_row! {
    struct AlertsRow {
        open: i64,
        undelivered: i64,
        oldest_undelivered: Option<Timestamp>,
    }
}

result_row! {
    struct Tuples {
        n_live_tup: Option<i64>,
        n_dead_tup: Option<i64>,
    }
}

result_row! {
    #[allow(dead_code, reason = "the type of the backend is not told")]
    struct SnapshotRow {
        pid: i32,
        usename: Option<String>,
        application_name: Option<String>,
        backend_type: Option<String>,
        state: Option<String>,
        seconds: Option<f64>,
        xact_start: Option<Timestamp>,
    }
}

/// Everything the verdict rests on; `None`: could not be seen.
#[derive(Debug, Default)]
pub struct Figures {
    /// From where on a figure is a fault; none if they could not be seen.
    pub limits: AllThresholds,
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
    pub bad_monitors: Vec<BadMonitor>,
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
            Ok(find_version(session)?.first()?.flatten())
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
    figures.limits = sight
        .ask(session, "the thresholds", AllThresholds::read)
        .unwrap_or_default();
    figures.inbox = first(session, sight, "the inbox", find_inbox).map(|row| Inbox {
        depth: row.depth,
        oldest_pending_seconds: row.oldest_pending_seconds,
        oldest_seconds: row.oldest_seconds,
        oldest_at: row.oldest_at.map(|at| at.0),
        dead_letters: row.dead_letters,
        oldest_dead_at: row.oldest_dead_at.map(|at| at.0),
    });
    figures.outbox = first(session, sight, "the outbox", find_outbox).map(|row| Outbox {
        waiting: row.waiting,
        overdue_seconds: row.overdue_seconds,
        overdue_since: row.overdue_since.map(|at| at.0),
    });
    figures.alerts = first(session, sight, "alerts", find_alerts).map(|row| Alerts {
        open: row.open,
        undelivered: row.undelivered,
        oldest_undelivered: row.oldest_undelivered.map(|at| at.0),
    });
    figures.tuples = first(session, sight, "dead rows", count_tuples)
        .map(|row| (row.n_live_tup.unwrap_or(0), row.n_dead_tup.unwrap_or(0)));
    let missing = |set: Vec<String>| {
        let wanted = Webhook::OF_CHANNELS.map(|webhook| webhook.secret().to_owned());
        wanted.into_iter().filter(|name| !set.contains(name)).collect()
    };
    figures.missing_secrets = all(session, sight, "secrets", find_secrets)
        .map(missing)
        .unwrap_or_default();
    figures.bad_monitors = all(session, sight, "the monitors", find_bad_monitors).unwrap_or_default();
    figures.held = sight.ask(session, "whether this database may send", clone_guard::held);
    faults
}

/// Those of others that run before a row of the inbox is written: worth a word, and a warning once nothing comes through.
fn others_triggers(session: &Session) -> Result<Vec<Fault>> {
    let found = find_others_triggers(session)?.all()?;
    let suspects = found.iter().filter(|row| row.may_swallow == Some(true));
    let suspects: Vec<&str> = suspects.filter_map(|row| row.name.as_deref()).collect();
    let mut faults = match suspects.is_empty() {
        true => Vec::new(),
        false => find_swallowed(session, suspects)?.map(Fault::from_row)?,
    };
    faults.extend(found.into_iter().map(|row| {
        Fault::from_row(FaultRow {
            what: row.what,
            severity: row.severity,
            problem: row.problem,
            since: row.since,
            next: row.next,
            roles: row.roles,
        })
    }));
    Ok(faults)
}

/// What the owner of the tables need not see: asked with the rights of the function's owner. Catalogs, pg_cron's table and
/// the rights on pg_net's, nothing that anybody could put in their place.
pub fn of_the_server(session: &Session, sight: &Sight, figures: &mut Figures) {
    let installed = first(session, sight, "what is installed", find_installed);
    debug_assert!(installed.is_some());
    if let Some(installed) = installed {
        figures.extension = installed.extension;
        figures.has_pg_cron = installed.has_pg_cron;
        figures.has_pg_net = installed.has_pg_net;
        figures.is_replica = installed.is_replica;
    }
    figures.listening = wake::listening();
    figures.carrier = sight.ask(session, "the carrier", carriers::carrier_in_force);
    figures.preloads_pg_cron = first(session, sight, "settings", does_preload_pg_cron).flatten();
    if figures.has_pg_cron {
        figures.jobs = jobs(session, sight);
    }
    if figures.has_pg_net {
        let open = first(session, sight, "rights on pg_net", is_net_open);
        figures.net_is_open = open.flatten() == Some(true);
    }
    figures.snapshot = first(session, sight, "snapshots", find_snapshot).map(|row| Snapshot {
        pid: row.pid,
        user: row.usename,
        application: row.application_name,
        state: row.state,
        seconds: row.seconds.unwrap_or(0.0),
        since: row.xact_start.map(|at| at.0),
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
    let may = first(session, sight, "rights on pg_cron", may_read_jobs);
    may.flatten().filter(|may| *may)?;
    let jobs = all(session, sight, "the jobs of pg_cron", find_jobs)?;
    Some(jobs.into_iter().map(Option::unwrap_or_default).collect())
}

/// What the function's owner may not see, and the statements that show it.
pub fn not_visible(session: &Session, sight: &Sight) -> Vec<Fault> {
    let faults = sight.ask(session, "rights", |session| {
        find_not_visible(session)?.map(Fault::from_row)
    });
    faults.unwrap_or_default()
}

/// Jobs that pg_cron does not start when they are due.
pub fn stopped_pg_cron(session: &Session, sight: &Sight, figures: &Figures) -> Vec<Fault> {
    if !figures.has_pg_cron || figures.is_replica {
        return Vec::new();
    }
    let limits = figures.limits.of(watch::NAME);
    let faults = sight.ask(session, "whether pg_cron starts its jobs", |session| {
        watch::faults(session, limits)
    });
    faults.unwrap_or_default()
}

type Find<R> = fn(&Session) -> Result<Found<'_, R>>;

fn first<R: for<'s> FromRow<'s>>(
    session: &Session,
    sight: &Sight,
    what: &'static str,
    find: Find<R>,
) -> Option<R> {
    sight
        .ask(session, what, |session| find(session)?.first())
        .flatten()
}

fn all<R: for<'s> FromRow<'s>>(
    session: &Session,
    sight: &Sight,
    what: &'static str,
    find: Find<R>,
) -> Option<Vec<R>> {
    sight.ask(session, what, |session| find(session)?.all())
}
