//! A load: Shopify sending orders from several lanes, each until it is accepted.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use raw_ops_e2e::orders::{Generator, Order};
use raw_ops_e2e::shopify::Sender;
use raw_ops_e2e::{Cluster, Stack, wait_until};
use tokio::task::JoinSet;

use super::{LIMIT, assert_tables_hold, column, in_states, states};

/// Shopify sending orders without a pause, each until it is accepted.
pub struct Load {
    orders: Generator,
    stop: Arc<AtomicBool>,
    accepted: Arc<Mutex<Vec<u64>>>,
    lanes: JoinSet<()>,
}

/// What a finished load knows.
pub struct Sent {
    orders: Generator,
    /// Numbers of the orders that were answered with 200.
    pub accepted: Vec<u64>,
}

impl Load {
    /// Starts six lanes.
    pub fn start(sender: &Sender) -> Self {
        let (stop, accepted) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let next = Arc::new(AtomicU64::new(0));
        let orders = Generator::new(8).customers(50);
        let mut lanes = JoinSet::new();
        for _ in 0..6 {
            lanes.spawn(lane(
                sender.clone(),
                orders.clone(),
                Arc::clone(&next),
                Arc::clone(&stop),
                Arc::clone(&accepted),
            ));
        }
        Self {
            orders,
            stop,
            accepted,
            lanes,
        }
    }

    /// Waits until so many more than now have been accepted.
    pub async fn wait_for_more(&self, more: usize) {
        let wanted = self.count() + more;
        wait_until(LIMIT, &format!("{wanted} webhooks to be accepted"), async || {
            self.count() >= wanted
        })
        .await
        .unwrap();
    }

    /// How many have been accepted.
    pub fn count(&self) -> usize {
        self.accepted.lock().unwrap().len()
    }

    /// Ends once each lane has its answer.
    pub async fn finish(self) -> Sent {
        self.stop.store(true, Ordering::Relaxed);
        self.lanes.join_all().await;
        let accepted = std::mem::take(&mut *self.accepted.lock().unwrap());
        Sent {
            orders: self.orders,
            accepted,
        }
    }
}

async fn lane(
    sender: Sender,
    orders: Generator,
    next: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    accepted: Arc<Mutex<Vec<u64>>>,
) {
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let delivery = orders
            .order(number)
            .delivery("orders/create")
            .webhook_id(&format!("load-{number}"));
        while !sender.send(&delivery).await.accepted() {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            // A sender's manners, nothing is waited for.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        accepted.lock().unwrap().push(number);
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

impl Sent {
    /// Asserts that nothing accepted is missing, nothing is there twice, and every webhook became its order.
    pub async fn assert_ingested(&self, stack: &Stack) {
        stack.wait_drained(LIMIT).await.unwrap();
        let client = stack.connect().await.unwrap();
        let stored = self.assert_stored(&stack.cluster, &stack.db).await;
        assert_eq!(
            states(&client).await,
            in_states([("success", stored.len() as i64)])
        );
        let orders: Vec<Order> = stored.iter().map(|number| self.orders.order(*number)).collect();
        assert_tables_hold(&client, &orders).await;
    }

    /// Asserts that everything accepted is in the inbox; returns what is there.
    pub async fn assert_stored(&self, cluster: &Cluster, db: &str) -> BTreeSet<u64> {
        let client = cluster.connect(db).await.unwrap();
        let ids: Vec<String> = column(&client, "SELECT event_id FROM raw_ops.webhook_inbox").await;
        let numbers = ids.iter().filter_map(|id| id.strip_prefix("load-")?.parse().ok());
        let stored: BTreeSet<u64> = numbers.collect();
        assert_eq!(
            stored.len(),
            ids.len(),
            "a webhook that nobody sent, or one twice"
        );
        let lost: Vec<&u64> = self
            .accepted
            .iter()
            .filter(|number| !stored.contains(number))
            .collect();
        assert!(
            lost.is_empty(),
            "answered with 200 and lost: {lost:?} of {}",
            self.accepted.len()
        );
        stored
    }
}
