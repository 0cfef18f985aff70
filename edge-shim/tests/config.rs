//! Configuration: what is understood, what is refused, what is never shown.

use std::time::Duration;

use edge_shim::config::{self, Config, Database};
use edge_shim::store::tls::Trust;
use tokio_postgres::config::SslMode;

const URL: &str = "postgres://shim:pa55word@db.example/shop";

fn load(set: &[(&str, &str)]) -> Result<Config, String> {
    let lookup = |name: &str| {
        set.iter()
            .find(|(variable, _)| *variable == name)
            .map(|(_, value)| (*value).to_owned())
    };
    Config::load(lookup).map_err(|problems| problems.to_string())
}

fn problem(variable: &str, value: &str) -> String {
    let problems = load(&[("DATABASE_URL", URL), (variable, value)]).expect_err("a wrong value");
    assert!(problems.contains(&format!("{variable}: ")), "{problems}");
    problems
}

#[test]
fn only_the_database_is_required() {
    let config = load(&[("DATABASE_URL", URL)]).expect("defaults");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.max_body_bytes, 10 << 20);
    assert_eq!(config.max_buffered_bytes, 256 << 20);
    assert_eq!(
        (config.db_connections, config.max_batch, config.max_in_flight),
        (4, 128, 512)
    );
    assert_eq!(config.store_timeout, Duration::from_millis(4500));
    assert_eq!(config.shutdown_timeout, Duration::from_millis(15_000));
    assert!(
        config
            .providers
            .iter()
            .all(|provider| provider.secrets.is_empty())
    );
    assert!(
        load(&[])
            .expect_err("no database")
            .contains("DATABASE_URL: is not set")
    );
}

#[test]
fn blank_values_count_as_not_set() {
    let config = load(&[("DATABASE_URL", URL), ("LISTEN_ADDR", " "), ("MAX_BATCH", "")]).expect("defaults");
    assert_eq!((config.listen.port(), config.max_batch), (8080, 128));
}

#[test]
fn secrets_are_a_list_without_blanks() {
    let config = load(&[("DATABASE_URL", URL), ("SHOPIFY_WEBHOOK_SECRET", " one , ,two,")]).expect("secrets");
    let secrets: Vec<&[u8]> = config.providers[0]
        .secrets
        .iter()
        .map(|secret| secret.bytes())
        .collect();
    assert_eq!(secrets, [b"one".as_slice(), b"two".as_slice()]);
}

#[test]
fn addresses_and_networks_are_understood() {
    let config = load(&[
        ("DATABASE_URL", URL),
        ("SHOPIFY_ALLOWED_IPS", "192.0.2.7, 2001:db8::/32"),
    ])
    .expect("networks");
    let networks: Vec<String> = config.providers[0]
        .allowed_ips
        .iter()
        .map(|network| network.to_string())
        .collect();
    assert_eq!(networks, ["192.0.2.7/32", "2001:db8::/32"]);
}

#[test]
fn each_wrong_value_is_named_with_its_reason() {
    assert!(problem("LISTEN_ADDR", "8080").contains("`8080` is not an address with a port"));
    assert!(problem("SHOPIFY_ALLOWED_IPS", "10.0.0.0/33").contains("10.0.0.0/33"));
    assert!(problem("TRUSTED_PROXIES", "proxy.example").contains("proxy.example"));
    assert!(problem("MAX_BODY_BYTES", "10MB").contains("not a whole number from 1"));
    assert!(problem("DB_CONNECTIONS", "0").contains("from 1 to 500"));
    assert!(problem("STORE_TIMEOUT_MS", "-1").contains("`-1`"));
    assert!(problem("MAX_BUFFERED_BYTES", "1000").contains("must not be less than MAX_BODY_BYTES"));
}

#[test]
fn all_problems_are_named_at_once() {
    let problems = load(&[("LISTEN_ADDR", "x"), ("MAX_BATCH", "y")]).expect_err("three problems");
    for variable in ["DATABASE_URL", "LISTEN_ADDR", "MAX_BATCH"] {
        assert!(problems.contains(variable), "{problems}");
    }
}

#[test]
fn help_names_every_variable() {
    let help = config::help();
    for variable in [
        "DATABASE_URL",
        "LISTEN_ADDR",
        "SHOPIFY_WEBHOOK_SECRET",
        "SHOPIFY_ALLOWED_IPS",
        "DPD_WEBHOOK_TOKEN",
        "DPD_ALLOWED_IPS",
        "TRUSTED_PROXIES",
        "MAX_BODY_BYTES",
        "MAX_BUFFERED_BYTES",
        "DB_CONNECTIONS",
        "MAX_BATCH",
        "MAX_IN_FLIGHT",
        "STORE_TIMEOUT_MS",
        "SHUTDOWN_TIMEOUT_MS",
    ] {
        assert!(help.contains(variable), "{variable} is missing in:\n{help}");
    }
}

#[test]
fn neither_errors_nor_debug_output_show_a_secret() {
    for url in [
        "postgres://shim:pa55word@db:port/shop",
        "host=db password=x pa55word",
        "mysql://u:pa55word@db",
    ] {
        let problems = load(&[("DATABASE_URL", url)]).expect_err("a wrong connection string");
        assert!(!problems.contains("pa55word"), "{problems}");
    }
    let config = load(&[("DATABASE_URL", URL), ("SHOPIFY_WEBHOOK_SECRET", "hush-hush")]).expect("good");
    let shown = format!("{config:?}");
    assert!(
        !shown.contains("pa55word") && !shown.contains("hush-hush"),
        "{shown}"
    );
}

#[test]
fn sslmode_means_what_libpq_means_by_it() {
    let read = |text: &str| {
        let database = Database::parse(text).expect("a connection string");
        (database.target.get_ssl_mode(), database.tls)
    };
    assert_eq!(read("postgres://u@h/d"), (SslMode::Prefer, Trust::Anyone));
    assert_eq!(
        read("postgres://u@h/d?sslmode=disable"),
        (SslMode::Disable, Trust::Anyone)
    );
    assert_eq!(
        read("postgres://u@h/d?sslmode=require"),
        (SslMode::Require, Trust::Anyone)
    );
    assert_eq!(
        read("postgres://u@h/d?connect_timeout=1&sslmode=verify-full"),
        (SslMode::Require, Trust::Certificate(None))
    );
    assert_eq!(
        read("host=h user=u sslmode=verify-ca sslrootcert=/etc/ca.pem"),
        (SslMode::Require, Trust::Certificate(Some("/etc/ca.pem".into())))
    );
    assert_eq!(
        read("host=/run/postgresql user=u"),
        (SslMode::Disable, Trust::Anyone),
        "a local socket"
    );
    assert!(Database::parse("postgres://u@h/d?sslmode=always").is_err());
}

#[test]
fn a_connection_string_without_a_host_is_refused_with_advice() {
    let why = Database::parse("dbname=shop").expect_err("no host");
    assert!(why.contains("names no host"), "{why}");
}
