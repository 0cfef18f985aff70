//! The sender: one process a server that empties the outbox. HTTP runs between its transactions, never inside one; many
//! requests are in flight at a time, on one thread. Idle, it sleeps on its latch.

use super::transaction::{self, transaction_unraced};
use crate::dispatch::{self, Room, Work};
use crate::error::{Error, Result};
use crate::outbox::carriers::builtin::Client;
use crate::outbox::{self, Attempt, Lanes};
use crate::{config, db, wake};
use pgrx::bgworkers::{BackgroundWorker, BackgroundWorkerBuilder, SignalWakeFlags};
use pgrx::prelude::*;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// What `pg_stat_activity.backend_type` shows.
pub const BACKEND_TYPE: &str = "raw_ops sender";
const MOST_IN_FLIGHT: usize = 256;
/// How long answers are waited for before the latch is looked at again.
const SLICE: Duration = Duration::from_millis(20);
/// The backstop under the wake-up, and the pause when somebody else holds what is due; in microseconds.
const POLL_INTERVAL: i64 = 10_000_000;
const LOOK_AGAIN: i64 = 1_000_000;
const PG_NET_POLL: i64 = 200_000;
const ERROR_BACKOFF: i64 = 5_000_000;
/// At shutdown, answers on their way are waited for so long: a message that is recorded is not sent twice.
const GRACE: Duration = Duration::from_secs(3);

/// Asks for the process; only while the server itself is starting.
pub fn register() {
    BackgroundWorkerBuilder::new(BACKEND_TYPE)
        .set_type(BACKEND_TYPE)
        .set_library("raw_ops")
        .set_function("raw_ops_sender_main")
        .enable_spi_access()
        .set_restart_time(Some(Duration::from_secs(1)))
        .load();
}

/// Where the process begins. Ends only by exiting with code 1, which makes the server start it again.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn raw_ops_sender_main(_argument: pg_sys::Datum) {
    BackgroundWorker::attach_signal_handlers(SignalWakeFlags::SIGHUP | SignalWakeFlags::SIGTERM);
    BackgroundWorker::connect_worker_to_spi(Some(&config::database()), None);
    transaction::pin_search_path();
    wake::listen(wake::SENDER);
    transaction::set_defaults(c"raw_ops sender");
    // What is sent must not be undone by a crash, or it is sent again under another id: its own commit, which comes before
    // the sending, also makes durable what it has read.
    transaction::set_durable();
    // SIGTERM only sets a flag here, so no statement may wait for ever.
    transaction::set_setting(c"lock_timeout", c"2s");
    transaction::set_setting(c"statement_timeout", c"60s");
    match Sender::new() {
        Ok(mut sender) => sender.run(),
        Err(problem) => log!("raw_ops sender: {problem}"),
    }
    // SAFETY: ends the process as the server's own code does; 1 asks for a restart.
    unsafe { pg_sys::proc_exit(1) }
}

struct Sender {
    runtime: Runtime,
    client: Client,
    in_flight: JoinSet<(String, Attempt)>,
    lanes: Lanes,
    just_started: bool,
    /// Transactions that have called into pg_net.
    pg_net_calls: u32,
}

/// pg_net registers a callback in each transaction that queues a request, and never takes it back: every commit of this
/// process costs more. A new process starts without them. Source: PG_FINDINGS §3.8.
const MOST_PG_NET_CALLS: u32 = 5_000;

impl Sender {
    fn new() -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            // Threads only resolve names.
            .max_blocking_threads(16)
            .build()
            .map_err(|error| format!("no runtime: {error}"))?;
        Ok(Self {
            runtime,
            client: Client::new()?,
            in_flight: JoinSet::new(),
            lanes: Lanes::default(),
            just_started: true,
            pg_net_calls: 0,
        })
    }

    fn run(&mut self) {
        let mut next_look = 0;
        while !BackgroundWorker::sigterm_received() && self.pg_net_calls < MOST_PG_NET_CALLS {
            if wake::was_called() || db::clock() >= next_look {
                next_look = db::clock() + self.look();
            }
            if self.in_flight.is_empty() {
                if wake::sleep(next_look - db::clock()) {
                    next_look = 0;
                }
            } else if self.collect(SLICE) {
                // Lanes have room again.
                next_look = 0;
            }
        }
        let deadline = Instant::now() + GRACE;
        while !self.in_flight.is_empty() && Instant::now() < deadline {
            self.collect(SLICE);
        }
    }

    /// Takes what is due. Returns how long until the next look unless woken, in microseconds.
    fn look(&mut self) -> i64 {
        match self.take() {
            Ok(pause) => pause,
            // Not set up here (yet), or a restore is running: nothing to report every few seconds.
            Err(Error::NotSetUp { .. } | Error::RestoreUnderWay) => ERROR_BACKOFF,
            Err(error) => {
                log!("raw_ops sender: {error}");
                ERROR_BACKOFF
            }
        }
    }

    fn take(&mut self) -> Result<i64> {
        self.client.allow_private_targets(config::allow_private_targets());
        let room = Room {
            limit: MOST_IN_FLIGHT.saturating_sub(self.in_flight.len()),
            lanes: &self.lanes,
            just_started: self.just_started,
        };
        let work = transaction_unraced(|| dispatch::take(&room))?;
        self.just_started = false;
        match work {
            Work::Held => Ok(POLL_INTERVAL),
            Work::PgNet => {
                // What is handed over goes where the settings say now.
                wake::handle_interrupts();
                let pass = transaction_unraced(dispatch::pg_net_pass)?;
                self.pg_net_calls += u32::from(pass.dispatched > 0);
                if pass.in_flight > 0 {
                    Ok(PG_NET_POLL)
                } else {
                    pause()
                }
            }
            Work::Builtin(requests) if requests.is_empty() => pause(),
            Work::Builtin(requests) => {
                if self.in_flight.is_empty() {
                    self.notice_closed_connections();
                }
                for (request, ready) in requests {
                    self.lanes.begin(&request.lane, request.destination);
                    let client = self.client.clone();
                    let send = async move {
                        let public_url = Some(ready.public_url.clone());
                        let response = client.post(ready, request.body.clone(), request.timeout_ms).await;
                        (request.lane.clone(), Attempt::of(&request, response, public_url))
                    };
                    self.in_flight.spawn_on(send, self.runtime.handle());
                }
                // There may be more, in other lanes.
                Ok(0)
            }
        }
    }

    /// While the process slept nobody looked at its open connections; one that the receiver has closed meanwhile must not
    /// be used for the next request.
    fn notice_closed_connections(&self) {
        without_signals(|| {
            // Made inside: outside there is no clock to sleep by.
            let look = async { tokio::time::sleep(Duration::from_millis(1)).await };
            self.runtime.block_on(look);
        });
    }

    /// Waits for answers and records those that have come. Returns whether any had.
    fn collect(&mut self, longest: Duration) -> bool {
        let (runtime, in_flight) = (&self.runtime, &mut self.in_flight);
        let joined = without_signals(|| {
            runtime.block_on(async {
                let mut joined = Vec::new();
                if let Ok(Some(first)) = tokio::time::timeout(longest, in_flight.join_next()).await {
                    joined.push(first);
                    while let Some(next) = in_flight.try_join_next() {
                        joined.push(next);
                    }
                }
                joined
            })
        });
        let mut attempts = Vec::with_capacity(joined.len());
        for outcome in joined {
            // A task that panicked is found again when its lease runs out.
            let Ok((lane, attempt)) = outcome else { continue };
            self.lanes.end(&lane);
            attempts.push(attempt);
        }
        if attempts.is_empty() {
            return false;
        }
        self.record(attempts);
        true
    }

    /// A record that fails is not given up: what was sent and not recorded would be sent again.
    fn record(&mut self, attempts: Vec<Attempt>) {
        const TIMES: usize = 3;
        for time in 1..=TIMES {
            match transaction_unraced(|| dispatch::finish(attempts.clone())) {
                Ok(()) => return,
                Err(error) => log!("raw_ops sender: answers not recorded (try {time} of {TIMES}): {error}"),
            }
        }
    }
}

/// How long until something is due.
fn pause() -> Result<i64> {
    let due = transaction_unraced(|| db::session(outbox::next_due_request))?;
    Ok(due.map_or(POLL_INTERVAL, |due| {
        let wait = due - db::clock();
        // Due, and yet not taken: somebody holds it, or its lane is full.
        if wait <= 0 {
            LOOK_AGAIN
        } else {
            wait.min(POLL_INTERVAL)
        }
    }))
}

/// Runs `work` with signals held back: the server's handlers may only run on this thread, and threads that `work` starts
/// inherit that they must leave them alone. Signals that say that this very thread went wrong stay.
fn without_signals<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: plain calls of the C library on sets of this stack frame.
    unsafe {
        let mut held = std::mem::zeroed::<libc::sigset_t>();
        let mut before = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&mut held);
        for fault in [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGILL,
            libc::SIGABRT,
        ] {
            libc::sigdelset(&mut held, fault);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &held, &mut before);
        let result = work();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        result
    }
}
