//! Recovery: the [`archive`] of the inbox. Replay, correction and reconciliation come here.

mod archive;
