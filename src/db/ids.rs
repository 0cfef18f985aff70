//! Time-ordered ids.

use std::cell::RefCell;
use uuid::{ContextV7, Timestamp, Uuid};

thread_local! {
    /// Keeps the ids of one backend in order within a millisecond.
    static CONTEXT: RefCell<ContextV7> = const { RefCell::new(ContextV7::new()) };
}

/// A new UUID of version 7: time-ordered, so that new rows land side by side in their indexes.
pub fn uuid_v7() -> [u8; 16] {
    CONTEXT.with_borrow(|context| *Uuid::new_v7(Timestamp::now(context)).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_backend_are_in_order_and_distinct() {
        let ids: Vec<_> = (0..10_000).map(|_| uuid_v7()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ids.iter().all(|id| id[6] >> 4 == 7));
    }
}
