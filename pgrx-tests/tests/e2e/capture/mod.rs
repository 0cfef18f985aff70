//! Capture: from bytes on a socket to a webhook that is kept, whatever dies and whoever sends.

mod crashes;
mod from_outside;
mod http_to_tables;
mod shim;
mod shops;
mod signatures;
