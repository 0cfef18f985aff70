//! A dead letter becomes an alert at Slack (a receiver on this machine that answers as Slack does), and its end another.

use std::time::Duration;

use anyhow::{Context, Result};
use raw_ops_e2e::{Receiver, Stack, wait_until};
use tokio_postgres::Client;

use crate::checks::Checks;
use crate::screen::Screen;

const LIMIT: Duration = Duration::from_secs(20);
const URGENT: &str = "/slack/ops-urgent";
const TITLE: &str = "DLQ Critical";
const INVOKE: &str = "SELECT raw_ops.fn_invoke_monitor('webhook_health')";

/// Slack, as the demo has it.
pub struct Slack(Receiver);

impl Slack {
    /// Starts it and lets every channel's URL point to it.
    pub async fn start(stack: &Stack) -> Result<Self> {
        let receiver = Receiver::start()?;
        stack.post_alerts_to(&receiver).await?;
        Ok(Self(receiver))
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        self.0.url("/slack/…")
    }

    /// The monitor that pg_cron runs every five minutes, now; and what arrives.
    pub async fn hears_of_the_dead_letter(
        &self,
        screen: &Screen,
        checks: &mut Checks,
        client: &Client,
    ) -> Result<()> {
        screen.line("");
        screen.say("A person must hear of it. What pg_cron runs every five minutes, now:");
        screen.line("");
        screen.sql(&format!("{INVOKE};"));
        client.batch_execute(INVOKE).await?;
        let text = self.arrives(TITLE).await?;
        screen.line("");
        screen.say("What arrives at #ops-urgent:");
        screen.line("");
        for line in text.lines() {
            screen.pair("│", line);
        }
        screen.line("");
        let names_the_next_step = text.contains("Next: SELECT");
        checks.holds(
            "the alert arrived at #ops-urgent, and names the next statement",
            names_the_next_step,
            "a statement",
            if names_the_next_step { "yes" } else { &text },
        );
        // However often the monitor runs, nobody is told twice.
        client.batch_execute(INVOKE).await?;
        Ok(())
    }

    /// The monitor once more, after the dead letter is settled.
    pub async fn hears_of_the_end(
        &self,
        screen: &Screen,
        checks: &mut Checks,
        client: &Client,
    ) -> Result<()> {
        client.batch_execute(INVOKE).await?;
        let text = self.arrives(&format!("Resolved: {TITLE}")).await?;
        screen.line("");
        screen.say("The monitor's next run finds nothing, and #ops-urgent hears that, too:");
        screen.line("");
        screen.pair("│", text.lines().next().unwrap_or_default());
        screen.line("");
        let about_it = |request: &&std::sync::Arc<raw_ops_e2e::receiver::Received>| {
            request.path == URGENT && request.mentions(TITLE)
        };
        let told = self.0.requests().iter().filter(about_it).count();
        checks.count(
            "#ops-urgent was told twice in all: it happened, it is over",
            2,
            i64::try_from(told)?,
        );
        // It is recorded a moment after it has arrived.
        let sent = "SELECT count(*) FROM raw_ops.http_requests
                     WHERE state = 'succeeded' AND destination = 'slack_url_ops_urgent'";
        let recorded = wait_until(LIMIT, "both to be recorded", async || {
            client
                .query_one(sent, &[])
                .await
                .is_ok_and(|row| row.get::<_, i64>(0) == 2)
        })
        .await;
        let found = recorded.map_or_else(|error| error.to_string(), |()| "2".to_owned());
        checks.equal("and the outbox has a row for each", &"2", &found.as_str());
        Ok(())
    }

    /// The text of the first message to #ops-urgent whose title is this.
    async fn arrives(&self, title: &str) -> Result<String> {
        let is_it = |request: &raw_ops_e2e::receiver::Received| {
            let json = request.json().unwrap_or_default();
            let headline = json["text"]
                .as_str()
                .and_then(|text| text.lines().next())
                .unwrap_or_default();
            request.path == URGENT && headline.split_once(' ').is_some_and(|(_, rest)| rest == title)
        };
        let request = self.0.wait_for(LIMIT, title, is_it).await?;
        let text = request.json()?["text"]
            .as_str()
            .context("a message without text")?
            .to_owned();
        Ok(text
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&"))
    }
}
