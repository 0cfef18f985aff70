//! What a worker looks after beside the inbox: nobody else would tell. It never holds up the work for longer than a glance.

use super::transaction::transaction;
use crate::monitoring::cut_off;
use pgrx::prelude::*;

/// Each time round; costs a look into shared memory while there is nothing to do.
pub fn look_after() {
    if cut_off::is_any()
        && let Err(error) = transaction(cut_off::write_down)
    {
        log!("raw_ops worker: a check that was cut off is not written down yet: {error}");
    }
}
