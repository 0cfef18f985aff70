//! Retention: how long things are kept. [`archive`] moves webhooks that are done with out of the inbox; [`housekeeping`]
//! keeps every log bounded.

mod archive;
mod housekeeping;
