//! Settings: names, units, defaults. Every one has a description in `pg_settings`.

use pgrx::PostgresGucEnum;
use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use std::ffi::CString;

/// Most background workers a server may run; also the number of their wake-up slots in shared memory.
pub const MAX_WORKERS: usize = 16;

/// What carries requests out of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PostgresGucEnum)]
pub enum Carrier {
    /// pg_net where that extension is installed and can send for this database, else the built-in one.
    #[name = c"auto"]
    Auto,
    #[name = c"pg_net"]
    PgNet,
    /// The background worker "raw_ops sender".
    #[name = c"builtin"]
    Builtin,
}

type Text = GucSetting<Option<CString>>;

static DATABASE: Text = GucSetting::<Option<CString>>::new(Some(c"postgres"));
static WORKERS: GucSetting<i32> = GucSetting::<i32>::new(1);
static CARRIER: GucSetting<Carrier> = GucSetting::<Carrier>::new(Carrier::Auto);
static ALLOW_PRIVATE_TARGETS: GucSetting<bool> = GucSetting::<bool>::new(false);
static CUSTOMERIO_BASE_URL: Text = GucSetting::<Option<CString>>::new(Some(c"https://track.customer.io"));
static SECRET_KEY_FILE: Text = GucSetting::<Option<CString>>::new(None);
static ALERT_EMAIL: Text = GucSetting::<Option<CString>>::new(None);
static COURIER_NOTICE_MAX_AGE: GucSetting<i32> = GucSetting::<i32>::new(86_400);
static DELIVERY_HOSTS: Text = GucSetting::<Option<CString>>::new(Some(c""));

fn text(setting: &'static Text) -> String {
    setting
        .get()
        .map(|value| value.to_string_lossy().trim().to_owned())
        .unwrap_or_default()
}

/// The database the background workers serve.
pub fn database() -> String {
    text(&DATABASE)
}

/// How many background workers to start.
pub fn workers() -> usize {
    usize::try_from(WORKERS.get()).unwrap_or(0).min(MAX_WORKERS)
}

/// What carries requests, as set; `auto` is for the caller to decide.
pub fn carrier() -> Carrier {
    CARRIER.get()
}

/// Whether requests may go to private addresses and over plain http: development and tests.
pub fn allow_private_targets() -> bool {
    ALLOW_PRIVATE_TARGETS.get()
}

/// Customer.io's Track API, without a slash at the end.
pub fn customerio_base_url() -> String {
    text(&CUSTOMERIO_BASE_URL).trim_end_matches('/').to_owned()
}

/// The file whose content encrypts secrets; `None` when it is not set.
pub fn secret_key_file() -> Option<String> {
    Some(text(&SECRET_KEY_FILE)).filter(|path| !path.is_empty())
}

/// Who gets alerts by e-mail (through Customer.io) when Slack does not take them.
pub fn alert_email() -> Option<String> {
    Some(text(&ALERT_EMAIL)).filter(|address| !address.is_empty())
}

/// How old a courier's event may be for the customer to be told of it, in microseconds; `None`: however old.
pub fn courier_notice_max_age() -> Option<i64> {
    match COURIER_NOTICE_MAX_AGE.get() {
        0 => None,
        seconds => Some(i64::from(seconds) * 1_000_000),
    }
}

/// The names of the hosts that may send, as they are written; empty when nobody has said so.
pub fn delivery_hosts() -> String {
    text(&DELIVERY_HOSTS)
}

/// Defines the settings. Those read at server start can only be fixed there; a library loaded later (no
/// `shared_preload_libraries`) defines them too, for `SHOW` to answer.
pub fn register(at_server_start: bool) {
    register_workers(at_server_start);
    register_sending();
}

fn register_workers(at_server_start: bool) {
    let context = || {
        if at_server_start {
            GucContext::Postmaster
        } else {
            GucContext::Sighup
        }
    };
    GucRegistry::define_string_guc(
        c"raw_ops.database",
        c"Database whose inbox the background workers drain and whose outbox is sent.",
        c"Read at server start. The extension must be created and set up in this database.",
        &DATABASE,
        context(),
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"raw_ops.workers",
        c"Number of background workers that drain the inbox; 0 leaves that to pg_cron.",
        c"Read at server start, and only when raw_ops is in shared_preload_libraries.",
        &WORKERS,
        0,
        MAX_WORKERS as i32,
        context(),
        GucFlags::default(),
    );
}

fn register_sending() {
    GucRegistry::define_enum_guc(
        c"raw_ops.carrier",
        c"What sends requests: auto, pg_net or builtin.",
        c"auto: pg_net where that extension is installed in the database, else the background worker.",
        &CARRIER,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"raw_ops.allow_private_targets",
        c"Allows requests to private, loopback and link-local addresses, and plain http.",
        c"For development and tests. Off: only https to public addresses.",
        &ALLOW_PRIVATE_TARGETS,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"raw_ops.customerio_base_url",
        c"Base URL of Customer.io's Track API.",
        c"https://track-eu.customer.io for accounts in the EU region.",
        &CUSTOMERIO_BASE_URL,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"raw_ops.secret_key_file",
        c"File whose content encrypts the secrets in raw_ops.secrets.",
        c"At least 32 bytes, readable by the server's user only, outside of the data directory and its backups.",
        &SECRET_KEY_FILE,
        GucContext::Suset,
        GucFlags::SUPERUSER_ONLY,
    );
    GucRegistry::define_string_guc(
        c"raw_ops.alert_email",
        c"Address that gets alerts as Customer.io events when Slack does not take them.",
        c"Used when the secret slack_url_fallback is not set.",
        &ALERT_EMAIL,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"raw_ops.courier_notice_max_age",
        c"Oldest courier event that customers are told of and that opens a task, by the event's own time.",
        c"An older one is stored and tells nobody. A value without a unit is in seconds; 0: however old.",
        &COURIER_NOTICE_MAX_AGE,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    // In the configuration's files only: a session must not open what the server holds back.
    GucRegistry::define_string_guc(
        c"raw_ops.delivery_hosts",
        c"Names of the hosts that may send, separated by commas; * for any.",
        c"Where set, it alone decides, so that a promoted standby sends at once and a copy elsewhere does not. A name \
          without a dot also stands for a host of that name in any domain. Empty: the machine, the path and the file \
          system must be those of the original.",
        &DELIVERY_HOSTS,
        GucContext::Sighup,
        GucFlags::default(),
    );
}
