//! `make bench`: raw_ops against the best row-by-row PL/pgSQL (`reference/drain.sql`) and against the floor
//! (`reference/floor.sql`), side by side in one run on one private server: same tables, same indexes, same rows, same
//! durability. Times are the best of interleaved rounds, since whatever else the machine does can only add to them;
//! read the ratios, not the rates. Then an order with very many items, and the views, in milliseconds. With arguments only
//! these parts: drain, single, large, views.

mod large;
mod views;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use raw_ops_e2e::orders::Generator;
use raw_ops_e2e::table::Table;
use raw_ops_e2e::workspace::workspace_root;
use raw_ops_e2e::{Cluster, install};
use tokio_postgres::Client;

/// Orders a drain.
const ORDERS: i64 = 10_000;
/// Webhooks a transaction.
const SET: i64 = 500;
/// Calls of the single-order function a round.
const SINGLES: i64 = 2_000;
const ROUNDS: usize = 7;

const PREPARE: &str = "
    create extension raw_ops;
    select raw_ops.setup();
    create schema bench;
    create unlogged table bench.payloads (n bigint primary key, payload jsonb compression lz4);
    alter table bench.payloads set (toast_tuple_target = 128);";

/// Every round starts from the same state: empty tables, a full inbox, nothing left for vacuum to do meanwhile.
const FILL: &[&str] = &[
    "truncate raw_ops.webhook_inbox, raw_ops.order_items, raw_ops.orders, raw_ops.customers, raw_ops.ops_events cascade",
    "insert into raw_ops.webhook_inbox (id, shop_domain, provider, topic, event_id, payload, shopify_order_id)
     select raw_ops.fn_uuid_v7(), 'bench.example', 'shopify', 'orders/create', 'bench-' || n, payload, (payload->>'id')::bigint
       from bench.payloads order by n",
    "vacuum analyze raw_ops.webhook_inbox",
    "checkpoint",
];

/// What one contender did in one round.
#[derive(Clone, Copy)]
struct Round {
    time: Duration,
    wal_bytes: f64,
    dead_tuples: f64,
}

struct Contender {
    name: &'static str,
    statement: &'static str,
    /// How often the statement runs to process everything.
    times: i64,
    rounds: Vec<Round>,
}

impl Contender {
    fn new(name: &'static str, statement: &'static str, times: i64) -> Self {
        Self {
            name,
            statement,
            times,
            rounds: Vec::new(),
        }
    }

    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        let mut values: Vec<f64> = self.rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }

    /// Microseconds an order, in the best round.
    fn micros(&self, orders: i64) -> f64 {
        let best = self
            .rounds
            .iter()
            .map(|round| round.time)
            .min()
            .unwrap_or_default();
        best.as_secs_f64() * 1e6 / orders as f64
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    install::check()?;
    println!("Starting a private server and filling it with {ORDERS} generated orders …");
    let cluster = Cluster::builder()
        .setting("shared_preload_libraries", "raw_ops")
        .setting("raw_ops.workers", 0)
        .setting("shared_buffers", "512MB")
        .setting("max_wal_size", "8GB")
        .setting("autovacuum", "off")
        .setting("jit", "off")
        .start()
        .await?;
    cluster.create_database("bench").await?;
    let client = cluster.connect("bench").await?;
    client.batch_execute(PREPARE).await?;
    for script in ["drain.sql", "floor.sql"] {
        let path = workspace_root().join("pgrx-tests/reference").join(script);
        let sql = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        client.batch_execute(&sql).await?;
    }
    let bytes = load(&client).await?;
    println!("Median payload {bytes} bytes; sets of {SET}; {ROUNDS} rounds, interleaved.\n");

    let asked: Vec<String> = std::env::args().skip(1).collect();
    let is_asked = |part: &str| asked.is_empty() || asked.iter().any(|asked| asked == part);
    if is_asked("drain") {
        report_drains(&drains(&client).await?);
    }
    if is_asked("single") {
        report_singles(&singles(&client).await?);
    }
    if is_asked("large") {
        large::report(&large::measure(&cluster).await?);
    }
    if is_asked("views") {
        views::report(&views::measure(&cluster).await?);
    }
    Ok(())
}

async fn load(client: &Client) -> Result<usize> {
    let insert = client
        .prepare("insert into bench.payloads values ($1, $2::text::jsonb)")
        .await?;
    let mut sizes = Vec::new();
    client.batch_execute("begin").await?;
    for (n, order) in (0_i64..).zip(Generator::new(1).customers(6_000).orders(0..ORDERS as u64)) {
        sizes.push(order.bytes.len());
        client
            .execute(&insert, &[&n, &std::str::from_utf8(&order.bytes)?])
            .await?;
    }
    client.batch_execute("commit").await?;
    client.batch_execute("vacuum analyze bench.payloads").await?;
    sizes.sort_unstable();
    Ok(sizes[sizes.len() / 2])
}

async fn drains(client: &Client) -> Result<[Contender; 3]> {
    let sets = ORDERS / SET;
    let mut contenders = [
        Contender::new("raw_ops", "select raw_ops.process_pending_webhooks(500)", sets),
        Contender::new("PL/pgSQL reference", "select reference.drain(500)", sets),
        Contender::new("floor (bulk insert)", "select reference.floor()", 1),
    ];
    for round in 0..=ROUNDS {
        for contender in &mut contenders {
            for statement in FILL {
                client.batch_execute(statement).await?;
            }
            let measured = measure(client, contender.statement, contender.times).await?;
            check_all_done(client, contender.name).await?;
            // The first round warms caches and plans, and leaves the parsed rows for the floor.
            match round {
                0 => client.batch_execute("select reference.stage()").await?,
                _ => contender.rounds.push(measured),
            }
        }
        progress("drain", round);
    }
    Ok(contenders)
}

async fn measure(client: &Client, statement: &str, times: i64) -> Result<Round> {
    let before = wal_and_dead(client).await?;
    let start = Instant::now();
    for _ in 0..times {
        client.batch_execute(statement).await?;
    }
    let time = start.elapsed();
    let after = wal_and_dead(client).await?;
    Ok(Round {
        time,
        wal_bytes: after.0 - before.0,
        dead_tuples: after.1 - before.1,
    })
}

async fn wal_and_dead(client: &Client) -> Result<(f64, f64)> {
    client.batch_execute("select pg_stat_force_next_flush()").await?;
    let row = client
        .query_one(
            "select (pg_current_wal_insert_lsn() - '0/0')::float8,
                    (select coalesce(sum(n_tup_upd + n_tup_del), 0)::float8 from pg_stat_user_tables
                      where schemaname = 'raw_ops')",
            &[],
        )
        .await?;
    Ok((row.get(0), row.get(1)))
}

async fn check_all_done(client: &Client, who: &str) -> Result<()> {
    let row = client
        .query_one(
            "select count(*) filter (where processing_status = 'success'), (select count(*) from raw_ops.orders)
               from raw_ops.webhook_inbox",
            &[],
        )
        .await?;
    let (done, orders): (i64, i64) = (row.get(0), row.get(1));
    ensure!(
        done == ORDERS && orders == ORDERS,
        "{who} left {done} of {ORDERS} done, {orders} orders"
    );
    Ok(())
}

/// Each call one payload, all calls of a round in one transaction; then the same payloads once more, unchanged.
async fn singles(client: &Client) -> Result<[Contender; 4]> {
    const NEW: [&str; 2] = [
        "do $$ declare r record; begin
             for r in select payload from bench.payloads where n < 2000 order by n
             loop perform raw_ops.process_order_webhook_txn(r.payload, 'bench.example'); end loop; end $$",
        "do $$ declare r record; begin
             for r in select payload from bench.payloads where n < 2000 order by n
             loop perform reference.apply_order(r.payload, 'bench.example'); end loop; end $$",
    ];
    let mut contenders = [
        Contender::new("raw_ops, new", NEW[0], 1),
        Contender::new("reference, new", NEW[1], 1),
        Contender::new("raw_ops, unchanged", NEW[0], 1),
        Contender::new("reference, unchanged", NEW[1], 1),
    ];
    for round in 0..=ROUNDS {
        for who in 0..2 {
            client.batch_execute(FILL[0]).await?;
            client.batch_execute("checkpoint").await?;
            for what in [who, who + 2] {
                let measured = measure(client, contenders[what].statement, 1).await?;
                if round > 0 {
                    contenders[what].rounds.push(measured);
                }
            }
        }
        progress("single calls", round);
    }
    Ok(contenders)
}

fn progress(what: &str, round: usize) {
    let name = if round == 0 {
        "warm-up".to_owned()
    } else {
        format!("round {round} of {ROUNDS}")
    };
    eprintln!("  {what}: {name}");
}

fn report_drains([ours, reference, floor]: &[Contender; 3]) {
    println!("\nDrain, one backend");
    let mut table = Table::new(&["", ">µs/order", ">orders/s", ">WAL B/order", ">rewrites/order"]);
    for contender in [ours, reference, floor] {
        let micros = contender.micros(ORDERS);
        table.row([
            contender.name.to_owned(),
            format!("{micros:.1}"),
            format!("{:.0}", 1e6 / micros),
            format!("{:.0}", contender.median(|round| round.wal_bytes) / ORDERS as f64),
            format!(
                "{:.2}",
                contender.median(|round| round.dead_tuples) / ORDERS as f64
            ),
        ]);
    }
    show(&table);
    let time = |contender: &Contender| contender.micros(ORDERS);
    verdict(
        "rate against the reference",
        time(reference) / time(ours),
        2.5,
        true,
    );
    verdict("time against the floor", time(ours) / time(floor), 2.0, false);
    let wal = |contender: &Contender| contender.median(|round| round.wal_bytes);
    verdict(
        "WAL against the reference",
        wal(ours) / wal(reference),
        1.0,
        false,
    );
}

fn report_singles([new, reference_new, unchanged, reference_unchanged]: &[Contender; 4]) {
    println!("\nOne process_order_webhook_txn() call");
    let mut table = Table::new(&["", ">µs"]);
    for contender in [new, reference_new, unchanged, reference_unchanged] {
        table.row([
            contender.name.to_owned(),
            format!("{:.1}", contender.micros(SINGLES)),
        ]);
    }
    show(&table);
    verdict(
        "new order, time against the reference",
        new.micros(SINGLES) / reference_new.micros(SINGLES),
        0.7,
        false,
    );
    let unchanged_ratio = unchanged.micros(SINGLES) / reference_unchanged.micros(SINGLES);
    verdict(
        "unchanged, time against the reference's",
        unchanged_ratio,
        0.4,
        false,
    );
    let against_new = unchanged.micros(SINGLES) / reference_new.micros(SINGLES);
    verdict(
        "unchanged, against the reference's new order",
        against_new,
        0.4,
        false,
    );
}

fn show(table: &Table) {
    for line in table.lines() {
        println!("  {line}");
    }
}

fn verdict(what: &str, ratio: f64, target: f64, at_least: bool) {
    let (holds, sign) = if at_least {
        (ratio >= target, '≥')
    } else {
        (ratio <= target, '≤')
    };
    println!(
        "  {} {what:<46} {ratio:>6.2}×   target {sign} {target}×",
        if holds { '✓' } else { '✗' }
    );
}
