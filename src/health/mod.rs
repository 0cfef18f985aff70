//! `fn_health_v1()`: one look at the whole, each fault with the statements that mend it.
//!
//! It answers whoever may call it, whatever is wrong: each question is asked apart ([`Sight`]), so that a locked table, a
//! dropped view or a missing right costs its own answer and is told. [`figures`]: what is asked; [`faults`]: what is
//! wrong by the figures, pure; [`readings`]: what the checks read, and open alerts; [`grants`]: who may do what nobody should. What is wrong with the tables themselves:
//! [`crate::monitoring::integrity`].

mod faults;
mod figures;
mod grants;
mod jobs;
mod keys;
mod pg_net;
mod readings;
mod worker_slots;

use crate::alerts::{AllThresholds, Severity};
use crate::config;
use crate::db::{self, owner};
use crate::error::{Error, Result};
use crate::monitoring::checks::monitoring_heartbeat;
use crate::monitoring::server::LIMITS;
use crate::monitoring::{Fault, Sight, locks, server, sight};
use crate::outbox::carriers::InForce;
use crate::wake;
use figures::Figures;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use readings::Readings;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// Who asks for health is answered within five seconds.
const PATIENCE: Duration = Duration::from_secs(4);

#[pg_extern(stable, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_health_v1() -> Result<JsonB, ErrorReport> {
    Ok(JsonB(db::json_for_client(look(PATIENCE)?.to_json())))
}

/// What was seen, and what is wrong with it, the worst first.
pub struct Health {
    figures: Figures,
    faults: Vec<Fault>,
}

/// Looks at everything: at the tables as their owner; at settings, other roles' sessions and jobs with the rights that
/// the function was called with, its owner's. Within this time, and half a second more.
///
/// # Errors
/// None but a cancelled call, and a server that shuts down.
pub fn look(patience: Duration) -> Result<Health> {
    let sight = Sight::new(patience);
    let mut figures = Figures::default();
    let (mut found, mut readings) = (Vec::new(), Readings::default());
    match owner::as_table_owner(|| {
        db::session(|session| {
            found.extend(figures::of_tables(session, &sight, &mut figures));
            if figures.not_set_up.is_none() {
                readings = readings::read(session, &sight);
            }
            Ok(())
        })
    }) {
        Ok(()) => {}
        Err(error @ Error::NotSetUp { .. }) => figures.not_set_up = Some(error),
        Err(error) => return Err(error),
    }
    let of_tables = found.len();
    found.extend(db::session(|session| {
        figures::of_the_server(session, &sight, &mut figures);
        let mut found = figures::not_visible(session, &sight);
        found.extend(grants::faults(session, &sight));
        let limits = figures.limits.of(LIMITS);
        let disks = |session: &_| server::disk::faults(session, limits);
        found.extend(sight.ask(session, "disks", disks).unwrap_or_default());
        let connections = |session: &_| server::connections::faults(session, limits);
        found.extend(sight.ask(session, "connections", connections).unwrap_or_default());
        found.extend(worker_slots::fault(session, &sight, &figures));
        if figures.has_pg_net && !figures.is_replica {
            found.extend(pg_net::fault(session, &sight));
        }
        found.extend(figures::stopped_pg_cron(session, &sight, &figures));
        found.extend(locks::ask_for_holders(session, &sight));
        Ok(found)
    })?);
    found.extend(faults::find_faults(&figures));
    found.extend(stuck_process(&figures));
    // Those that nobody else has looked at closer; they are told after what is wrong with the tables.
    let readings = readings.faults(&found);
    found.splice(of_tables..of_tables, readings);
    found.extend(sight::faults(&sight.into_unread()));
    if figures.is_replica {
        found.iter_mut().for_each(Fault::on_primary);
    }
    found = found.into_iter().map(Fault::folded).collect();
    found.sort_by_key(|fault| std::cmp::Reverse(fault.severity));
    Ok(Health {
        figures,
        faults: found,
    })
}

/// A worker, or the sender, that is there and gives no sign.
fn stuck_process(figures: &Figures) -> Option<Fault> {
    let silent = wake::longest_silent()?;
    let limits = figures.limits.of(monitoring_heartbeat::NAME);
    let crossed = limits.crossed(monitoring_heartbeat::STUCK_WORKER, silent.minutes)?;
    let fault = Fault::new(
        monitoring_heartbeat::STUCK_WORKER,
        crossed.severity,
        silent.told(),
    );
    Some(silent.next_steps().into_iter().fold(fault, Fault::next))
}

impl Health {
    /// What is wrong, and from where on a figure is.
    pub fn into_parts(self) -> (Vec<Fault>, AllThresholds) {
        (self.faults, self.figures.limits)
    }

    /// The worst fault's; what only informs leaves it `Info`, which is shown as ok.
    pub fn severity(&self) -> Severity {
        let worst = self.faults.iter().map(|fault| fault.severity).max();
        worst.unwrap_or(Severity::Info)
    }

    fn to_json(&self) -> Json {
        let figures = &self.figures;
        let here = figures.listening;
        let faults: Vec<Json> = self.faults.iter().map(Fault::to_json).collect();
        json!({
            "status": match self.severity() {
                Severity::Info => "ok",
                severity => severity.as_str(),
            },
            "extension_version": figures.extension,
            "schema_version": figures.schema_version,
            "is_standby": figures.is_replica,
            "preloaded": here.is_some(),
            "workers": {
                "running": here.map_or(0, |here| here.workers), "wanted": config::workers(), "database": config::database(),
            },
            "sender": here.is_some_and(|here| here.sender),
            "pg_cron": {"installed": figures.has_pg_cron, "jobs": figures.jobs.as_ref().map(|found| {
                jobs::running(found, &db::current_database())
            })},
            "carrier": figures.carrier.map(InForce::as_str),
            "delivery_held": figures.held.as_ref().map(Option::is_some),
            "queue_depth": figures.inbox.as_ref().map(|inbox| inbox.depth),
            "oldest_pending_seconds": figures.inbox.as_ref().and_then(|inbox| inbox.oldest_pending_seconds).map(f64::round),
            "dead_letters": figures.inbox.as_ref().map(|inbox| inbox.dead_letters),
            "outbox": figures.outbox.as_ref().map(|outbox| json!({
                "waiting": outbox.waiting, "overdue_seconds": outbox.overdue_seconds.map(f64::round),
            })),
            "open_alerts": figures.alerts.as_ref().map(|alerts| alerts.open),
            "undelivered_alerts": figures.alerts.as_ref().map(|alerts| alerts.undelivered),
            "inbox_tuples": figures.tuples.map(|(live, dead)| json!({"live": live, "dead": dead})),
            "oldest_snapshot": figures.snapshot.as_ref().map(|held| json!({
                "pid": held.pid, "user": held.user, "application": held.application, "state": held.state,
                "seconds": held.seconds.round(),
            })),
            "faults": faults,
        })
    }
}
