//! Waking a process of ours at commit: an insert sets its latch. No NOTIFY, whose commits wait for each other, no lock.

use crate::config::MAX_WORKERS;
use pgrx::bgworkers::BackgroundWorker;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{
    AssertPGRXSharedMemory, PgAtomic, PgXactCallbackEvent, pg_shmem_init, pg_sys, register_xact_callback,
};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

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
}

struct Slots([Slot; SLOT_COUNT]);

impl Slots {
    const fn new() -> Self {
        Self(
            [const {
                Slot {
                    database: AtomicU32::new(0),
                    latch: AtomicPtr::new(std::ptr::null_mut()),
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

/// Ends the process if asked to, reads changed settings.
pub fn handle_interrupts() {
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
