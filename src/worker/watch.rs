//! What a worker looks after beside the inbox: nobody else would tell. It never holds up the work for longer than a glance.

use super::transaction::transaction;
use crate::db;
use crate::error::Error;
use crate::jobs::watch::{self, Memory};
use crate::monitoring::cut_off;
use pgrx::prelude::*;
use std::time::{Duration, Instant};

/// How often to look at pg_cron.
const EVERY: Duration = Duration::from_secs(60);
/// Longer than this a look at pg_cron does not take.
const LONGEST: Duration = Duration::from_secs(2);

pub struct Watch {
    memory: Memory,
    next: Instant,
    /// One of the workers looks at pg_cron.
    is_first: bool,
}

impl Watch {
    pub fn new(is_first: bool) -> Self {
        Self {
            memory: Memory::from_now(),
            next: Instant::now() + EVERY,
            is_first,
        }
    }

    /// Each time round; while there is nothing to do it costs a look at the clock and into shared memory.
    pub fn look_after(&mut self) {
        if cut_off::is_any()
            && let Err(error) = transaction(cut_off::write_down)
        {
            log!("raw_ops worker: a check that was cut off is not written down yet: {error}");
        }
        if self.is_first && Instant::now() >= self.next {
            self.next = Instant::now() + EVERY;
            self.look_at_pg_cron();
        }
    }

    fn look_at_pg_cron(&mut self) {
        let memory = &mut self.memory;
        let looked = transaction(|| db::attempt_until(Instant::now() + LONGEST, || watch::follow(memory)));
        match looked {
            Ok(()) | Err(Error::NotSetUp { .. } | Error::RestoreUnderWay) => {}
            Err(error) => log!("raw_ops worker: cannot tell whether pg_cron runs: {error}"),
        }
    }
}
