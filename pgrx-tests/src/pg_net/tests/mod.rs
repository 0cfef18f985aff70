//! The stand-in against what is known of the real one.

mod outcomes;

use std::time::Duration;

use super::*;
use crate::receiver::{Received, Receiver, Reply};
use crate::{Cluster, wait_for, wait_until};

const LIMIT: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_millis(10);

struct Net {
    cluster: Cluster,
    client: Client,
    world: Receiver,
}

impl Net {
    async fn new(settings: &[(&str, &str)]) -> Self {
        let mut builder = Cluster::builder().fast().initial_database("t");
        for (name, value) in settings {
            builder = builder.setting(name, value);
        }
        let cluster = builder.start().await.unwrap();
        let client = cluster.connect("t").await.unwrap();
        create_extension(&client).await.unwrap();
        let world = Receiver::start().unwrap();
        world.always("/*", Reply::ok().text("fine"));
        Self {
            cluster,
            client,
            world,
        }
    }

    async fn worker(&self) -> PgNetWorker {
        let builder = PgNetWorker::builder(&self.cluster, "t").pause(SOON);
        builder.start().await.unwrap()
    }

    async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }

    async fn text(&self, sql: &str) -> String {
        let row = self.client.query_one(sql, &[]).await.unwrap();
        row.get::<_, Option<String>>(0).unwrap_or_default()
    }

    /// `net.http_post` of this path; `rest` is what follows the URL.
    async fn post(&self, path: &str, rest: &str) -> i64 {
        let sql = format!("SELECT net.http_post('{}'{rest})", self.world.url(path));
        self.client.query_one(&sql, &[]).await.unwrap().get(0)
    }

    /// `status/content type/content/timed out/error` of a response, once it is there.
    async fn response(&self, id: i64) -> String {
        let sql = "SELECT concat_ws('/', coalesce(status_code::text, '-'), coalesce(content_type, '-'), coalesce(content, '-'),
                                    timed_out, coalesce(error_msg, '-')) FROM net._http_response WHERE id = $1";
        wait_for(LIMIT, "the response", async || {
            Some(self.client.query_opt(sql, &[&id]).await.unwrap()?.get(0))
        })
        .await
        .unwrap()
    }

    async fn responses(&self) -> String {
        self.text("SELECT count(*)::text FROM net._http_response").await
    }
}

#[tokio::test]
async fn it_has_the_shape_of_the_real_one_and_goes_without_a_trace() {
    let net = Net::new(&[]).await;
    let columns = "SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), nullif(attnotnull, false)), ', ' ORDER BY attnum)
                     FROM pg_attribute WHERE attnum > 0 AND attrelid = ";
    assert_eq!(
        net.text(&format!("{columns} 'net.http_request_queue'::regclass"))
            .await,
        "id bigint t, method net.http_method t, url text t, headers jsonb, body bytea, timeout_milliseconds integer t"
    );
    assert_eq!(
        net.text(&format!("{columns} 'net._http_response'::regclass"))
            .await,
        "id bigint, status_code integer, content_type text, headers jsonb, content text, timed_out boolean, error_msg text, created timestamp with time zone t"
    );
    assert_eq!(
        net.text("SELECT string_agg(concat_ws(' ', relname, relkind, relpersistence), ', ' ORDER BY relname COLLATE \"C\") FROM pg_class WHERE relnamespace = 'net'::regnamespace")
            .await,
        "_http_response r u, _http_response_created_idx i u, http_request_queue r u, http_request_queue_id_seq S u"
    );
    assert_eq!(
        net.text("SELECT string_agg(concat_ws(' ', proname, pg_get_function_arguments(oid), provolatile, proisstrict, prosecdef), E'\\n' ORDER BY proname) FROM pg_proc WHERE proname ~ '^http_'")
            .await,
        "http_delete url text, params jsonb DEFAULT '{}'::jsonb, headers jsonb DEFAULT '{}'::jsonb, timeout_milliseconds integer DEFAULT 5000, body jsonb DEFAULT NULL::jsonb v f f
http_get url text, params jsonb DEFAULT '{}'::jsonb, headers jsonb DEFAULT '{}'::jsonb, timeout_milliseconds integer DEFAULT 5000 v f f
http_post url text, body jsonb DEFAULT '{}'::jsonb, params jsonb DEFAULT '{}'::jsonb, headers jsonb DEFAULT '{\"Content-Type\": \"application/json\"}'::jsonb, timeout_milliseconds integer DEFAULT 5000 v f f"
    );
    assert_eq!(
        net.text("SELECT extversion FROM pg_extension WHERE extname = 'pg_net'")
            .await,
        VERSION
    );

    net.run("CREATE ROLE anybody LOGIN").await;
    let anybody = net.cluster.connect_as("t", "anybody").await.unwrap();
    let url = net.world.url("/x");
    anybody
        .batch_execute(&format!(
            "SELECT net.http_post('{url}'); DELETE FROM net.http_request_queue; SELECT FROM net._http_response"
        ))
        .await
        .unwrap();
    net.run("DROP EXTENSION pg_net").await;
    assert_eq!(net.text("SELECT to_regnamespace('net')::text").await, "");
}

#[tokio::test]
async fn requests_leave_at_commit_and_look_as_libcurl_writes_them() {
    let net = Net::new(&[]).await;
    let worker = net.worker().await;
    let refusal = net
        .client
        .batch_execute(&format!(
            "SELECT net.http_post('{}', headers => '{{\"content-type\": \"application/json; charset=utf-8\"}}')",
            net.world.url("/x")
        ))
        .await
        .unwrap_err();
    let refusal = refusal.as_db_error().unwrap();
    assert_eq!(
        (refusal.code().code(), refusal.message()),
        ("P0001", r#"Content-Type header must be "application/json""#)
    );
    net.run("BEGIN").await;
    net.post("/rolled-back", "").await;
    net.run("ROLLBACK").await;
    net.run("BEGIN").await;
    net.post(
        "/posted",
        r#", '{"b": 1.50, "aa": "Zoë", "b": 2}', '{"q": "a b&c"}', '{"X-Id": "7", "X-Null": null, "X-Split": "a\r\nX-Injected: yes"}'"#,
    )
    .await;
    net.world
        .nothing_until(LIMIT, "a look of another session", async || {
            let other = net.cluster.connect("t").await.unwrap();
            let seen = other
                .query_one("SELECT count(*) FROM net.http_request_queue", &[])
                .await;
            seen.unwrap().get::<_, i64>(0) == 0
        })
        .await
        .unwrap();
    net.run("COMMIT").await;
    let posted = net
        .world
        .wait_for(LIMIT, "the request", |request| request.path == "/posted")
        .await
        .unwrap();
    assert_as_libcurl_writes_it(&posted);

    let id = net.post("/form", ", headers => null").await;
    assert!(net.response(id).await.starts_with("200/text/plain"));
    let form = net.world.requests_to("/form");
    assert_eq!(
        form[0].header("content-type"),
        Some("application/x-www-form-urlencoded")
    );

    assert_a_row_wakes_nobody(&net).await;
    assert!(net.world.requests_to("/rolled-back").is_empty());
    worker.stop().await.unwrap();
}

/// Query, body and headers, to the letter.
fn assert_as_libcurl_writes_it(posted: &Received) {
    assert_eq!(posted.query.as_deref(), Some("q=a%20b%26c"));
    assert_eq!(posted.body.as_ref(), r#"{"b": 2, "aa": "Zoë"}"#.as_bytes());
    let mut names: Vec<&str> = posted.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "content-length",
            "content-type",
            "host",
            "user-agent",
            "x-id",
            "x-injected",
            "x-split"
        ]
    );
    assert_eq!(posted.header("user-agent"), Some("pg_net/0.20.4"));
}

/// A request that was written past the functions waits for the next one.
async fn assert_a_row_wakes_nobody(net: &Net) {
    // Written past the functions, it wakes nobody.
    let insert = format!(
        "INSERT INTO net.http_request_queue (method, url, timeout_milliseconds) VALUES ('GET', '{}', 1000)",
        net.world.url("/direct")
    );
    net.run(&insert).await;
    let waiting = net
        .text("SELECT count(*)::text FROM net.http_request_queue")
        .await;
    assert_eq!(
        (waiting.as_str(), net.world.requests_to("/direct").len()),
        ("1", 0)
    );
    net.run("SELECT net.wake()").await;
    net.world
        .wait_for(LIMIT, "the direct one", |request| request.path == "/direct")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_batch_is_one_transaction_and_a_worker_that_dies_in_it_sends_it_again() {
    let net = Net::new(&[("pg_net.batch_size", "3"), ("pg_net.ttl", "1 hour")]).await;
    net.world.always("/slow", Reply::ok().held());
    let refusal = net
        .client
        .batch_execute("SELECT net.check_worker_is_up()")
        .await
        .unwrap_err();
    assert_eq!(
        refusal.as_db_error().unwrap().message(),
        "the pg_net background worker is not up"
    );
    let queue = format!(
        "SELECT net.http_post('{}' || CASE n WHEN 2 THEN '/slow' ELSE '/fast' END, to_jsonb(n)) FROM generate_series(1, 4) n",
        net.world.url("")
    );
    net.run(&queue).await;

    let worker = net.worker().await;
    net.run("SELECT net.check_worker_is_up(), net.wait_until_running()")
        .await;
    net.world.wait_for_requests(LIMIT, 3).await.unwrap();
    let fast_answered = async || net.world.in_flight() == 1;
    wait_until(LIMIT, "the fast ones to be answered", fast_answered)
        .await
        .unwrap();
    assert_eq!(
        net.responses().await,
        "0",
        "nothing is visible before the slowest"
    );
    worker.kill().await.unwrap();
    wait_until(LIMIT, "the slow one to be given up", async || {
        net.world.in_flight() == 0
    })
    .await
    .unwrap();

    net.run("INSERT INTO net._http_response (id, created) VALUES (77, now() - interval '61 minutes'), (78, now() - interval '59 minutes')")
        .await;
    let worker = net.worker().await;
    net.world.wait_for_requests(LIMIT, 6).await.unwrap();
    let again = net.world.requests();
    let bodies: Vec<String> = again[3..].iter().map(|request| request.text()).collect();
    for number in ["1", "2", "3"] {
        assert!(bodies.contains(&number.to_owned()), "{bodies:?}");
    }
    net.world.release();
    wait_until(LIMIT, "all responses", async || net.responses().await == "5")
        .await
        .unwrap();
    let ids = "SELECT string_agg(id::text, ',' ORDER BY id) FROM net._http_response";
    assert_eq!(net.text(ids).await, "1,2,3,4,78");

    assert_the_batch_is_finished(&net, worker).await;
}

/// A worker that is asked to end.
async fn assert_the_batch_is_finished(net: &Net, worker: PgNetWorker) {
    let slow = net.post("/slow", "").await;
    net.world.wait_for_requests(LIMIT, 8).await.unwrap();
    let stopped = tokio::spawn(worker.stop());
    net.world.release();
    stopped.await.unwrap().unwrap();
    assert!(
        net.response(slow).await.starts_with("200/"),
        "a worker that is asked to end finishes its batch"
    );
}

#[tokio::test]
async fn a_crash_of_the_server_empties_it_and_its_ids_begin_again() {
    let mut net = Net::new(&[]).await;
    let worker = net.worker().await;
    net.world.always("/slow", Reply::ok().held());
    for _ in 0..3 {
        let id = net.post("/x", "").await;
        net.response(id).await;
    }
    net.post("/slow", "").await;
    net.world.wait_for_requests(LIMIT, 4).await.unwrap();
    let pid: i32 = net
        .client
        .query_one("SELECT pg_backend_pid()", &[])
        .await
        .unwrap()
        .get(0);
    // Nothing else is durable on this server.
    net.run("CHECKPOINT").await;
    net.cluster.kill_backend(pid).await.unwrap();
    wait_until(LIMIT, "the server to have noticed", async || {
        net.client.is_closed()
    })
    .await
    .unwrap();
    net.cluster.wait_ready().await.unwrap();
    net.client = net.cluster.connect("t").await.unwrap();
    net.run("SELECT net.wait_until_running()").await;
    let left = "SELECT ((SELECT count(*) FROM net.http_request_queue) + (SELECT count(*) FROM net._http_response))::text";
    assert_eq!(net.text(left).await, "0");
    if net.cluster.postgres().major >= 15 {
        assert_eq!(net.post("/x", "").await, 1);
        assert!(net.response(1).await.starts_with("200/"));
    }

    net.run("SELECT net.worker_restart(), net.wait_until_running()")
        .await;
    worker.kill().await.unwrap();
    net.post("/x", "").await;
    forget_everything(&net.client).await.unwrap();
    assert_eq!(net.text(left).await, "0");
    assert_eq!(net.post("/x", "").await, 1);
}
