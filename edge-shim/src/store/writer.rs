//! Grouping: each writer takes what waits and stores it in one call. Under low load that is one webhook at once; under high load the
//! groups grow by themselves, because more waits while a commit is under way. While one call is under way another one begins only for a
//! group that is worth a commit, or after a moment: many small commits would cost the database more than they gain.
//!
//! Large webhooks have a queue and a writer to themselves, which stores them one by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::readiness::Readiness;
use super::{Class, Condition, Inbox, PutError, Receipt, StoreError, Webhook};
use crate::metrics::Metrics;

/// A group is not grown further once its bodies exceed this many bytes.
const GROUP_BYTES: usize = 2 << 20;

/// While another call is under way, a group of this many webhooks is worth a call of its own …
const GROUP_WORTH_A_CALL: usize = 32;
/// … and a smaller one waits this long for company.
const LINGER: Duration = Duration::from_millis(2);

/// How the store works.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Calls made at the same time, besides one for a large webhook.
    pub writers: usize,
    /// Webhooks in one call.
    pub max_batch: usize,
    /// Webhooks that may wait.
    pub queue: usize,
    /// How long a webhook may take from entering the queue to its receipt.
    pub wait: Duration,
}

/// The handle that stores webhooks. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    queue: mpsc::Sender<Job>,
    large: mpsc::Sender<Job>,
    wait: Duration,
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
}

/// Ends the writers in good order.
pub struct Drain {
    stop: watch::Sender<bool>,
    writers: JoinSet<()>,
}

struct Job {
    webhook: Webhook,
    answer: oneshot::Sender<Result<Receipt, StoreError>>,
}

impl Store {
    /// Starts the writers. Must be called inside a tokio runtime.
    pub fn start(inbox: Arc<dyn Inbox>, limits: Limits, metrics: Arc<Metrics>) -> (Self, Drain) {
        let (queue, waiting) = mpsc::channel(limits.queue.max(1));
        let (large, large_waiting) = mpsc::channel(limits.queue.max(1));
        let (stop, stopping) = watch::channel(false);
        let writer = |waiting, max_batch| Writer {
            waiting: Arc::new(Mutex::new(waiting)),
            calls: Arc::default(),
            stopping: stopping.clone(),
            inbox: Arc::clone(&inbox),
            metrics: Arc::clone(&metrics),
            max_batch,
            wait: limits.wait,
        };
        let mut writers = JoinSet::new();
        writers.spawn(writer(large_waiting, 1).run());
        let first = writer(waiting, limits.max_batch.max(1));
        for _ in 1..limits.writers {
            writers.spawn(first.clone().run());
        }
        writers.spawn(first.run());
        (
            Self {
                queue,
                large,
                wait: limits.wait,
                readiness: Readiness::new(inbox, Arc::clone(&metrics)),
                metrics,
            },
            Drain { stop, writers },
        )
    }

    /// Stores one webhook. `Ok` means committed.
    pub async fn put(&self, webhook: Webhook) -> Result<Receipt, PutError> {
        let (answer, receipt) = oneshot::channel();
        // Counted before it is sent: a writer may take it at once, and the gauge must not fall below zero.
        self.metrics.queue_depth.inc();
        let (queue, too_late) = if webhook.is_large() {
            (&self.large, PutError::LargeTimeout)
        } else {
            (&self.queue, PutError::Timeout)
        };
        if let Err(refused) = queue.try_send(Job { webhook, answer }) {
            self.metrics.queue_depth.dec();
            return Err(match refused {
                TrySendError::Full(_) => PutError::Full,
                TrySendError::Closed(_) => PutError::Stopping,
            });
        }
        match timeout(self.wait, receipt).await {
            Err(_) => Err(too_late),
            Ok(Err(_)) => Err(PutError::Stopping),
            Ok(Ok(outcome)) => outcome.map_err(PutError::Failed),
        }
    }

    /// Finds out whether a webhook could be stored now.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.readiness.ask().await
    }
}

impl Drain {
    /// Takes no more webhooks, stores those that wait, ends. False if that took longer than `limit`.
    pub async fn finish(mut self, limit: Duration) -> bool {
        // No receiver left means that every writer has ended already.
        let _ = self.stop.send(true);
        timeout(limit, async { while self.writers.join_next().await.is_some() {} })
            .await
            .is_ok()
    }
}

/// Webhooks that will be stored in one call.
struct Group {
    jobs: Vec<Job>,
    bytes: usize,
}

impl Group {
    fn push(&mut self, job: Job) {
        self.bytes += job.webhook.body.len();
        self.jobs.push(job);
    }
}

/// The calls under way, over all writers.
#[derive(Default)]
struct Calls {
    count: AtomicUsize,
    ended: Notify,
}

impl Calls {
    fn begin(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    fn end(&self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
        // Kept for later if nobody listens now: at worst a writer looks at the count once in vain.
        self.ended.notify_one();
    }

    fn any(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }
}

#[derive(Clone)]
struct Writer {
    waiting: Arc<Mutex<mpsc::Receiver<Job>>>,
    calls: Arc<Calls>,
    stopping: watch::Receiver<bool>,
    inbox: Arc<dyn Inbox>,
    metrics: Arc<Metrics>,
    max_batch: usize,
    wait: Duration,
}

impl Writer {
    async fn run(mut self) {
        while let Some(group) = self.next_group().await {
            // Whoever waited for these has been answered 503 already and will see them sent again.
            let (webhooks, answers): (Vec<_>, Vec<_>) = group
                .into_iter()
                .filter(|job| !job.answer.is_closed())
                .map(|job| (job.webhook, job.answer))
                .unzip();
            if !webhooks.is_empty() {
                self.calls.begin();
                self.store(&webhooks, answers).await;
                self.calls.end();
            }
        }
    }

    /// Waits for one webhook, then takes what else waits. None once the queue is closed and empty.
    async fn next_group(&mut self) -> Option<Vec<Job>> {
        let mut waiting = self.waiting.lock().await;
        let first = tokio::select! {
            biased;
            job = waiting.recv() => job,
            () = told_to_stop(&mut self.stopping) => {
                waiting.close();
                waiting.recv().await
            }
        }?;
        let mut group = Group {
            bytes: first.webhook.body.len(),
            jobs: vec![first],
        };
        // Out of time is one way to end it: the group then goes as it is.
        let _ = timeout(LINGER, self.gather_company(&mut waiting, &mut group)).await;
        while group.jobs.len() < self.max_batch && group.bytes < GROUP_BYTES {
            let Ok(job) = waiting.try_recv() else {
                break;
            };
            group.push(job);
        }
        let taken = i64::try_from(group.jobs.len()).unwrap_or(i64::MAX);
        self.metrics.queue_depth.sub(taken);
        Some(group.jobs)
    }

    /// Ends when the group is worth a call, or no other call is under way.
    async fn gather_company(&self, waiting: &mut mpsc::Receiver<Job>, group: &mut Group) {
        let worthy = self.max_batch.min(GROUP_WORTH_A_CALL);
        while group.jobs.len() < worthy && group.bytes < GROUP_BYTES && self.calls.any() {
            let job = tokio::select! {
                biased;
                job = waiting.recv() => job,
                () = self.calls.ended.notified() => continue,
            };
            match job {
                Some(job) => group.push(job),
                None => return,
            }
        }
    }

    async fn store(&self, webhooks: &[Webhook], answers: Vec<oneshot::Sender<Result<Receipt, StoreError>>>) {
        let begun = Instant::now();
        match self.call(webhooks).await {
            Ok(receipts) => {
                for (answer, receipt) in answers.into_iter().zip(receipts) {
                    answer_waiting(answer, Ok(receipt));
                }
            }
            // What has waited for a lock until the time was up would only wait for it again.
            Err(error)
                if webhooks.len() > 1
                    && (error.class() == Class::Rejected
                        || error.class() == Class::Contended && begun.elapsed() < self.wait / 2) =>
            {
                self.store_singly(webhooks, answers).await;
            }
            Err(error) => {
                for answer in answers {
                    answer_waiting(answer, Err(error.clone()));
                }
            }
        }
    }

    /// One bad webhook must cost only itself. Once the database turns out to be out of reach, the rest is not tried.
    async fn store_singly(
        &self,
        webhooks: &[Webhook],
        answers: Vec<oneshot::Sender<Result<Receipt, StoreError>>>,
    ) {
        let mut out_of_reach: Option<StoreError> = None;
        for (webhook, answer) in webhooks.iter().zip(answers) {
            if answer.is_closed() {
                continue;
            }
            let outcome = match &out_of_reach {
                Some(error) => Err(error.clone()),
                None => self.call(std::slice::from_ref(webhook)).await.and_then(only_one),
            };
            if let Err(error) = &outcome
                && error.class() == Class::Unavailable
            {
                out_of_reach = Some(error.clone());
            }
            answer_waiting(answer, outcome);
        }
    }

    async fn call(&self, webhooks: &[Webhook]) -> Result<Vec<Receipt>, StoreError> {
        let timer = self.metrics.store_duration.start_timer();
        let outcome = self
            .inbox
            .receive(webhooks)
            .await
            .and_then(|receipts| complete(webhooks, receipts));
        timer.observe_duration();
        self.metrics.batch_size.observe(webhooks.len() as f64);
        match &outcome {
            Ok(receipts) => {
                self.metrics.database(None);
                for (webhook, receipt) in webhooks.iter().zip(receipts) {
                    self.metrics.stored(webhook.provider, receipt.duplicate);
                }
            }
            Err(error) => {
                if error.class() == Class::Unavailable {
                    self.metrics.database(Some(error.condition));
                }
                self.metrics
                    .store_errors
                    .with_label_values(&[error.class().label()])
                    .inc();
            }
        }
        outcome
    }
}

/// A dropped sender counts as an order to stop, too.
async fn told_to_stop(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// A receipt for each webhook, or no promise for any.
fn complete(webhooks: &[Webhook], receipts: Vec<Receipt>) -> Result<Vec<Receipt>, StoreError> {
    if receipts.len() == webhooks.len() {
        return Ok(receipts);
    }
    let message = format!(
        "{} receipts came back for {} webhooks",
        receipts.len(),
        webhooks.len()
    );
    Err(StoreError::new(Condition::Refused, message))
}

fn only_one(receipts: Vec<Receipt>) -> Result<Receipt, StoreError> {
    receipts
        .into_iter()
        .next()
        .ok_or_else(|| StoreError::new(Condition::Refused, "no receipt came back"))
}

/// A client that went away is not there to be told; its webhook is stored all the same.
fn answer_waiting(
    answer: oneshot::Sender<Result<Receipt, StoreError>>,
    outcome: Result<Receipt, StoreError>,
) {
    let _ = answer.send(outcome);
}
