//! The page of `fn_dashboard_html_v1()` in a real browser: for an empty, a healthy and a sick database, on a phone and on a
//! wall, light and dark. With `RAW_OPS_SCREENSHOTS=<directory>` it leaves pictures of what it saw there.

mod shops;

use std::path::{Path, PathBuf};

use crate::support::*;
use raw_ops_e2e::browser::{Browser, Screen};
use raw_ops_e2e::{Receiver, Stack, StackOptions, wait_until};
use serde_json::{Value, json};
use tokio_postgres::Client;

const HEALTHY: &str = include_str!("healthy.sql");
const SICK: &str = include_str!("sick.sql");
const PAGE: &str = "SELECT raw_ops.fn_dashboard_html_v1()";

const SCREENS: [Screen; 4] = [
    Screen {
        width: 390,
        dark: false,
    },
    Screen {
        width: 390,
        dark: true,
    },
    Screen {
        width: 1400,
        dark: false,
    },
    Screen {
        width: 1400,
        dark: true,
    },
];

async fn page_of(client: &Client, dir: &Path, name: &str) -> PathBuf {
    let html: String = one(client, PAGE).await;
    assert_self_contained(&html);
    let file = dir.join(format!("{name}.html"));
    std::fs::write(&file, html).unwrap();
    file
}

/// No address, no script in the text itself.
fn assert_self_contained(html: &str) {
    for forbidden in [
        "http://",
        "https://",
        "//cdn",
        "<iframe",
        "<img",
        "<object",
        "url(",
        "@import",
        "javascript:",
    ] {
        let place = html.to_lowercase().find(forbidden);
        assert!(
            place.is_none(),
            "{forbidden} in the page: {:?}",
            place.map(|place| html.get(place.saturating_sub(80)..place + 80))
        );
    }
    // The one of ours, which copies a statement.
    assert_eq!(html.matches("<script").count(), 1);
    assert!(html.starts_with("<!DOCTYPE html>") && html.trim_end().ends_with("</html>"));
    assert!(html.contains("<title>Webhook Operations</title>"));
    assert!(
        !html.contains("NaN") && !html.contains("inf\""),
        "a coordinate is no number"
    );
}

/// What holds of every page on every screen.
async fn look(browser: &mut Browser, file: &Path, screen: Screen) {
    let name = format!("{} {screen:?}", file.display());
    browser.open(file, screen).await.unwrap();
    let elsewhere: Vec<String> = browser
        .requests()
        .into_iter()
        .filter(|url| !url.starts_with("data:") && *url != format!("file://{}", file.display()))
        .collect();
    assert!(elsewhere.is_empty(), "{name} asked for {elsewhere:?}");
    inspect(browser, &name, screen, &CHARTS).await;
    picture(browser, file, screen).await;
}

const CHARTS: [&str; 8] = [
    "Success rate",
    "Queue depth",
    "Dead letters by day",
    "P95 latency",
    "Error categories",
    "Retry resolution",
    "Oldest pending",
    "Daily volume",
];

/// The page as it is drawn now, with these charts.
async fn inspect(browser: &mut Browser, name: &str, screen: Screen, charts: &[&str]) {
    let facts = browser.ask(include_str!("facts.js")).await.unwrap();
    assert_eq!(facts["dark"], screen.dark, "{name}");
    assert_eq!(facts["width"], screen.width, "{name}");
    assert_eq!(facts["wider_than_screen"], json!([]), "{name}");
    assert_eq!(facts["hardly_readable"], json!([]), "{name}");
    assert_eq!(
        facts["without_text"],
        json!([]),
        "{name}: drawings without a text alternative"
    );
    assert_eq!(facts["scripts"], 1, "{name}");
    assert_eq!(
        facts["charts"],
        json!(charts),
        "{name}: charts with something drawn in them"
    );
    assert_eq!(browser.complaints(), [""; 0], "{name}");
}

/// Of what is drawn now, where somebody wants to see it.
async fn picture(browser: &mut Browser, file: &Path, screen: Screen) {
    if let Some(dir) = std::env::var_os("RAW_OPS_SCREENSHOTS") {
        let stem = file.file_stem().unwrap().to_string_lossy();
        let scheme = if screen.dark { "dark" } else { "light" };
        let picture = Path::new(&dir).join(format!("{stem}-{}-{scheme}.png", screen.width));
        browser.screenshot(&picture).await.unwrap();
    }
}

/// The text of all elements a selector finds.
async fn texts(browser: &mut Browser, selector: &str) -> Vec<String> {
    let expression = format!(
        "[...document.querySelectorAll({})].map(e => e.textContent.replace(/\\s+/g, ' ').trim())",
        json!(selector)
    );
    serde_json::from_value(browser.ask(&expression).await.unwrap()).unwrap()
}

async fn count(browser: &mut Browser, selector: &str) -> u64 {
    let expression = format!("document.querySelectorAll({}).length", json!(selector));
    browser.ask(&expression).await.unwrap().as_u64().unwrap()
}

#[tokio::test]
async fn the_page_is_drawn_for_an_empty_a_healthy_and_a_sick_database() {
    // Nothing is missing: jobs are scheduled, though pg_cron starts none; Slack is there.
    let options = StackOptions {
        schedule_jobs: true,
        ..by_hand().setting("cron.max_running_jobs", 0)
    };
    let stack = Stack::start(options.without_shim()).await.unwrap();
    let world = Receiver::start().unwrap();
    let client = stack.connect().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let poor = page_of(&client, dir.path(), "poor").await;
    stack.post_alerts_to(&world).await.unwrap();
    wait_until(LIMIT, "health", async || {
        one::<String>(&client, "SELECT raw_ops.fn_health_v1()->>'status'").await == "ok"
    })
    .await
    .unwrap();
    let empty = page_of(&client, dir.path(), "empty").await;
    run(&client, HEALTHY).await;
    let healthy = page_of(&client, dir.path(), "healthy").await;
    // As on a host that may not send: what the sick database has queued stays queued.
    as_superuser(&stack, "ALTER SYSTEM SET raw_ops.delivery_hosts = 'another'").await;
    as_superuser(&stack, "SELECT pg_reload_conf()").await;
    wait_until(LIMIT, "sending to be held", async || {
        one::<bool>(
            &client,
            "SELECT (raw_ops.fn_health_v1()->'delivery_held')::boolean",
        )
        .await
    })
    .await
    .unwrap();
    run(&client, SICK).await;
    let sick = page_of(&client, dir.path(), "sick").await;

    let mut browser = Browser::start().await.unwrap();
    for screen in SCREENS {
        look(&mut browser, &poor, screen).await;
        poor_page(&mut browser).await;
        look(&mut browser, &empty, screen).await;
        empty_page(&mut browser).await;
        look(&mut browser, &healthy, screen).await;
        healthy_page(&mut browser).await;
        look(&mut browser, &sick, screen).await;
        sick_page(&mut browser).await;
    }
}

/// What health warns of is on the page, and the light is not green beside it.
async fn poor_page(browser: &mut Browser) {
    assert_eq!(texts(browser, ".word").await, ["Warning"]);
    let problems = texts(browser, ".problem").await;
    assert!(
        problems.len() == 1 && problems[0].contains("Alerts have nowhere to go"),
        "{problems:?}"
    );
}

async fn empty_page(browser: &mut Browser) {
    assert_eq!(texts(browser, ".word").await, ["No data yet"]);
    assert_eq!(texts(browser, ".tile .state").await, ["No data yet"; 4]);
    assert_eq!(texts(browser, "svg .note").await, ["nothing yet"; 8]);
    assert_eq!(count(browser, ".to-do").await, 0);
}

async fn healthy_page(browser: &mut Browser) {
    assert_eq!(texts(browser, ".word").await, ["Healthy"]);
    assert_eq!(
        texts(browser, ".light p").await,
        ["All four indicators are in range. Nothing to do."]
    );
    assert_eq!(texts(browser, ".tile .state").await, ["Healthy"; 4]);
    assert_eq!(count(browser, ".to-do").await, 0);
    assert_eq!(count(browser, "path.line").await, 3);
    // Today has none yet within minutes after midnight.
    assert!(count(browser, ".chart rect.bar").await >= 20);
}

async fn sick_page(browser: &mut Browser) {
    assert_eq!(texts(browser, ".word").await, ["Critical"]);
    assert_eq!(texts(browser, ".tile .state").await, ["Critical"; 4]);
    let problems = texts(browser, ".problem").await;
    assert!(
        problems[0].starts_with("Critical: 2 alerts have reached nobody"),
        "{problems:?}"
    );
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains("140 webhooks wait to be processed")),
        "{problems:?}"
    );
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains("Nothing is sent: raw_ops.delivery_hosts")),
        "{problems:?}"
    );
    assert_eq!(problems.len(), 6, "{problems:?}");
    let steps: Vec<_> = texts(browser, ".to-do li:first-child code").await;
    assert!(steps[0].contains("raw_ops.undelivered_alerts"), "{steps:?}");
    let buttons = texts(browser, ".to-do li:first-child button.copy").await;
    assert_eq!(buttons, vec!["Copy"; steps.len()]);
    let alerts = texts(browser, "section[aria-labelledby=alerts] tbody tr").await;
    assert_eq!(alerts.len(), 3);
    assert!(
        alerts[0].contains("critical") && alerts[0].contains("New in 10 minutes: 3 · Open: 11"),
        "{alerts:?}"
    );
    assert!(
        alerts[2].contains("<script>alert(\"not escaped\")</script>"),
        "{alerts:?}"
    );
    let undelivered = texts(browser, "section[aria-labelledby=undelivered] tbody tr").await;
    assert!(
        undelivered[0].contains("404: no_service") && undelivered[0].contains("none left"),
        "{undelivered:?}"
    );
    let outbox = texts(browser, "section[aria-labelledby=outbox] tbody td").await;
    assert!(outbox[0].starts_with("1 due for"), "{outbox:?}");
    assert_eq!(outbox[1..], ["0", "12", "1", "1"].map(str::to_owned));
    assert!(count(browser, "rect.bar.bad").await > 0 && count(browser, "rect.bar.settled").await > 0);
}

/// The checks above find what they look for.
#[tokio::test]
async fn a_bad_page_is_seen_to_be_bad() {
    const BAD: &str =
        "<!DOCTYPE html><meta name=viewport content='width=device-width'><body style='background: #fff'>
        <p style='color: #bbb'>pale</p><div style='width: 700px'>wide</div><svg></svg>
        <img src='http://raw-ops.invalid/pixel.png'><script>throw new Error('thrown')</script>";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.html");
    std::fs::write(&file, BAD).unwrap();
    let mut browser = Browser::start().await.unwrap();
    browser.open(&file, SCREENS[0]).await.unwrap();
    let facts = browser.ask(include_str!("facts.js")).await.unwrap();
    for fault in ["wider_than_screen", "hardly_readable", "without_text"] {
        assert_ne!(facts[fault], json!([]), "{fault}: {facts}");
    }
    assert_eq!(facts["scripts"], 1);
    assert_eq!(facts["charts"], json!([]));
    let requests = browser.requests();
    assert!(
        requests.iter().any(|url| url.contains("raw-ops.invalid")),
        "{requests:?}"
    );
    assert!(browser.complaints().iter().any(|said| said.contains("thrown")));
}

/// Every statement the page tells a person to run is one that runs, as far as it exists in this version.
#[tokio::test]
async fn the_statements_it_prints_can_be_run() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    run(&client, HEALTHY).await;
    run(&client, SICK).await;
    let html: String = one(&client, PAGE).await;
    let mut ran = 0;
    for statement in html.split("<pre><code>").skip(1) {
        let statement = statement.split("</code>").next().unwrap();
        let statement = statement
            .replace("&#39;", "'")
            .replace("&lt;", "<")
            .replace("&gt;", ">");
        let statement = statement.replace("<id>", "00000000-0000-0000-0000-000000000000");
        let exists = match statement.split_once("raw_ops.fn_") {
            Some((_, name)) => {
                let name = name.split('(').next().unwrap();
                let sql = format!("SELECT count(*) > 0 FROM pg_proc WHERE proname = 'fn_{name}'");
                one::<bool>(&client, &sql).await
            }
            None => true,
        };
        if exists {
            run(&client, &statement).await;
            ran += 1;
        }
    }
    assert!(ran >= 7, "{ran}");
}

#[tokio::test]
async fn it_writes_nothing_and_is_read_on_a_replica_too() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    run(&client, HEALTHY).await;
    run(&client, "BEGIN READ ONLY").await;
    let here: String = one(&client, PAGE).await;
    let id: Option<String> = one(&client, "SELECT pg_current_xact_id_if_assigned()::text").await;
    assert_eq!(id, None, "it took a transaction id");
    run(&client, "ROLLBACK").await;
    assert!(!here.contains("(replica)"));

    let replica = stack.cluster.replica().await.unwrap();
    let there: String = one(&replica.connect(&stack.db).await.unwrap(), PAGE).await;
    assert!(there.contains("(replica)"));
    assert_self_contained(&there);
}

#[tokio::test]
async fn whoever_is_granted_it_reads_it_and_nobody_else() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let owner = stack.connect().await.unwrap();
    as_superuser(
        &stack,
        "CREATE ROLE stranger LOGIN; CREATE ROLE monitor LOGIN; GRANT USAGE ON SCHEMA raw_ops TO stranger, monitor;
         GRANT EXECUTE ON FUNCTION raw_ops.fn_dashboard_html_v1 TO monitor",
    )
    .await;
    let stranger = stack.connect_as("stranger").await.unwrap();
    assert_eq!(refused(&stranger, PAGE).await.sqlstate, "42501");
    let monitor = stack.connect_as("monitor").await.unwrap();
    assert_self_contained(&one::<String>(&monitor, PAGE).await);
    assert_eq!(
        refused(&monitor, "SELECT FROM raw_ops.webhook_health")
            .await
            .sqlstate,
        "42501"
    );
    let described: Value = one(
        &owner,
        "SELECT to_jsonb(array[provolatile::text, prosecdef::text, obj_description(oid, 'pg_proc') IS NOT NULL]::text[])
           FROM pg_proc WHERE proname = 'fn_dashboard_html_v1'",
    )
    .await;
    assert_eq!(described, json!(["s", "true", "true"]));
}
