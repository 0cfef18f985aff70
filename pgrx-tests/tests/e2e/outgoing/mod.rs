//! Sending over both carriers, to receivers on real sockets: what arrives, what is recorded, what is tried again.

mod addresses;
mod copies;
mod crashes;
mod delivery_hosts;
mod echoes;
mod hosts;
mod network;
mod oddities;
mod outcomes;
mod pg_net_only;
mod secrets;
mod secrets_of_shops;
mod transactions;

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use raw_ops_e2e::pg_net::{self, PgNetWorker};
use raw_ops_e2e::postgres::Postgres;
use raw_ops_e2e::receiver::{customerio, slack};
use raw_ops_e2e::{Receiver, Stack, StackOptions, wait_for};
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::support::*;

/// What a lost request may take to be found: the lease outlasts the request's time by half a minute.
const LONG: Duration = Duration::from_secs(120);

const SITE_ID: &str = "site-7f3a";
const API_KEY: &str = "key-91be2c";
const SENDER: &str = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'raw_ops sender'";

/// What carries the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    Builtin,
    PgNet,
}

impl Carrier {
    fn name(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::PgNet => "pg_net",
        }
    }
}

/// Each of these runs once with the built-in carrier and once with pg_net.
macro_rules! with_both_carriers {
    ($($test:ident),+ $(,)?) => {
        mod builtin {
            $(#[tokio::test] async fn $test() { super::$test(super::Carrier::Builtin).await; })+
        }
        mod pg_net {
            $(#[tokio::test] async fn $test() { super::$test(super::Carrier::PgNet).await; })+
        }
    };
}
use with_both_carriers;

/// A stack that sends, and the world it sends to.
struct Sending {
    client: Client,
    pg_net: Option<PgNetWorker>,
    stack: Stack,
    world: Receiver,
    _files: tempfile::TempDir,
}

/// A directory that the server's user may read.
fn files_of_the_server() -> tempfile::TempDir {
    let dir = tempfile::Builder::new()
        .prefix("raw_ops-files-")
        .tempdir_in("/tmp")
        .unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    dir
}

/// Settings of a stack that may send to this world; the directory holds the key of its secrets.
fn sends_to(world: &Receiver, options: StackOptions, files: &tempfile::TempDir) -> StackOptions {
    let key = files.path().join("secret.key");
    if !key.exists() {
        std::fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        Postgres::find().unwrap().give(&key).unwrap();
    }
    options
        .without_shim()
        .setting("raw_ops.workers", 0)
        .setting("raw_ops.allow_private_targets", "on")
        .setting("raw_ops.customerio_base_url", world.url(""))
        .setting("raw_ops.secret_key_file", key.display())
}

impl Sending {
    /// Nothing of it survives a crash.
    async fn start(carrier: Carrier) -> Self {
        Self::start_with(carrier, StackOptions::for_tests()).await
    }

    async fn start_with(carrier: Carrier, options: StackOptions) -> Self {
        let (world, files) = (Receiver::start().unwrap(), files_of_the_server());
        let mut options = sends_to(&world, options, &files).setting("raw_ops.carrier", carrier.name());
        if carrier == Carrier::PgNet {
            // As its preloaded library says: whom its worker serves.
            options = options.setting("pg_net.database_name", "shop");
        }
        let stack = Stack::start(options).await.unwrap();
        let client = stack.connect().await.unwrap();
        let mut sending = Self {
            client,
            pg_net: None,
            stack,
            world,
            _files: files,
        };
        if carrier == Carrier::PgNet {
            let superuser = sending.stack.connect_as_superuser().await.unwrap();
            pg_net::create_extension(&superuser).await.unwrap();
            sending.start_pg_net().await;
        }
        sending.no_waits().await;
        for (name, value) in [
            ("slack_url_ops_alerts", sending.world.url(slack::PATH)),
            ("customerio_site_id", SITE_ID.to_owned()),
            ("customerio_api_key", API_KEY.to_owned()),
        ] {
            sending.set_secret(name, &value).await;
        }
        sending.world.always(slack::PATH, slack::incoming_webhook);
        let account = customerio::Account::new(SITE_ID, API_KEY);
        sending.world.always("/api/v1/customers/*", account.track_api());
        sending
    }

    async fn start_pg_net(&mut self) {
        let worker = PgNetWorker::builder(&self.stack.cluster, &self.stack.db);
        self.pg_net = Some(worker.pause(Duration::from_millis(20)).start().await.unwrap());
    }

    /// Every retry is due at once.
    async fn no_waits(&self) {
        run(
            &self.client,
            "UPDATE raw_ops.retry_schedule SET wait = '0' WHERE purpose IN ('alert', 'courier', 'outbound')",
        )
        .await;
    }

    async fn set_secret(&self, name: &str, value: &str) {
        let sql = "SELECT raw_ops.fn_set_secret_v1($1, $2)::text";
        self.client.query_one(sql, &[&name, &value]).await.unwrap();
    }

    /// Changes a setting of the running server, and waits until a new session sees it.
    async fn set(&self, name: &str, value: &str) {
        let superuser = self.stack.connect_as_superuser().await.unwrap();
        run(&superuser, &format!("ALTER SYSTEM SET {name} = '{value}'")).await;
        run(&superuser, "SELECT pg_reload_conf()").await;
        wait_for(LIMIT, "the setting", async || {
            let client = self.stack.connect_as_superuser().await.ok()?;
            let now: String = one(&client, &format!("SELECT current_setting('{name}')")).await;
            (now == value).then_some(())
        })
        .await
        .unwrap();
    }

    async fn enqueue(&self, request: &Request) {
        request.insert(&self.client).await;
    }

    /// Queues an endpoint's request of this path, and waits until nothing more will be sent of it.
    async fn send(&self, path: &str) -> Vec<String> {
        let request = Request::endpoint(&self.world.url(path));
        self.enqueue(&request).await;
        self.settled(&request).await
    }

    /// Waits until the last attempt has succeeded or is abandoned; returns `attempt state status` of each.
    async fn settled(&self, request: &Request) -> Vec<String> {
        let over = format!(
            "SELECT bool_or(state IN ('succeeded', 'abandoned')) AND bool_and(state NOT IN ('queued', 'sending')) FROM raw_ops.http_requests WHERE idempotency_key = '{}'",
            request.key
        );
        let waited = wait_for(LONG, "the request to be settled", async || {
            one::<Option<bool>>(&self.client, &over)
                .await
                .filter(|over| *over)
        });
        if let Err(error) = waited.await {
            panic!("{error:#}\n{:?}", self.attempts(request).await);
        }
        self.attempts(request).await
    }

    async fn attempts(&self, request: &Request) -> Vec<String> {
        let sql = format!(
            "SELECT concat_ws(' ', attempt, state, coalesce(status_code::text, '-')) FROM raw_ops.http_requests
              WHERE idempotency_key = '{}' ORDER BY attempt",
            request.key
        );
        column(&self.client, &sql).await
    }

    /// A column of one attempt, as text; empty if null.
    async fn text(&self, request: &Request, attempt: i32, column: &str) -> String {
        let sql = format!(
            "SELECT coalesce(({column})::text, '') FROM raw_ops.http_requests WHERE idempotency_key = '{}' AND attempt = {attempt}",
            request.key
        );
        one(&self.client, &sql).await
    }

    /// The pid of the sender, once there is one.
    async fn sender(&self) -> i32 {
        wait_for(LIMIT, "the sender", async || {
            let client = self.stack.connect_as_superuser().await.ok()?;
            Some(client.query_opt(SENDER, &[]).await.ok()??.get(0))
        })
        .await
        .unwrap()
    }

    /// Waits until a crash has been recovered from, and connects anew.
    async fn recovered(&mut self) {
        wait_for(LIMIT, "the server to have noticed", async || {
            self.client.is_closed().then_some(())
        })
        .await
        .unwrap();
        self.stack.cluster.wait_ready().await.unwrap();
        self.client = self.stack.connect().await.unwrap();
    }
}

/// A row for the outbox.
#[derive(Clone, Debug)]
struct Request {
    key: String,
    shop: &'static str,
    purpose: &'static str,
    destination: &'static str,
    url: Option<String>,
    path: Option<String>,
    headers: &'static str,
    body: String,
    timeout_ms: i32,
    send_after: &'static str,
}

impl Request {
    fn new(purpose: &'static str, destination: &'static str, body: &Value) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self {
            key: format!("key-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
            shop: "",
            purpose,
            destination,
            url: None,
            path: None,
            headers: "{}",
            body: body.to_string(),
            timeout_ms: 10_000,
            send_after: "0",
        }
    }

    /// A webhook to a partner.
    fn endpoint(url: &str) -> Self {
        Self {
            url: Some(url.to_owned()),
            ..Self::new("outbound", "endpoint", &json!({"type": "order.created"}))
        }
    }

    /// An alert to #ops-alerts.
    fn slack() -> Self {
        Self::new(
            "alert",
            "slack_url_ops_alerts",
            &json!({"text": "something is wrong"}),
        )
    }

    /// A notification to a customer.
    fn customerio(customer: &str) -> Self {
        Self {
            path: Some(format!("/api/v1/customers/{customer}/events")),
            ..Self::new(
                "courier",
                "customerio",
                &json!({"name": "delivery_exception", "id": "01HB4HBDKTFWYZCK01DMRSWRFD", "data": {}}),
            )
        }
    }

    /// About this shop.
    fn of(mut self, shop: &'static str) -> Self {
        self.shop = shop;
        self
    }

    fn timeout(mut self, ms: i32) -> Self {
        self.timeout_ms = ms;
        self
    }

    fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }

    /// With these, as JSON.
    fn headers(mut self, headers: &'static str) -> Self {
        self.headers = headers;
        self
    }

    /// Not before this interval from now.
    fn after(mut self, interval: &'static str) -> Self {
        self.send_after = interval;
        self
    }

    async fn insert(&self, client: &Client) {
        let sql = "INSERT INTO raw_ops.http_requests
                       (id, purpose, subject_id, destination, url, path, body, idempotency_key, timeout_ms, send_after, headers, shop_domain)
                   VALUES (raw_ops.fn_uuid_v7(), $1, gen_random_uuid(), $2, $3, $4, $5::text::jsonb, $6, $7,
                           clock_timestamp() + $8::text::interval, $9::text::jsonb, $10)";
        client
            .execute(
                sql,
                &[
                    &self.purpose,
                    &self.destination,
                    &self.url,
                    &self.path,
                    &self.body,
                    &self.key,
                    &self.timeout_ms,
                    &self.send_after,
                    &self.headers,
                    &self.shop,
                ],
            )
            .await
            .unwrap();
    }

    /// Is this what has been received?
    fn is(&self, received: &raw_ops_e2e::Received) -> bool {
        received.header("idempotency-key") == Some(&self.key)
    }
}
