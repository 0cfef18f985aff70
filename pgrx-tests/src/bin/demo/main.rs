//! `make demo`: raw_ops and the shim at work on a private server, every number held against what was sent.
//!
//! # Layout
//!
//! - [`plan`]: what is sent and what must become of it
//! - [`sending`]: the wave; [`books`]: the tables after it; [`proof`]: whether they are right
//! - [`retries`]: what fails at first; [`alarm`]: who hears of it
//! - [`courier`]: what happens to shipments, and who is told
//! - [`page`]: the dashboard
//! - [`screen`], [`checks`]: how it is shown

mod alarm;
mod books;
mod checks;
mod courier;
mod page;
mod plan;
mod proof;
mod retries;
mod screen;
mod sending;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use raw_ops_e2e::shopify::{DEFAULT_PATH, Sender};
use raw_ops_e2e::stack::OWNER_ROLE;
use raw_ops_e2e::{Stack, StackOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_postgres::Client;

use checks::Checks;
use plan::Plan;
use screen::{Screen, Style, milliseconds};

/// Lines of the server's log that a failure shows.
const LOG_LINES: usize = 25;
/// As shells count a program that was interrupted.
const INTERRUPTED: u8 = 130;
const LIMIT: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> ExitCode {
    let screen = Screen::new();
    let (started, mut checks) = (Instant::now(), Checks::new(screen));
    let mut interrupted = match listen(screen) {
        Ok(interrupted) => interrupted,
        Err(error) => return broken(screen, &error),
    };
    screen.line(&screen.paint(
        Style::Bold,
        "raw_ops: signed webhooks become orders inside PostgreSQL",
    ));
    screen.heading("1  Starting a private PostgreSQL and the shim");
    screen.say("Some seconds: initdb, CREATE EXTENSION, raw_ops.setup(), the jobs of pg_cron, the shim.");
    let options = StackOptions::default().shim_env(raw_ops_e2e::courier::TOKEN_VARIABLE, courier::TOKEN);
    // Not broken off in the middle: half a start is harder to clear away than a whole one, and it is a matter of seconds.
    let stack = match Stack::start(options).await {
        Ok(stack) => stack,
        Err(_) if *interrupted.borrow() => return ExitCode::from(INTERRUPTED),
        Err(error) => return broken(screen, &error.context("the stack did not start")),
    };
    let took = started.elapsed();
    let outcome = tokio::select! {
        outcome = run(screen, &mut checks, &stack, took) => Some(outcome),
        _ = interrupted.changed() => None,
    };
    let log = last_lines(&stack.cluster.log_tail());
    let interrupted = outcome.is_none();
    let stopped = stop(screen, &mut checks, stack).await;
    if interrupted {
        return ExitCode::from(INTERRUPTED);
    }
    let error = outcome.and_then(Result::err).or(stopped.err());
    screen.line("");
    let all_hold =
        (error.is_none() || checks.any_failed()) && checks.verdict(started.elapsed().as_secs_f64());
    if let Some(error) = &error {
        broken(screen, error);
    }
    if all_hold && error.is_none() {
        return ExitCode::SUCCESS;
    }
    screen.line("The end of the server's log:");
    screen.line(&log);
    ExitCode::FAILURE
}

/// The demo, from the started stack to the last step before its end.
async fn run(screen: Screen, checks: &mut Checks, stack: &Stack, took: Duration) -> Result<()> {
    let client = stack.connect().await?;
    introduce(screen, stack, &client, took).await?;
    let sender = stack.sender()?;
    let slack = alarm::Slack::start(stack).await?;
    screen.pair("Slack", &format!("{} (a receiver on this machine)", slack.url()));
    let mut plan = Plan::new(&stack.shopify_secret)?;

    screen.heading("2  Webhooks, as Shopify would send them");
    let sent = sending::send(&screen, &sender, &client, &plan)
        .await
        .context("in step 2")?;
    sent.show(&screen);

    screen.heading("3  What is in the database now");
    books::show(&screen, &client).await.context("in step 3")?;

    screen.heading("4  Is that what was sent? (told from the payloads, not from the database)");
    proof::check(checks, &client, &plan, &sent)
        .await
        .context("in step 4")?;

    screen.heading("5  A webhook that comes right by itself: the cancellation that overtook its order");
    retries::cancellation(&screen, checks, &client, &mut plan)
        .await
        .context("in step 5")?;

    screen.heading("6  A webhook that never comes right: the price is \"abc\"");
    retries::dead_letter(&screen, checks, &client, &sender, &slack)
        .await
        .context("in step 6")?;

    screen.heading("7  One more order, and nobody calls anything");
    alone(screen, checks, &client, &sender, &mut plan)
        .await
        .context("in step 7")?;
    let what = "and every order is still what its newest payload says";
    proof::check_each_order(checks, &client, &plan.truth, what).await?;

    screen.heading("8  A missed delivery: the customer hears of it from the shop first");
    courier::watch(&screen, checks, &client, stack, &sender)
        .await
        .context("in step 8")?;

    screen.heading("9  The page for the wall");
    page::write(&screen, checks, &client).await.context("in step 9")
}

/// What was started, and where.
async fn introduce(screen: Screen, stack: &Stack, client: &Client, took: Duration) -> Result<()> {
    let versions = "SELECT current_setting('server_version'),
               (SELECT string_agg(extname || ' ' || extversion, ', ' ORDER BY extname)
                  FROM pg_extension WHERE extname IN ('raw_ops', 'pg_cron')),
               (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'raw_ops worker'),
               (SELECT string_agg(jobname || ' (' || schedule || ')', ', ' ORDER BY jobname) FROM cron.job)";
    let row = client.query_one(versions, &[]).await?;
    let text = |column: usize| row.get::<_, Option<String>>(column).unwrap_or_default();
    let server = text(0);
    let server = server.split_whitespace().next().unwrap_or_default();
    screen.pair("database", &stack.cluster.url(&stack.db, OWNER_ROLE));
    screen.pair("shim", &stack.shim()?.url(DEFAULT_PATH));
    screen.pair("directory", &stack.cluster.dir().display().to_string());
    let workers: i64 = row.get(2);
    screen.pair(
        "runs",
        &format!(
            "PostgreSQL {server} with {}; {workers} worker of raw_ops",
            text(1)
        ),
    );
    screen.pair("jobs", &text(3));
    screen.pair("ready after", &format!("{:.1} s", took.as_secs_f64()));
    Ok(())
}

/// One order, from the sender's hand to the table.
async fn alone(
    screen: Screen,
    checks: &mut Checks,
    client: &Client,
    sender: &Sender,
    plan: &mut Plan,
) -> Result<()> {
    let order = plan::new_order(1);
    let delivery = order.delivery("orders/create");
    plan.truth.learn(&delivery)?;
    let query = "SELECT FROM raw_ops.orders WHERE shopify_order_id = $1";
    let query = client.prepare(query).await?;
    let started = Instant::now();
    let answer = sender.send(&delivery).await;
    let visible = loop {
        let here = client.query_opt(&query, &[&order.id]).await?.is_some();
        let elapsed = started.elapsed();
        if here || elapsed > LIMIT {
            break here.then_some(elapsed);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let found = visible.map_or_else(
        || format!("not there after {LIMIT:?}; the shim said {:?}", answer.status),
        |visible| {
            let [answered, visible] =
                [answer.latency, visible].map(|time| milliseconds(time.as_secs_f64() * 1000.0));
            format!("answered after {answered}, visible after {visible}")
        },
    );
    let what = format!("order #{} is there", order.number);
    checks.holds(
        &what,
        answer.accepted() && visible.is_some(),
        "an order within seconds",
        &found,
    );
    screen.say(
        "A worker inside PostgreSQL wakes when a webhook is committed; pg_cron looks once a minute, too.",
    );
    Ok(())
}

/// Stops and removes everything, and says where it was.
async fn stop(screen: Screen, checks: &mut Checks, mut stack: Stack) -> Result<()> {
    screen.heading("10  Where everything was");
    let dir = stack.cluster.dir().to_owned();
    let shim = stack.shim.as_mut().context("the shim is gone")?;
    let processes = [shim.identity(), stack.cluster.postmaster()];
    screen.pair("database", &stack.cluster.url(&stack.db, OWNER_ROLE));
    screen.pair("shim", &stack.shim()?.url(DEFAULT_PATH));
    screen.pair("data, log", &format!("{0}/data, {0}/server.log", dir.display()));
    if let Some(shim) = stack.shim.as_mut()
        && shim.identity().is_some()
    {
        shim.stop().await?;
    }
    drop(stack);
    let running = processes
        .into_iter()
        .flatten()
        .filter(|process| process.alive())
        .count();
    let kept = std::env::var_os("RAW_OPS_KEEP").is_some_and(|value| value == "1");
    let (what, right) = match kept {
        true => (
            "both are stopped; the directory is kept (RAW_OPS_KEEP=1)",
            dir.exists(),
        ),
        false => ("both are stopped and everything is removed", !dir.exists()),
    };
    let found = format!(
        "{running} running, directory {}",
        if dir.exists() { "there" } else { "gone" }
    );
    checks.holds(what, right && running == 0, "nothing running", &found);
    if !kept {
        screen.say(
            "RAW_OPS_KEEP=1 make demo keeps the directory; make up starts the same and leaves it running.",
        );
    }
    Ok(())
}

/// Turns true at Ctrl-C or SIGTERM.
fn listen(screen: Screen) -> Result<watch::Receiver<bool>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        screen.clear();
        screen.line("");
        screen.line("Interrupted: stopping and removing what was started ...");
        // If nobody listens any more, the end has come anyway.
        let _ = sender.send(true);
        // Keeps the channel open: a closed one would count as a change.
        std::future::pending::<()>().await;
    });
    Ok(receiver)
}

fn broken(screen: Screen, error: &anyhow::Error) -> ExitCode {
    screen.line(&screen.paint(Style::Bad, &format!("✗ The demo broke off: {error:#}")));
    ExitCode::FAILURE
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let last = lines.len().saturating_sub(LOG_LINES);
    lines[last..]
        .iter()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
