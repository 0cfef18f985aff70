//! One pass over the outbox: claim, send, record, and tell the part that asked.
