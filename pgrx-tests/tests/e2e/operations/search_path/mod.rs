//! No name in our code is looked up along somebody else's search_path: who may create a function, an operator, a type or a
//! table somewhere gains nothing by it.

mod calls;
mod replaced;

use crate::support::*;
use calls::CALLS;
use raw_ops_e2e::orders::Generator;
use raw_ops_e2e::receiver::slack;
use raw_ops_e2e::{Cluster, Receiver, Stop, wait_until};
use tokio_postgres::Client;

const TRAP: &str = include_str!("trap.sql");

/// A server whose tables belong to `keeper`, an ordinary role.
struct Shop {
    cluster: Cluster,
    admin: Client,
}

const OWNER: &str = "
    CREATE ROLE keeper LOGIN;
    GRANT CREATE ON DATABASE shop TO keeper;
    GRANT CREATE, USAGE ON SCHEMA raw_ops TO keeper;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA raw_ops TO keeper;
    GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA raw_ops TO keeper;
    GRANT USAGE ON SCHEMA cron TO keeper;
    CREATE SCHEMA evil AUTHORIZATION keeper;
    CREATE SCHEMA keeper AUTHORIZATION keeper";

impl Shop {
    async fn open() -> Self {
        let cluster = Cluster::builder()
            .for_raw_ops("shop")
            .setting("raw_ops.allow_private_targets", "on")
            .fast()
            .start()
            .await
            .unwrap();
        let admin = cluster.connect("shop").await.unwrap();
        run(&admin, "CREATE EXTENSION pg_cron; CREATE EXTENSION raw_ops").await;
        run(&admin, OWNER).await;
        Self { cluster, admin }
    }

    async fn as_owner(&self) -> Client {
        self.cluster.connect_as("shop", "keeper").await.unwrap()
    }

    async fn lay_traps_in(&self, bait: &str) {
        run(&self.admin, TRAP).await;
        run(&self.admin, &format!("CALL trap.lay('{bait}')")).await;
        for (what, at_least) in [
            ("functions", 2_000),
            ("operators", 700),
            ("types", 15),
            ("tables", 100),
        ] {
            let made: i64 = one(
                &self.admin,
                &format!("SELECT how_many FROM trap.made WHERE bait = '{bait}' AND what = '{what}'"),
            )
            .await;
            assert!(made >= at_least, "{made} {what} in {bait}");
        }
    }

    async fn hits(&self) -> i64 {
        let sql = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM trap.hits";
        one(&self.admin, sql).await
    }

    /// What the server's log says of look-alikes, for the message of a failed assertion.
    fn traces(&self) -> String {
        let log = self.cluster.log();
        let lines: Vec<&str> = log.lines().collect();
        let traced = (0..lines.len()).filter(|&line| lines[line].contains("look-alike"));
        traced
            .flat_map(|line| lines[line..lines.len().min(line + 12)].to_vec())
            .take(80)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// Calls everything; an error is an answer too, as long as no look-alike ran.
async fn call_everything(client: &Client, path: &str) {
    run(client, &format!("SET search_path = {path}")).await;
    for (_, call) in CALLS {
        let _ = client.batch_execute(call).await;
    }
}

#[tokio::test]
async fn every_function_of_the_schema_is_called_by_these_tests() {
    let shop = Shop::open().await;
    let functions: Vec<String> = column(
        &shop.admin,
        "SELECT DISTINCT proname::text FROM pg_proc WHERE pronamespace = 'raw_ops'::regnamespace ORDER BY 1",
    )
    .await;
    let mut called: Vec<&str> = CALLS.iter().map(|(name, _)| *name).collect();
    called.sort_unstable();
    assert_eq!(functions, called, "a new function gets its call in calls.rs");
}

#[tokio::test]
async fn a_look_alike_in_the_callers_path_is_never_run() {
    let shop = Shop::open().await;
    let owner = shop.as_owner().await;
    run(&owner, "SELECT raw_ops.setup()").await;
    run(
        &owner,
        "INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status)
         VALUES ('shopify', 'orders/create', 'dead', '{}', 'dlq')",
    )
    .await;
    shop.lay_traps_in("evil").await;
    shop.lay_traps_in("public").await;
    shop.lay_traps_in("keeper").await;
    let control = shop.as_owner().await;
    let _ = control
        .batch_execute("SET search_path = evil, pg_catalog; SELECT upper('x')")
        .await;
    let before = shop.hits().await;
    assert!(before > 0, "the trap works");

    for path in [
        "evil, pg_catalog",
        "public, pg_catalog",
        "\"$user\", pg_catalog, raw_ops",
    ] {
        for role in ["keeper", "postgres"] {
            let client = shop.cluster.connect_as("shop", role).await.unwrap();
            call_everything(&client, path).await;
            assert_eq!(shop.hits().await, before, "{role}, {path}\n{}", shop.traces());
        }
    }
    let mut temporary = shop.as_owner().await;
    lay_temporary_traps(&mut temporary, &shop).await;
    call_everything(&temporary, "\"$user\", public").await;
    assert_eq!(shop.hits().await, before, "pg_temp\n{}", shop.traces());
}

/// Unnamed in a path, pg_temp comes first for types and tables, and everybody may create in it.
async fn lay_temporary_traps(client: &mut Client, shop: &Shop) {
    run(
        &shop.admin,
        "GRANT USAGE ON SCHEMA trap TO keeper; GRANT ALL ON trap.made TO keeper",
    )
    .await;
    run(
        client,
        "SET search_path = pg_catalog, pg_temp; CREATE TEMP TABLE filler ()",
    )
    .await;
    let schema: String = one(
        client,
        "SELECT nspname::text FROM pg_namespace WHERE oid = pg_my_temp_schema()",
    )
    .await;
    run(client, &format!("CALL trap.lay_types_and_tables('{schema}')")).await;
}

#[tokio::test]
async fn a_look_alike_in_the_databases_path_is_never_run_by_the_workers() {
    let mut shop = Shop::open().await;
    let owner = shop.as_owner().await;
    run(&owner, "SELECT raw_ops.setup()").await;
    for bait in ["evil", "public", "keeper"] {
        shop.lay_traps_in(bait).await;
    }
    const EVERYWHERE: [&str; 3] = ["ALTER DATABASE shop", "ALTER ROLE ALL", "ALTER SYSTEM"];
    for whose in EVERYWHERE {
        run(
            &shop.admin,
            &format!("{whose} SET search_path = evil, public, keeper, pg_catalog"),
        )
        .await;
    }
    shop.cluster.restart(Stop::Fast).await.unwrap();
    shop.admin = shop.cluster.connect("shop").await.unwrap();
    run(&shop.admin, "SET search_path = pg_catalog").await;
    let receiver = Receiver::start().unwrap();
    receiver.always("/slack", slack::incoming_webhook);
    let owner = shop.as_owner().await;
    run(&owner, "SET search_path = pg_catalog").await;
    let orders: Vec<_> = Generator::new(5).orders(0..20).collect();
    receive_orders(&owner, &orders).await;
    receive(
        &owner,
        "orders/create",
        "guest",
        br#"{"id": 1, "email": "guest@example.com", "line_items": []}"#,
    )
    .await;
    receive(&owner, "orders/create", "malformed", b"{}").await;
    // Something to send, so that the sender claims, sends and records.
    run(&owner, &format!(
        "SELECT raw_ops.fn_set_secret_v1('slack_url_ops_alerts', '{0}'), raw_ops.fn_set_secret_v1('slack_url_daily_ops', '{0}')",
        receiver.url("/slack")
    )).await;
    run(&owner, "SELECT raw_ops.fn_invoke_monitor('webhook_daily_digest')").await;
    wait_until(LIMIT, "the workers to have done all", async || {
        let done: bool = one(
            &shop.admin,
            "SELECT count(*) FILTER (WHERE processing_status = 'success') = 21
                AND count(*) FILTER (WHERE processing_status = 'failed') = 1
                AND (SELECT bool_and(state = 'succeeded') FROM raw_ops.http_requests) FROM raw_ops.webhook_inbox",
        )
        .await;
        done
    })
    .await
    .unwrap_or_else(|error| panic!("{error:?}\n{}", shop.cluster.log_tail()));
    assert_eq!(shop.hits().await, 0, "{}", shop.traces());
}

#[tokio::test]
async fn a_schema_set_up_among_look_alikes_is_built_on_none_of_them() {
    let shop = Shop::open().await;
    shop.lay_traps_in("public").await;
    shop.lay_traps_in("keeper").await;
    let owner = shop.as_owner().await;
    run(&owner, "SET search_path = public, \"$user\", pg_catalog").await;
    run(&owner, "SELECT raw_ops.setup()").await;
    run(&owner, "SELECT raw_ops.setup()").await;
    let built_on: Vec<String> = column(
        &shop.admin,
        "SELECT DISTINCT dependent.identity || ' on ' || base.identity
           FROM pg_depend d,
                pg_identify_object(d.classid, d.objid, d.objsubid) dependent,
                pg_identify_object(d.refclassid, d.refobjid, d.refobjsubid) base
          WHERE dependent.identity LIKE '%raw_ops.%' AND base.schema IN ('public', 'keeper')",
    )
    .await;
    assert_eq!(built_on, Vec::<String>::new());
    assert_eq!(shop.hits().await, 0, "{}", shop.traces());
    // Their bodies are looked up when they run: that of a view is not, it keeps what it was built on.
    let of_types: i64 = one(
        &shop.admin,
        "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
          WHERE c.relnamespace = 'raw_ops'::regnamespace AND t.typnamespace IN ('public'::regnamespace, 'keeper'::regnamespace)",
    )
    .await;
    assert_eq!(of_types, 0);
}

#[tokio::test]
async fn a_function_without_a_pinned_path_does_not_get_in() {
    let shop = Shop::open().await;
    let open: Vec<String> = column(
        &shop.admin,
        "SELECT oid::regprocedure::text FROM pg_proc
          WHERE pronamespace = 'raw_ops'::regnamespace AND prokind <> 'p'
            AND NOT coalesce(proconfig @> array['search_path=pg_catalog, pg_temp'], false)",
    )
    .await;
    assert_eq!(open, Vec::<String>::new());
    // A procedure that commits can have no SET clause: these pin the path themselves, again after every COMMIT.
    let procedures: Vec<String> = column(
        &shop.admin,
        "SELECT proname::text FROM pg_proc WHERE pronamespace = 'raw_ops'::regnamespace AND prokind = 'p' ORDER BY 1",
    )
    .await;
    assert_eq!(
        procedures,
        [
            "archive_inbox",
            "deliver_outbox",
            "drain_inbox",
            "run_housekeeping"
        ]
    );
    let bodies: Vec<String> = column(
        &shop.admin,
        "SELECT regexp_replace(prosrc, '\\s+', ' ', 'g') FROM pg_proc WHERE pronamespace = 'raw_ops'::regnamespace AND prokind = 'p'",
    )
    .await;
    const PIN: &str = "perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);";
    const ISOLATION: &str = "set transaction isolation level read committed; ";
    for body in bodies {
        // Neither of these looks a name up.
        let body = body.replace(ISOLATION, "").replace(" begin commit; ", " begin ");
        for opened in body
            .split(" begin ")
            .skip(1)
            .chain(body.split(" commit; ").skip(1))
        {
            assert!(opened.starts_with(PIN) || opened.starts_with("end "), "{opened}");
        }
    }
}
