//! raw_ops: webhooks in, orders out, inside PostgreSQL.
//!
//! # Layout
//!
//! Data falls one way; a module may use what stands below it, nothing above it (a test keeps this true).
//!
//! | room          | what it holds                                                                          |
//! |---------------|----------------------------------------------------------------------------------------|
//! | [`worker`]    | background workers and the sender: their loops                                         |
//! | [`dashboard`] | the page "Webhook Operations": what health and the views say, for people               |
//! | [`health`]    | `fn_health_v1()`: one look at the whole, each fault with the statements that mend it   |
//! | [`checkup`]   | `setup()`: makes, mends, and says what it found and did, line by line                  |
//! | [`jobs`]      | the pg_cron jobs: what runs when, and whether pg_cron starts it                        |
//! | [`dispatch`]  | one pass over the outbox: claim, send, record; the registry of those who asked         |
//! | [`monitoring`] | checks (one file each) and their runs; what is wrong with the tables; metrics         |
//! | [`retention`] | how long things are kept: the archive, housekeeping                                    |
//! | [`inbox`]     | receive · drain · retry · resolve, and the guard of the status machine                 |
//! | [`courier`]   | shipments, what couriers report about them, whom to notify, tasks for people           |
//! | [`orders`]    | customers, orders and items: applying a set of payloads to the tables                  |
//! | [`alerts`]    | what is wrong and whether anybody knows: open, tell, escalate, close, send again       |
//! | [`outbox`]    | requests to send and their attempts; receivers (one file each), carriers, secrets      |
//! | [`elements`]  | what is left of list-shaped webhooks: elements that wait, or that nobody can read      |
//! | [`convergence`] | "newer wins", field by field: the same payloads come to the same row in any order    |
//! | [`providers`] | a declaration each: its topics, headers, ids; their JSON to our typed command. Pure    |
//! | [`command`]   | one envelope and one result for what a webhook asks for, in any domain. Pure           |
//! | [`wake`]      | who listens, in shared memory, and when it last gave a sign; waking at commit          |
//! | [`setup`]     | numbered migrations, the views, what hangs on the extension's functions; bringing them back |
//! | [`schedule`]  | when to try again: the waits of each purpose                                           |
//! | [`audit`]     | writing to the operational log                                                         |
//! | [`db`]        | alone names SPI: statements, rowsets, jsonb, sub-transactions, deadlines, roles        |
//! | [`shop`]      | how a shop is named. Pure                                                              |
//! | [`json`]      | reading JSON with paths for errors, wherever it lives. Pure                            |
//! | [`config`]    | settings: names, units, defaults                                                       |
//! | [`error`]     | one closed list of errors: SQLSTATE, category, next step                               |
//!
//! SQL stands in `sql/`: `migrations/` (every table), `views/` (one file each), `setup/`, long statements by module, and
//! what is generated: the install script `raw_ops--<version>.sql`, and `schema.sql`, the tables as they are now.

// PostgreSQL's own error, which every door returns, is large; it is made once, on the way out.
#![allow(clippy::result_large_err)]

mod alerts;
mod audit;
mod checkup;
mod command;
mod config;
mod convergence;
mod courier;
mod dashboard;
mod db;
mod dispatch;
mod elements;
mod error;
mod health;
mod inbox;
mod jobs;
mod json;
mod monitoring;
mod orders;
mod outbox;
mod providers;
mod retention;
mod schedule;
mod setup;
mod shop;
mod wake;
mod worker;

#[cfg(test)]
mod layout;
#[cfg(any(test, feature = "pg_test"))]
mod testing;

use pgrx::prelude::*;

::pgrx::pg_module_magic!();

extension_sql_file!("../sql/begin.sql", name = "begin", bootstrap);
extension_sql_file!(
    "../sql/jobs.sql",
    name = "jobs",
    requires = [
        process_pending_webhooks,
        retry_failed_webhooks,
        fn_deliver_outbox_v1,
        fold_webhook_tallies,
        fn_archive_webhooks_v1,
        fn_housekeeping_v1
    ]
);
extension_sql_file!(
    "../sql/finish.sql",
    name = "finish",
    requires = ["jobs"],
    finalize
);

/// A new time-ordered UUID.
#[pg_extern(volatile, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn fn_uuid_v7() -> pgrx::Uuid {
    pgrx::Uuid::from_bytes(db::ids::uuid_v7())
}

/// Called once when the library is loaded: at server start if preloaded, else at first use in a session.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    // SAFETY: reads a flag of the server.
    let at_server_start = unsafe { pg_sys::process_shared_preload_libraries_in_progress };
    config::register(at_server_start);
    db::schema::expect(setup::RESTORED_LAST);
    if at_server_start {
        worker::register();
    }
}

#[cfg(test)]
pub mod pg_test {
    pub fn setup(_options: Vec<&str>) {}

    #[must_use]
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        vec![]
    }
}
