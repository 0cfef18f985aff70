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
    assert_eq!((config.max_connections, config.client_share), (2048, 12));
    assert_eq!(
        (config.body_time, config.min_body_rate),
        (Duration::from_secs(10), 1024)
    );
    let limits = config.connection_limits();
    assert_eq!(
        [limits.header_time, limits.idle_time, limits.write_time].map(|limit| limit.as_secs()),
        [10, 75, 10]
    );
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
fn there_are_more_connections_than_requests() {
    assert!(problem("MAX_CONNECTIONS", "512").contains("must be more than MAX_IN_FLIGHT"));
    assert!(problem("CLIENT_SHARE_PERCENT", "0").contains("from 1 to 100"));
    assert!(problem("MIN_BODY_RATE", "fast").contains("from 0 to"));
    let config = load(&[("DATABASE_URL", URL), ("MAX_IN_FLIGHT", "5000")]).expect("good");
    assert_eq!(config.max_connections, 20_000);
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
        "SHOPIFY_WEBHOOK_SECRETS",
        "SHOPIFY_ALLOWED_IPS",
        "DPD_WEBHOOK_TOKEN",
        "DPD_ALLOWED_IPS",
        "TRUSTED_PROXIES",
        "MAX_BODY_BYTES",
        "MAX_BUFFERED_BYTES",
        "BODY_TIMEOUT_MS",
        "MIN_BODY_RATE",
        "MAX_CONNECTIONS",
        "CLIENT_SHARE_PERCENT",
        "HEADER_TIMEOUT_MS",
        "IDLE_TIMEOUT_MS",
        "WRITE_TIMEOUT_MS",
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

/// As hosters and their documentation hand them out.
#[test]
fn connection_strings_for_other_clients_are_understood() {
    for (text, ignored) in [
        (
            "postgres://u:p@h:6543/d?pgbouncer=true&connection_limit=1",
            &["pgbouncer", "connection_limit"][..],
        ),
        (
            "postgresql://u:p@h/d?sslmode=require&channel_binding=require",
            &[],
        ),
        (
            "postgresql://u:p@h/d?schema=public&pool_timeout=0&statement_cache_size=0",
            &["schema", "pool_timeout", "statement_cache_size"],
        ),
        (
            "postgres://u:p@h:6543/d?sslmode=require&supa=base-pooler.x",
            &["supa"],
        ),
        (
            "postgres://u:p@h/d?sslmode=require&uselibpqcompat=true",
            &["uselibpqcompat"],
        ),
        (
            "postgres://u:p@h/d?prepared_statements=false&pool=5&encoding=utf8",
            &["prepared_statements", "pool", "encoding"],
        ),
        (
            "postgres://u:p@h/d?options=endpoint%3Dcool&connect_timeout=10",
            &[],
        ),
        ("postgres://u:p@h/d?", &[]),
        (
            "host=h user=u password='two words' pgbouncer=true",
            &["pgbouncer"],
        ),
    ] {
        let database = Database::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(database.ignored, ignored, "{text}");
        assert_eq!(database.target.get_user(), Some("u"), "{text}");
    }
    let quoted = Database::parse(r"host=h user=u password='it\'s  two' sslmode=require").expect("good");
    assert_eq!(quoted.target.get_password(), Some(b"it's  two".as_slice()));
}

#[test]
fn an_unknown_parameter_is_named() {
    for text in [
        "postgres://u:pa55word@h/d?sslmode=require&frobnicate=1",
        "postgres://u:pa55word@h/d?frobnicate",
        "host=h user=u frobnicate=1 password=pa55word",
        "host=h user=u password='pa55word' frobnicate=pa55word",
    ] {
        let why = Database::parse(text).expect_err("an unknown parameter");
        assert!(why.contains("frobnicate"), "{why}");
        assert!(!why.contains("pa55word"), "{why}");
    }
}

#[test]
fn a_piece_of_a_password_is_not_taken_for_a_parameter() {
    for text in [
        "postgres://u:my?secret=1@h/d",
        "postgres://u:my?secret@h/d",
        "host=h user=u password=my secret=word",
        "host=h user=u password='my secret",
        "postgres://u:p@h/d?my%secret=1",
    ] {
        let why = Database::parse(text).expect_err("no connection string");
        assert!(!why.contains("secret"), "{why}");
        assert!(why.contains("percent-encoded"), "{why}");
    }
}

#[test]
fn what_other_clients_call_tls_is_not_lost() {
    let read = |query: &str| {
        let database = Database::parse(&format!("postgres://u@h/d?{query}")).expect("a connection string");
        (database.target.get_ssl_mode(), database.tls)
    };
    let verified = (SslMode::Require, Trust::Certificate(None));
    assert_eq!(read("sslmode=require&sslaccept=strict"), verified);
    assert_eq!(read("sslaccept=strict"), verified);
    assert_eq!(read("ssl=true"), (SslMode::Require, Trust::Anyone));
    assert_eq!(read("ssl=false"), (SslMode::Disable, Trust::Anyone));
    assert_eq!(read("ssl=true&sslmode=verify-full"), verified);
    for query in [
        "sslcert=a.pem",
        "sslkey=a.key",
        "sslcrl=x",
        "ssl_min_protocol_version=TLSv1.3",
    ] {
        let why = Database::parse(&format!("postgres://u@h/d?{query}")).expect_err("not ignored");
        assert!(why.contains(query.split('=').next().expect("a name")), "{why}");
    }
}
