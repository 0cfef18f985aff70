//! Whether a webhook could be stored now. One probe at a time, whose answer is kept for a moment: whoever asks, and however often, the
//! database is asked no more than that.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::{Condition, Inbox, StoreError};
use crate::metrics::Metrics;

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(2);
/// How long a probe may take: below two seconds, the answer's way to whoever asks included.
const PROBE_TIME: Duration = Duration::from_millis(1800);

type Verdict = Result<(), StoreError>;

/// The last answer, or the probe that will give the next.
pub struct Readiness {
    inbox: Arc<dyn Inbox>,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: Option<(Instant, Verdict)>,
    running: Option<watch::Receiver<Option<Verdict>>>,
}

impl Readiness {
    /// Nothing is known yet.
    pub fn new(inbox: Arc<dyn Inbox>, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            inbox,
            metrics,
            state: Mutex::default(),
        })
    }

    /// The answer, within two seconds.
    pub async fn ask(self: &Arc<Self>) -> Verdict {
        let mut probe = {
            let mut state = self.state();
            if let Some((when, verdict)) = &state.last
                && when.elapsed() < KEPT
            {
                return verdict.clone();
            }
            match &state.running {
                Some(probe) => probe.clone(),
                None => state.running.insert(self.begin()).clone(),
            }
        };
        let answered = probe.wait_for(Option::is_some).await;
        let verdict = answered.ok().and_then(|verdict| verdict.clone());
        verdict.unwrap_or_else(|| {
            // The probe ended without a word: the next one starts afresh.
            self.state().running = None;
            Err(StoreError::new(Condition::Unreachable, "the probe broke off"))
        })
    }

    /// In a task of its own: it goes on when whoever asked goes away.
    fn begin(self: &Arc<Self>) -> watch::Receiver<Option<Verdict>> {
        let (answer, probe) = watch::channel(None);
        let readiness = Arc::clone(self);
        tokio::spawn(async move {
            let verdict = timeout(PROBE_TIME, readiness.inbox.probe())
                .await
                .unwrap_or_else(|_| {
                    let message = format!("no answer from the database in {} ms", PROBE_TIME.as_millis());
                    Err(StoreError::new(Condition::Unreachable, message))
                });
            let hindrance = verdict.as_ref().err().map(|error| error.condition);
            readiness.metrics.database(hindrance);
            let mut state = readiness.state();
            state.last = Some((Instant::now(), verdict.clone()));
            state.running = None;
            answer.send_replace(Some(verdict));
        });
        probe
    }

    /// Nothing in here panics half-way, so a poisoned lock holds what it should.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
