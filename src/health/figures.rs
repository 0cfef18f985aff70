//! What health rests on, each question asked apart.

use super::{jobs, keys};
use crate::alerts::AllThresholds;
use crate::db::{Session, result_row, schema, statements};
use crate::error::{Error, Result};
use crate::jobs::planned::Scheduled;
use crate::jobs::watch;
use crate::json::Timestamp;
use crate::monitoring::checks::CHECKS;
use crate::monitoring::integrity::{definitions, structure};
use crate::monitoring::{Fault, FaultRow, Sight};
use crate::outbox::carriers::{self, InForce};
use crate::outbox::clone_guard::{self, Held};
use crate::outbox::receivers::slack::Webhook;
use crate::wake::{self, Listening};

statements! {
    query find_installed() -> Installed = file "health/installed.sql";
    query find_inbox() -> Inbox = file "health/inbox.sql";
    query find_outbox() -> Outbox = file "health/outbox.sql";
    query find_alerts() -> Alerts = file "health/alerts.sql";
    query find_snapshot() -> SnapshotRow = file "health/snapshot.sql";
    query does_preload_pg_cron() -> Option<bool> = file "health/preloads_pg_cron.sql";
    query find_version() -> Option<i32> = text "select max(version) from raw_ops.schema_migrations";
    query count_tuples() -> Tuples = text
        "select n_live_tup, n_dead_tup from pg_catalog.pg_stat_all_tables where relid = 'raw_ops.webhook_inbox'::regclass";
    /// What a shop has of its own does not count: what is about no single shop goes by what all have.
    query find_secrets() -> String = text "select name from raw_ops.secrets where shop_domain = ''";
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
    #[derive(Debug)]
    pub struct Inbox {
        pub depth: i64,
        pub oldest_pending_seconds: Option<f64>,
        pub dead_letters: i64,
    }
}

result_row! {
    #[derive(Debug)]
    pub struct Outbox {
        pub waiting: i64,
        pub overdue_seconds: Option<f64>,
    }
}

result_row! {
    #[derive(Debug)]
    pub struct Alerts {
        pub open: i64,
        pub undelivered: i64,
    }
}

result_row! {
    struct Tuples {
        n_live_tup: Option<i64>,
        n_dead_tup: Option<i64>,
    }
}

result_row! {
    struct SnapshotRow {
        pid: i32,
        usename: Option<String>,
        application_name: Option<String>,
        state: Option<String>,
        seconds: Option<f64>,
        xact_start: Option<Timestamp>,
        end_it: Option<String>,
    }
}

/// Everything the verdict rests on; `None`: could not be seen.
#[derive(Debug, Default)]
pub struct Figures {
    /// From where on a figure is a fault; none if they could not be seen.
    pub limits: AllThresholds,
    pub has_limits: bool,
    /// The names of the checks.
    pub checks: Vec<&'static str>,
    pub not_set_up: Option<Error>,
    pub extension: Option<String>,
    pub schema_version: Option<i32>,
    /// What is installed was read: what is not there is missing.
    pub is_seen: bool,
    pub has_pg_cron: bool,
    pub has_pg_net: bool,
    pub is_replica: bool,
    pub inbox: Option<Inbox>,
    pub outbox: Option<Outbox>,
    pub alerts: Option<Alerts>,
    /// Live and dead rows of the inbox.
    pub tuples: Option<(i64, i64)>,
    pub missing_secrets: Vec<String>,
    pub jobs: Option<Vec<Scheduled>>,
    pub preloads_pg_cron: Option<bool>,
    pub listening: Option<Listening>,
    pub carrier: Option<InForce>,
    /// Why nothing is sent, where nothing may be.
    pub held: Option<Option<Held>>,
    pub net_is_open: bool,
    pub snapshot: Option<Snapshot>,
}

#[derive(Debug)]
pub struct Snapshot {
    pub pid: i32,
    pub user: Option<String>,
    pub application: Option<String>,
    pub state: Option<String>,
    pub seconds: f64,
    pub since: Option<i64>,
    /// What ends it, or why to let it be.
    pub end: Option<String>,
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
    let questions: [(&str, Question); 4] = [
        ("how the tables are defined", definitions::faults),
        ("the tables' structure", structure::faults),
        ("triggers of others", others_triggers),
        ("the secrets and their key", keys::faults),
    ];
    for (what, look) in questions {
        faults.extend(sight.ask(session, what, look).unwrap_or_default());
    }
    let limits = sight.ask(session, "the thresholds", AllThresholds::read);
    figures.has_limits = limits.is_some();
    figures.checks = CHECKS.iter().map(|check| check.name).collect();
    figures.limits = limits.unwrap_or_default();
    figures.inbox = sight.first(session, "the inbox", find_inbox);
    figures.outbox = sight.first(session, "the outbox", find_outbox);
    figures.alerts = sight.first(session, "alerts", find_alerts);
    figures.tuples = sight
        .first(session, "dead rows", count_tuples)
        .map(|row| (row.n_live_tup.unwrap_or(0), row.n_dead_tup.unwrap_or(0)));
    let missing = |set: Vec<String>| {
        let wanted = Webhook::OF_CHANNELS.map(|webhook| webhook.secret().to_owned());
        wanted.into_iter().filter(|name| !set.contains(name)).collect()
    };
    figures.missing_secrets = sight
        .all(session, "secrets", find_secrets)
        .map(missing)
        .unwrap_or_default();
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
    let installed = sight.first(session, "what is installed", find_installed);
    if let Some(installed) = installed {
        figures.is_seen = true;
        figures.extension = installed.extension;
        figures.has_pg_cron = installed.has_pg_cron;
        figures.has_pg_net = installed.has_pg_net;
        figures.is_replica = installed.is_replica;
    }
    figures.listening = wake::listening();
    figures.carrier = sight.ask(session, "the carrier", carriers::carrier_in_force);
    figures.preloads_pg_cron = sight.first(session, "settings", does_preload_pg_cron).flatten();
    if figures.has_pg_cron {
        figures.jobs = jobs::seen(session, sight);
    }
    if figures.has_pg_net {
        let open = sight.first(session, "rights on pg_net", is_net_open);
        figures.net_is_open = open.flatten() == Some(true);
    }
    figures.snapshot = sight
        .first(session, "snapshots", find_snapshot)
        .map(|row| Snapshot {
            pid: row.pid,
            user: row.usename,
            application: row.application_name,
            state: row.state,
            seconds: row.seconds.unwrap_or(0.0),
            since: row.xact_start.map(|at| at.0),
            end: row.end_it,
        });
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
