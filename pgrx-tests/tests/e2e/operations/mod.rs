//! Operations: setting up, roles, jobs, housekeeping, archive, dump and restore, the demo.

mod archive;
mod checkup;
mod demo;
mod dump_restore;
mod housekeeping;
mod intruders;
mod jobs;
mod pg_cron_login;
mod roles;
mod schema;
mod search_path;
mod states;
