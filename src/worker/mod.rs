//! The background workers: woken at commit of an insert, they drain the inbox and pick up retries when they are due.
//! Idle, a worker sleeps on its latch and looks around every ten seconds. Beside them the [`sender`] empties the outbox.

mod sender;
mod transaction;
mod watch;

use crate::error::{Error, Result};
use crate::inbox::{counters, drain, retry};
use crate::{config, db, wake};
use pgrx::bgworkers::{BackgroundWorker, BackgroundWorkerBuilder, SignalWakeFlags};
use pgrx::prelude::*;
use std::cell::Cell;
use std::time::Duration;
use transaction::transaction_unraced;
use watch::Watch;

/// Webhooks a transaction: enough to share its fixed cost, few enough to be visible soon.
const BATCH: i32 = 200;
/// The backstop under the wake-up, in microseconds.
const POLL_INTERVAL: i64 = 10_000_000;
/// How long to leave a server in trouble alone, in microseconds.
const ERROR_BACKOFF: i64 = 5_000_000;
/// How often to fold what the drains have counted, in microseconds.
const FOLD_EVERY: i64 = 60_000_000;

thread_local! {
    static FOLD_AT: Cell<i64> = const { Cell::new(0) };
}

/// Asks for shared memory and starts the workers; only while the server itself is starting.
pub fn register() {
    wake::init();
    db::under_way::init();
    sender::register();
    for number in 1..=config::workers() {
        BackgroundWorkerBuilder::new(&format!("raw_ops worker {number}"))
            .set_type("raw_ops worker")
            .set_library("raw_ops")
            .set_function("raw_ops_worker_main")
            .set_argument(Some(pg_sys::Datum::from(number)))
            .enable_spi_access()
            .set_restart_time(Some(Duration::from_secs(5)))
            .load();
    }
}

/// Where a worker process begins. Ends only by exiting with code 1, which makes the server start it again.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn raw_ops_worker_main(argument: pg_sys::Datum) {
    let slot = argument.value().saturating_sub(1);
    BackgroundWorker::attach_signal_handlers(SignalWakeFlags::SIGHUP);
    // SAFETY: `die` is the server's own handler: it ends the process at the next safe point, lock waits included.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        pg_sys::pqsignal(pg_sys::SIGTERM as i32, Some(die));
        #[cfg(feature = "pg18")]
        pg_sys::pqsignal_be(pg_sys::SIGTERM as i32, Some(die));
    }
    BackgroundWorker::connect_worker_to_spi(Some(&config::database()), None);
    transaction::pin_search_path();
    wake::listen(slot);
    // Work is derived from rows that are durable already: a commit lost in a crash is done again.
    transaction::set_setting(c"synchronous_commit", c"off");
    transaction::set_defaults(c"raw_ops worker");
    let mut watch = Watch::new(slot == 0);
    loop {
        watch.look_after();
        let pause = work_until_idle();
        wake::sleep(pause);
    }
}

/// The server's own handler, behind the calling convention signals have in Rust.
unsafe extern "C-unwind" fn die(signal: i32) {
    // SAFETY: sets flags and a latch; made for signal handlers.
    unsafe { pg_sys::die(signal) }
}

/// Returns how long to sleep unless woken, in microseconds.
fn work_until_idle() -> i64 {
    match work() {
        Ok(next_due) => next_due.map_or(POLL_INTERVAL, |due| {
            (due - db::clock()).clamp(1_000, POLL_INTERVAL)
        }),
        // Not set up here (yet), or a restore is running: nothing to report every few seconds.
        Err(Error::NotSetUp { .. } | Error::RestoreUnderWay) => ERROR_BACKOFF,
        Err(error) => {
            log!("raw_ops worker: {error}");
            transaction::report_activity(&format!("raw_ops: tries again in some seconds, after: {error}"));
            ERROR_BACKOFF
        }
    }
}

/// Drains what is pending, then tries again what is due. Returns when the next retry will be.
fn work() -> Result<Option<i64>> {
    loop {
        let drained = drain_pending();
        // Newer webhooks than those in trouble are among the due ones: they are taken in any case.
        let next_due = transaction_unraced(|| db::session(retry::next_due))?;
        if drained.is_ok() && next_due.is_none_or(|due| due > db::clock()) {
            fold_now_and_then()?;
            return Ok(next_due);
        }
        let tried_again = transaction_unraced(retry::due)?;
        drained?;
        if tried_again.claimed == 0 {
            // What is due is held by somebody else; they or the next look will see to it.
            return Ok(Some(db::clock() + ERROR_BACKOFF));
        }
        wake::handle_interrupts();
    }
}

fn drain_pending() -> Result<()> {
    while transaction_unraced(|| drain::pending(BATCH))?.more {
        wake::handle_interrupts();
    }
    Ok(())
}

/// Also where no pg_cron does it each minute, tallies must not pile up.
fn fold_now_and_then() -> Result<()> {
    let now = db::clock();
    if now >= FOLD_AT.get() {
        FOLD_AT.set(now + FOLD_EVERY);
        transaction_unraced(|| db::session(counters::fold))?;
    }
    Ok(())
}
