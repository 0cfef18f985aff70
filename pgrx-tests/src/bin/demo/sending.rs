//! Sends the plan to the shim: a cancellation too early, a wave over many connections, and the rest in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use raw_ops_e2e::shopify::{Outcome, Sender};
use raw_ops_e2e::wait_for;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::checks::Checks;
use crate::plan::{Fate, Kind, Plan, Webhook};
use crate::screen::{Screen, grouped, milliseconds};
use raw_ops_e2e::table::Table;

/// Connections of the wave.
const CONNECTIONS: usize = 32;
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LIMIT: Duration = Duration::from_secs(30);

/// A webhook's kind and fate, and its answer.
pub struct Answer {
    kind: Kind,
    fate: Fate,
    outcome: Outcome,
}

impl Answer {
    fn new(webhook: &Webhook, outcome: Outcome) -> Self {
        Self {
            kind: webhook.kind,
            fate: webhook.fate,
            outcome,
        }
    }

    /// Does the answer say that this delivery was known?
    fn is_duplicate(&self) -> bool {
        let answer: Option<serde_json::Value> = serde_json::from_str(&self.outcome.body).ok();
        answer.is_some_and(|answer| answer["duplicate"] == true)
    }
}

/// All answers, and the time that the wave took.
pub struct Sent {
    answers: Vec<Answer>,
    wave: usize,
    took: Duration,
}

/// Sends everything; returns when it is answered and what was stored is processed.
pub async fn send(screen: &Screen, sender: &Sender, client: &Client, plan: &Plan) -> Result<Sent> {
    let early = sender.send(&plan.early.delivery).await;
    if !early.accepted() {
        bail!(
            "the first webhook was not taken: {:?} {}",
            early.status,
            early.body
        );
    }
    let tried = "SELECT count(*) FROM raw_ops.webhook_inbox WHERE attempts >= 1";
    wait_for(
        LIMIT,
        "the first attempt at the first webhook",
        async || match number(client, tried).await {
            Ok(0) => None,
            tried => Some(tried),
        },
    )
    .await??;
    let started = Instant::now();
    let mut answers = send_wave(screen, sender, client, &plan.wave).await?;
    let took = started.elapsed();
    let wave = answers.len();
    drain(screen, client).await?;
    for webhook in &plan.afterwards {
        answers.push(Answer::new(webhook, sender.send(&webhook.delivery).await));
    }
    drain(screen, client).await?;
    answers.push(Answer::new(&plan.early, early));
    Ok(Sent { answers, wave, took })
}

async fn send_wave(
    screen: &Screen,
    sender: &Sender,
    client: &Client,
    wave: &[Webhook],
) -> Result<Vec<Answer>> {
    let webhooks: Arc<[Webhook]> = wave.into();
    let [next, done] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let mut lanes = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (sender, webhooks) = (sender.clone(), Arc::clone(&webhooks));
        let (next, done) = (Arc::clone(&next), Arc::clone(&done));
        lanes.spawn(async move {
            let mut answers = Vec::new();
            while let Some(webhook) = webhooks.get(next.fetch_add(1, Ordering::Relaxed)) {
                answers.push(Answer::new(webhook, sender.send(&webhook.delivery).await));
                done.fetch_add(1, Ordering::Relaxed);
            }
            answers
        });
    }
    let (mut answers, mut progress) = (Vec::new(), screen.progress());
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            lane = lanes.join_next() => match lane {
                Some(lane) => answers.extend(lane?),
                None => break,
            },
            _ = looks.tick() => {
                let (done, total) = (done.load(Ordering::Relaxed), wave.len());
                let orders = number(client, "SELECT count(*) FROM raw_ops.orders").await?;
                let text = format!("{:>5} of {} sent, {:>5} orders in the database",
                    grouped(done), grouped(total), grouped(orders));
                progress.show(done, total, &text);
            }
        }
    }
    let all = grouped(wave.len());
    progress.show(wave.len(), wave.len(), &format!("{all} of {all} sent"));
    Ok(answers)
}

/// Waits until nothing in the inbox is pending.
async fn drain(screen: &Screen, client: &Client) -> Result<()> {
    let pending = "SELECT count(*) FROM raw_ops.webhook_inbox WHERE processing_status = 'pending'";
    let (mut progress, started, mut most) = (screen.progress(), Instant::now(), 1);
    wait_for(LIMIT, "the inbox to be drained", async || {
        let left = match number(client, pending).await {
            Ok(0) => return Some(Ok(())),
            Ok(left) => usize::try_from(left).unwrap_or(usize::MAX),
            // A server that is gone does not come back here.
            Err(error) => return Some(Err(error)),
        };
        most = most.max(left);
        // A wait that nobody notices needs no words.
        if started.elapsed() > LOOK_EVERY {
            let text = format!("all sent; {} still in the inbox", grouped(left));
            progress.show(most - left, most, &text);
        }
        None
    })
    .await?
}

/// One number from the database.
pub async fn number(client: &Client, query: &str) -> Result<i64> {
    Ok(client.query_one(query, &[]).await?.get(0))
}

impl Sent {
    /// The table, and how fast it was.
    pub fn show(&self, screen: &Screen) {
        let mut table = Table::new(&["what", ">sent", ">stored", ">known already", ">refused"]);
        let rows: [(&str, Kind, Kind); 6] = [
            ("generated orders, some sent twice", Kind::Generated, Kind::Again),
            ("real payloads of Shopify", Kind::Real, Kind::Real),
            ("changes, the newer one first", Kind::Change, Kind::Change),
            ("a cancellation before its order", Kind::Early, Kind::Early),
            ("bodies that are no order", Kind::Malformed, Kind::Malformed),
            (
                "forged, altered or without signature",
                Kind::Unsigned,
                Kind::Unsigned,
            ),
        ];
        for (label, one, other) in rows {
            table.row(self.row(label, |answer| answer.kind == one || answer.kind == other));
        }
        table.rule();
        table.row(self.row("all", |_| true));
        screen.table(&table);
        let mut latencies: Vec<f64> = self.answers[..self.wave]
            .iter()
            .map(|answer| answer.outcome.latency.as_secs_f64() * 1000.0)
            .collect();
        latencies.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            milliseconds(latencies[(latencies.len() * percent / 100).min(latencies.len() - 1)])
        };
        screen.say(&format!(
            "{} of them at once over {CONNECTIONS} connections: {:.2} s, {} a second; answer p50 {}, p95 {}.",
            grouped(self.wave),
            self.took.as_secs_f64(),
            grouped(format_args!("{:.0}", self.wave as f64 / self.took.as_secs_f64())),
            at(50),
            at(95),
        ));
        screen.say("Stored means: committed and flushed to disk before the shim said 200.");
    }

    fn row(&self, label: &str, which: impl Fn(&Answer) -> bool) -> [String; 5] {
        let of: Vec<&Answer> = self.answers.iter().filter(|answer| which(answer)).collect();
        let count = |test: &dyn Fn(&Answer) -> bool| {
            let count = of.iter().filter(|answer| test(answer)).count();
            if count == 0 {
                "-".to_owned()
            } else {
                grouped(count)
            }
        };
        [
            label.to_owned(),
            count(&|_| true),
            count(&|answer| answer.outcome.accepted() && !answer.is_duplicate()),
            count(&Answer::is_duplicate),
            count(&|answer| !answer.outcome.accepted()),
        ]
    }

    /// How many answers said that the delivery was known.
    pub fn duplicates(&self) -> usize {
        self.answers.iter().filter(|answer| answer.is_duplicate()).count()
    }

    /// Was each answered as it must be?
    pub fn check(&self, checks: &mut Checks) {
        let mut answered = |what: &str, refused: bool, status: u16| {
            let of = self
                .answers
                .iter()
                .filter(|answer| (answer.fate == Fate::Refused) == refused);
            let all = of.clone().count();
            let strange = of.clone().find(|answer| answer.outcome.status != Some(status));
            let right = of.filter(|answer| answer.outcome.status == Some(status)).count();
            let found = match strange {
                None => grouped(all),
                Some(Answer { kind, outcome, .. }) => format!(
                    "{right} of {all}; one of kind {kind:?} got {:?}: {}",
                    outcome.status, outcome.body
                ),
            };
            checks.holds(what, strange.is_none(), &format!("{all} times {status}"), &found);
        };
        answered(
            "every signed webhook was answered with 200, whatever its body",
            false,
            200,
        );
        answered(
            "every forged, altered or unsigned one was answered with 401",
            true,
            401,
        );
    }
}
