//! Waking a process of ours at commit: an insert sets its latch. No NOTIFY, whose commits wait for each other, no lock.

use crate::config::MAX_WORKERS;
use crate::db::{self, process};
use pgrx::bgworkers::BackgroundWorker;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{
    AssertPGRXSharedMemory, PgAtomic, PgXactCallbackEvent, pg_shmem_init, pg_sys, register_xact_callback,
};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicPtr, AtomicU32, Ordering};

/// The slot of the sender; the workers' come before it.
pub const SENDER: usize = MAX_WORKERS;
const SLOT_COUNT: usize = MAX_WORKERS + 1;

/// Who is to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sleeper {
    /// Those who drain the inbox.
    Workers,
    /// The one who sends.
    Sender,
}

/// Where a worker or the sender listens.
struct Slot {
    /// Oid of the worker's database; 0 while nobody listens.
    database: AtomicU32,
    latch: AtomicPtr<pg_sys::Latch>,
    pid: AtomicI32,
    /// When it last went round its loop.
    last_sign: AtomicI64,
}

struct Slots([Slot; SLOT_COUNT]);

impl Slots {
    const fn new() -> Self {
        Self(
            [const {
                Slot {
                    database: AtomicU32::new(0),
                    latch: AtomicPtr::new(std::ptr::null_mut()),
                    pid: AtomicI32::new(0),
                    last_sign: AtomicI64::new(0),
                }
            }; SLOT_COUNT],
        )
    }
}

// SAFETY: nothing but atomics; the latches live in shared memory themselves, at one address in every process.
static SLOTS: PgAtomic<AssertPGRXSharedMemory<Slots>> = unsafe { PgAtomic::new(c"raw_ops_workers") };
/// Whether this server was started with the library; inherited by every process.
static HAS_SHARED_MEMORY: AtomicBool = AtomicBool::new(false);

thread_local! {
    static WAKES_WORKERS: Cell<bool> = const { Cell::new(false) };
    static WAKES_SENDER: Cell<bool> = const { Cell::new(false) };
    /// This process's own, where it listens.
    static OWN: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Reserves the shared memory; only while the server is starting.
pub fn init() {
    // SAFETY: the wrapped value is made of atomics.
    pg_shmem_init!(SLOTS = unsafe { AssertPGRXSharedMemory::new(Slots::new()) });
    HAS_SHARED_MEMORY.store(true, Ordering::Relaxed);
}

/// Who is there to be woken, in this database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    pub workers: usize,
    pub sender: bool,
}

/// `None` when the server was started without the library, so that nobody can be.
pub fn listening() -> Option<Listening> {
    if !HAS_SHARED_MEMORY.load(Ordering::Relaxed) {
        return None;
    }
    // SAFETY: reads the backend's database.
    let database = unsafe { pg_sys::MyDatabaseId.to_u32() };
    let (workers, sender) = SLOTS.get().0.split_at(SENDER);
    let is_here = |slot: &&Slot| slot.database.load(Ordering::Acquire) == database;
    Some(Listening {
        workers: workers.iter().filter(is_here).count(),
        sender: sender.iter().any(|slot| is_here(&slot)),
    })
}

/// From now on commits wake this worker process.
pub fn listen(slot: usize) {
    let Some(own) = SLOTS.get().0.get(slot) else {
        return;
    };
    OWN.set(Some(slot));
    own.pid.store(process::own_pid(), Ordering::Relaxed);
    give_a_sign();
    // SAFETY: MyLatch of a process with shared memory is its PGPROC's latch.
    unsafe {
        own.latch.store(pg_sys::MyLatch, Ordering::Release);
        own.database
            .store(pg_sys::MyDatabaseId.to_u32(), Ordering::Release);
        pg_sys::on_shmem_exit(Some(leave), pg_sys::Datum::from(slot));
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn leave(_code: i32, slot: pg_sys::Datum) {
    if let Some(own) = SLOTS.get().0.get(slot.value()) {
        own.database.store(0, Ordering::Release);
    }
}

/// Sleeps until woken or for so many microseconds. Returns whether it was woken.
pub fn sleep(micros: i64) -> bool {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: waits on the process's own latch; dies with the postmaster.
    unsafe {
        pg_sys::pgstat_report_stat(true);
        pg_sys::WaitLatch(
            pg_sys::MyLatch,
            events as i32,
            (micros / 1000).max(1),
            pg_sys::PG_WAIT_EXTENSION,
        );
    }
    was_called()
}

/// Whether somebody has woken this process since the last look; forgets it.
pub fn was_called() -> bool {
    // SAFETY: the process's own latch. Reset before anything is looked at, so that no call is lost.
    let called = unsafe {
        let called = (*pg_sys::MyLatch).is_set != 0;
        if called {
            pg_sys::ResetLatch(pg_sys::MyLatch);
        }
        called
    };
    handle_interrupts();
    called
}

/// A process that goes round its loop is alive: it does so at least every ten seconds.
fn give_a_sign() {
    if let Some(own) = OWN.get().and_then(|slot| SLOTS.get().0.get(slot)) {
        own.last_sign.store(db::clock(), Ordering::Relaxed);
    }
}

/// A process that is there and has given no sign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Silent {
    pub is_sender: bool,
    pub pid: i32,
    pub minutes: f64,
}

/// The one of this database that has given no sign for the longest.
pub fn longest_silent() -> Option<Silent> {
    if !HAS_SHARED_MEMORY.load(Ordering::Relaxed) {
        return None;
    }
    let (here, now) = (process::own_database(), db::clock());
    let slots = SLOTS.get().0.iter().enumerate();
    let here = slots.filter(|(_, slot)| slot.database.load(Ordering::Acquire) == here);
    let silent = here.map(|(number, slot)| Silent {
        is_sender: number == SENDER,
        pid: slot.pid.load(Ordering::Relaxed),
        minutes: (now - slot.last_sign.load(Ordering::Relaxed)) as f64 / 60e6,
    });
    silent.max_by(|one, other| one.minutes.total_cmp(&other.minutes))
}

impl Silent {
    /// For people.
    pub fn told(&self) -> String {
        let what = if self.is_sender { "sender" } else { "worker" };
        format!(
            "the {what}, process {}, has given no sign for {:.0} minutes",
            self.pid, self.minutes
        )
    }

    /// What ends it, as it can be pasted: it starts again by itself, and what it had begun is rolled back.
    pub fn next_steps(&self) -> [String; 3] {
        let pid = self.pid;
        [
            format!(
                "SELECT pid, backend_type, state, wait_event_type, wait_event, query FROM pg_stat_activity WHERE pid = {pid};"
            ),
            format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = {pid} AND backend_type LIKE 'raw\\_ops %';"
            ),
            format!(
                "-- If it is still there, somebody has stopped it. On the server's machine, as root: kill -CONT {pid}"
            ),
        ]
    }
}

/// Ends the process if asked to, reads changed settings.
pub fn handle_interrupts() {
    give_a_sign();
    pgrx::check_for_interrupts!();
    if BackgroundWorker::sighup_received() {
        // SAFETY: outside of a transaction, in the process's main loop.
        unsafe { pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP) };
    }
}

/// The statement trigger of the inbox: when this transaction commits, workers of this database are woken.
#[pg_trigger]
fn wake_worker<'a>(
    trigger: &'a pgrx::PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, ErrorReport> {
    wake_at_commit(&WAKES_WORKERS, Sleeper::Workers);
    Ok(trigger.new())
}

/// The statement trigger of the outbox: when this transaction commits, the sender of this database is woken.
#[pg_trigger]
fn wake_sender<'a>(
    trigger: &'a pgrx::PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, ErrorReport> {
    wake_at_commit(&WAKES_SENDER, Sleeper::Sender);
    Ok(trigger.new())
}

fn wake_at_commit(pending: &'static std::thread::LocalKey<Cell<bool>>, whom: Sleeper) {
    if HAS_SHARED_MEMORY.load(Ordering::Relaxed) && !pending.replace(true) {
        register_xact_callback(PgXactCallbackEvent::Commit, move || {
            pending.set(false);
            wake(whom);
        });
        register_xact_callback(PgXactCallbackEvent::Abort, || pending.set(false));
        register_xact_callback(PgXactCallbackEvent::Prepare, || pending.set(false));
    }
}

/// Wakes the workers of this database at once: they have something to look after. Raises no error.
pub fn wake_workers() {
    wake(Sleeper::Workers);
}

fn wake(whom: Sleeper) {
    // SAFETY: reads the backend's database.
    let database = unsafe { pg_sys::MyDatabaseId.to_u32() };
    let (workers, sender) = SLOTS.get().0.split_at(SENDER);
    let slots = match whom {
        Sleeper::Workers => workers,
        Sleeper::Sender => sender,
    };
    for slot in slots {
        if slot.database.load(Ordering::Acquire) == database {
            let latch = slot.latch.load(Ordering::Acquire);
            if !latch.is_null() {
                // SAFETY: a PGPROC's latch; at worst it belongs to another process by now, which wakes for nothing.
                unsafe { pg_sys::SetLatch(latch) };
            }
        }
    }
}
