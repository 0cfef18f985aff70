//! Work that has begun and has not said how it ended, in shared memory: whoever is cut off from outside (cancelled, its session
//! ended) has no transaction left to write anything down, so somebody else does it.

use super::{clock, process};
use pgrx::prelude::*;
use pgrx::{AssertPGRXSharedMemory, PgAtomic, pg_shmem_init};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// So much at once; what comes beyond is not noted.
const SLOT_COUNT: usize = 64;
/// Bytes of an error's words that are kept.
const WORDS: usize = 200;

/// States of a slot.
const FREE: u32 = 0;
const TAKEN: u32 = 1;
const UNDER_WAY: u32 = 2;
const CUT_OFF: u32 = 3;

/// What stands of an id in each of two halves.
const HALF: usize = 8;

struct Slot {
    state: AtomicU32,
    pid: AtomicI32,
    database: AtomicU32,
    kind: AtomicU32,
    id: [AtomicU64; 2],
    begun_at: AtomicI64,
    /// Ended by a NUL, or by the end.
    words: [AtomicU8; WORDS],
}

impl Slot {
    const fn new() -> Self {
        Self {
            state: AtomicU32::new(FREE),
            pid: AtomicI32::new(0),
            database: AtomicU32::new(0),
            kind: AtomicU32::new(0),
            id: [const { AtomicU64::new(0) }; 2],
            begun_at: AtomicI64::new(0),
            words: [const { AtomicU8::new(0) }; WORDS],
        }
    }

    fn write_words(&self, words: &str) {
        let bytes = words.bytes().chain(std::iter::repeat(0));
        for (place, byte) in self.words.iter().zip(bytes) {
            place.store(byte, Ordering::Relaxed);
        }
    }

    fn words(&self) -> String {
        let bytes = self.words.iter().map(|byte| byte.load(Ordering::Relaxed));
        let bytes: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

struct Slots([Slot; SLOT_COUNT]);

// SAFETY: nothing but atomics.
static SLOTS: PgAtomic<AssertPGRXSharedMemory<Slots>> = unsafe { PgAtomic::new(c"raw_ops_under_way") };
/// Whether this server was started with the library; inherited by every process.
static HAS_SHARED_MEMORY: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Whom to tell when this process is cut off.
    static TELL: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Reserves the shared memory; only while the server is starting.
pub fn init() {
    // SAFETY: the wrapped value is made of atomics.
    pg_shmem_init!(
        SLOTS = unsafe { AssertPGRXSharedMemory::new(Slots([const { Slot::new() }; SLOT_COUNT])) }
    );
    HAS_SHARED_MEMORY.store(true, Ordering::Relaxed);
}

/// That work is under way. Dropped while an ERROR unwinds, it says that the work was cut off.
pub struct Note(&'static Slot);

/// Notes that work of a kind has begun; `tell` is called when it is cut off, and may use nothing that raises an error. `None`
/// where nobody could read it: without the preloaded library, or with too much under way.
pub fn begin(kind: u32, id: [u8; 16], tell: fn()) -> Option<Note> {
    if !HAS_SHARED_MEMORY.load(Ordering::Relaxed) {
        return None;
    }
    if TELL.replace(Some(tell)).is_none() {
        // SAFETY: once a process; the callback only writes atomics and tells.
        unsafe { pg_sys::before_shmem_exit(Some(session_ends), pg_sys::Datum::from(0usize)) };
    }
    let take = |slot: &&Slot| {
        let taken = slot
            .state
            .compare_exchange(FREE, TAKEN, Ordering::AcqRel, Ordering::Relaxed);
        taken.is_ok()
    };
    let slot = SLOTS.get().0.iter().find(take)?;
    slot.pid.store(process::own_pid(), Ordering::Relaxed);
    slot.database.store(process::own_database(), Ordering::Relaxed);
    slot.kind.store(kind, Ordering::Relaxed);
    for (place, half) in slot.id.iter().zip(id.chunks_exact(HALF)) {
        let half = half.iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
        place.store(half, Ordering::Relaxed);
    }
    slot.begun_at.store(clock(), Ordering::Relaxed);
    slot.write_words("");
    slot.state.store(UNDER_WAY, Ordering::Release);
    Some(Note(slot))
}

impl Note {
    /// It has ended, and whoever did it has said how.
    pub fn ended(self) {
        self.0.state.store(FREE, Ordering::Release);
        std::mem::forget(self);
    }

    /// What stops it, should it be cut off now.
    pub fn is_stopped_by(&self, words: &str) {
        self.0.write_words(words);
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.0.state.store(CUT_OFF, Ordering::Release);
        if let Some(tell) = TELL.get() {
            tell();
        }
    }
}

/// The session was told to end while work was under way: no ERROR has unwound.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn session_ends(_code: i32, _argument: pg_sys::Datum) {
    let own = process::own_pid();
    for slot in SLOTS
        .get()
        .0
        .iter()
        .filter(|slot| slot.pid.load(Ordering::Relaxed) == own)
    {
        let was_under_way =
            slot.state
                .compare_exchange(UNDER_WAY, CUT_OFF, Ordering::AcqRel, Ordering::Relaxed);
        if let (Ok(_), Some(tell)) = (was_under_way, TELL.get()) {
            slot.write_words("its session was ended in the middle of it");
            tell();
        }
    }
}

/// Work that was cut off.
pub struct CutOff {
    pub kind: u32,
    pub id: [u8; 16],
    /// Microseconds since 2000-01-01 UTC.
    pub begun_at: i64,
    /// What stopped it; may be empty.
    pub words: String,
    slot: &'static Slot,
}

/// What of this database was cut off and nobody has written down.
pub fn cut_off() -> Vec<CutOff> {
    if !HAS_SHARED_MEMORY.load(Ordering::Relaxed) {
        return Vec::new();
    }
    let here = process::own_database();
    let is_cut_off = |slot: &&Slot| match slot.state.load(Ordering::Acquire) {
        CUT_OFF => true,
        UNDER_WAY => !process::is_alive(slot.pid.load(Ordering::Relaxed)),
        _ => false,
    };
    let slots = SLOTS.get().0.iter().filter(is_cut_off);
    let slots = slots.filter(|slot| slot.database.load(Ordering::Relaxed) == here);
    let read = slots.map(|slot| {
        let mut id = [0; 16];
        for (half, place) in id.chunks_exact_mut(HALF).zip(&slot.id) {
            half.copy_from_slice(&place.load(Ordering::Relaxed).to_be_bytes());
        }
        CutOff {
            kind: slot.kind.load(Ordering::Relaxed),
            id,
            begun_at: slot.begun_at.load(Ordering::Relaxed),
            words: slot.words(),
            slot,
        }
    });
    read.collect()
}

impl CutOff {
    /// It is written down.
    pub fn forget(self) {
        self.slot.state.store(FREE, Ordering::Release);
    }
}
