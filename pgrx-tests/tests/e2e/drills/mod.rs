//! The operator's night. Each drill makes an incident on a stack of its own, reads what health, the page and Slack say, pastes
//! into psql what health prints, in the order given, and looks whether it is mended and nothing is lost.
//!
//! What begins with `--` is for a person: the drill does the act that it names.

mod inbox;
pub mod incidents;
mod locks;
mod others;
mod slack;

use crate::support::*;
use incidents::Incident;
use raw_ops_e2e::cluster::SUPERUSER;
use raw_ops_e2e::stack::OWNER_ROLE;
use raw_ops_e2e::{Received, Receiver, Stack, StackOptions, wait_for, wait_until};
use serde_json::Value;
use tokio_postgres::Client;

/// A stack, Slack, and an incident.
struct Drill {
    incident: &'static Incident,
    stack: Stack,
    /// What stands in for Slack.
    world: Receiver,
    pasted: Vec<String>,
}

/// What health says of an incident.
#[derive(Debug)]
struct Named {
    faults: Vec<Value>,
}

impl Named {
    /// What is wrong, all faults of the name in one text.
    fn problem(&self) -> String {
        let problems = self.faults.iter().map(|fault| fault["problem"].as_str().unwrap());
        problems.collect::<Vec<_>>().join("\n")
    }

    /// What is to be pasted, in order.
    fn next(&self) -> Vec<&str> {
        let steps = self
            .faults
            .iter()
            .flat_map(|fault| fault["next"].as_array().unwrap());
        steps.map(|step| step.as_str().unwrap()).collect()
    }
}

impl Drill {
    /// A whole stack: one worker, the sender, the jobs scheduled, Slack within reach; the monitors run when the drill says so.
    async fn begin(number: u8, options: StackOptions) -> Self {
        Self::begin_in(number, Receiver::start().unwrap(), options).await
    }

    /// The same, with a receiver that the options name already.
    async fn begin_in(number: u8, world: Receiver, options: StackOptions) -> Self {
        let incident = incidents::of(number);
        let stack = Stack::start(options).await.unwrap();
        stack.post_alerts_to(&world).await.unwrap();
        let drill = Self {
            incident,
            stack,
            world,
            pasted: Vec::new(),
        };
        wait_until(LIMIT, "the stack to be well", async || {
            let health = drill.health().await;
            faults_of(&health, drill.incident.what).is_empty()
        })
        .await
        .unwrap();
        drill
    }

    /// As the owner of the tables.
    async fn owner(&self) -> Client {
        self.stack.connect().await.unwrap()
    }

    async fn health(&self) -> Value {
        one(&self.owner().await, "SELECT raw_ops.fn_health_v1()").await
    }

    /// Waits until health names the incident, and looks whether the page tells the same.
    async fn named(&self) -> Named {
        let what = self.incident.what;
        // Of one moment: how long something has lasted stands in both.
        let both = "SELECT jsonb_build_object('health', raw_ops.fn_health_v1(), 'page', raw_ops.fn_dashboard_html_v1())";
        let (mut last, mut page) = (Value::Null, Value::Null);
        let faults = wait_for(LIMIT, &format!("health to name {what}"), async || {
            let mut seen: Value = one(&self.owner().await, both).await;
            (last, page) = (seen["health"].take(), seen["page"].take());
            Some(faults_of(&last, what)).filter(|faults| !faults.is_empty())
        })
        .await
        .unwrap_or_else(|error| panic!("{error:?}: {last:#}"));
        assert_ne!(last["status"], "ok", "{last:#}");
        let page = text_of(page.as_str().unwrap());
        for fault in &faults {
            let problem = fault["problem"].as_str().unwrap();
            assert!(
                page.contains(&folded(problem)),
                "the page does not say: {problem}"
            );
            for step in fault["next"].as_array().unwrap() {
                let step = step.as_str().unwrap();
                assert!(page.contains(&folded(step)), "the page does not print: {step}");
            }
        }
        Named { faults }
    }

    /// Pastes what health printed, in the order given. What is to be run as a superuser is, from where health says so; other
    /// comments are handed to `act`, which does what a person would.
    async fn paste(&mut self, named: &Named, mut act: impl AsyncFnMut(&Stack, &str)) -> Vec<String> {
        let mut role = OWNER_ROLE;
        let mut printed = Vec::new();
        for step in named.next() {
            if step.starts_with("--") {
                match step.starts_with("-- As ") && step.contains("superuser") {
                    true => role = SUPERUSER,
                    false => act(&self.stack, step).await,
                }
                continue;
            }
            self.assert_is_one_statement(role, step).await;
            self.pasted.push(step.to_owned());
            let output = self.stack.cluster.psql_as(&self.stack.db, role, step).await;
            printed.push(output.unwrap_or_else(|error| panic!("{step}\n{error:?}")));
        }
        printed
    }

    /// A string of several statements cannot be prepared.
    async fn assert_is_one_statement(&self, role: &str, step: &str) {
        let client = self.stack.connect_as(role).await.unwrap();
        if let Err(error) = client.prepare(step).await {
            panic!("{error:?}\nin: {step}");
        }
    }

    /// Waits until health does not name the incident any more; prints how many statements that took.
    async fn mended(&self) {
        let what = self.incident.what;
        let mut last = Value::Null;
        wait_until(LIMIT, &format!("{what} to be mended"), async || {
            last = self.health().await;
            faults_of(&last, what).is_empty()
        })
        .await
        .unwrap_or_else(|error| panic!("{error:?}: {last:#}"));
        incidents::report(self.incident.number, &self.pasted);
    }

    /// Runs a monitor now and waits until Slack has a message with this title; returns its text.
    async fn alarmed(&self, check: &str, title: &str) -> String {
        run(
            &self.owner().await,
            &format!("SELECT raw_ops.fn_invoke_monitor('{check}')"),
        )
        .await;
        self.posted(title).await
    }

    /// Waits until Slack has a message with this in its text.
    async fn posted(&self, title: &str) -> String {
        let said = |request: &std::sync::Arc<Received>| {
            let body: Value = serde_json::from_slice(&request.body).ok()?;
            let text = body["text"].as_str()?.to_owned();
            text.contains(title).then_some(text)
        };
        wait_for(LIMIT, &format!("Slack to hear of: {title}"), async || {
            self.world.requests().iter().rev().find_map(said)
        })
        .await
        .unwrap()
    }
}

/// The faults of this name that are more than notes.
fn faults_of(health: &Value, what: &str) -> Vec<Value> {
    let faults = health["faults"]
        .as_array()
        .unwrap_or_else(|| panic!("{health:#}"));
    let ours = faults
        .iter()
        .filter(|fault| fault["what"] == what && fault["severity"] != "info");
    ours.cloned().collect()
}

/// Nobody acts on a comment.
async fn nobody(_: &Stack, _: &str) {}

/// What a reader of the page sees, blanks aside.
fn text_of(page: &str) -> String {
    let without_tags = page
        .split('<')
        .map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    folded(&unescaped(&without_tags.collect::<String>()))
}

fn unescaped(text: &str) -> String {
    let mut parts = text.split("&#x");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_once(';').unwrap_or(("", part));
        plain.extend(u32::from_str_radix(code, 16).ok().and_then(char::from_u32));
        plain.push_str(rest);
    }
    plain
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<String>().to_lowercase()
}
