//! A bounded number of places, shared out among clients: connections, and webhook requests.
//!
//! As long as places are free anybody gets one. Once all are taken a newcomer gets the place of somebody who only waits, so that no
//! client can keep all others out by holding places: first of a client that holds more than its share, else of whoever has waited
//! longest. Nobody who is being served loses a place.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Who holds a place: an IPv4 address, or the /64 network of an IPv6 address, which is what one client is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client(IpAddr);

impl Client {
    /// The client behind an address.
    pub fn of(address: IpAddr) -> Self {
        const NETWORK: u128 = !0 << 64;
        match address.to_canonical() {
            IpAddr::V6(address) => Self(Ipv6Addr::from_bits(address.to_bits() & NETWORK).into()),
            address @ IpAddr::V4(_) => Self(address),
        }
    }
}

/// The places of one kind.
#[derive(Debug)]
pub struct Places {
    limit: usize,
    share: usize,
    patience: Duration,
    epoch: Instant,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    seats: HashMap<u64, Seated>,
    by_client: HashMap<Client, usize>,
}

#[derive(Debug)]
struct Seated {
    seat: Arc<Seat>,
    client: Option<Client>,
}

/// What a place knows of its holder.
#[derive(Debug)]
struct Seat {
    /// Milliseconds after the epoch.
    waiting_since: AtomicU64,
    served: AtomicBool,
    weight: AtomicUsize,
    lost: AtomicBool,
    called: Notify,
}

/// A place that is taken. Dropping it frees it.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    id: u64,
    seat: Arc<Seat>,
}

impl Places {
    /// So many places, of which one client may hold so many once all are taken. Without such a client a newcomer displaces only
    /// whoever has waited for `patience`.
    pub fn new(limit: usize, share: usize, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            limit: limit.max(1),
            share: share.max(1),
            patience,
            epoch: Instant::now(),
            taken: Mutex::default(),
        })
    }

    /// A place for `client`; `None` stands for someone who has no share of his own. No place is given while all are taken by
    /// clients that are being served, or that have as good a right to theirs.
    pub fn take(self: &Arc<Self>, client: Option<Client>) -> Option<Place> {
        let now = self.now();
        let mut taken = self.taken();
        if taken.seats.len() >= self.limit {
            let loser = self.loser(&taken, client, now)?;
            taken.remove(loser)?.lose();
        }
        let seat = Arc::new(Seat {
            waiting_since: AtomicU64::new(now),
            served: AtomicBool::new(false),
            weight: AtomicUsize::new(0),
            lost: AtomicBool::new(false),
            called: Notify::new(),
        });
        let id = taken.insert(Arc::clone(&seat), client);
        Some(Place {
            places: Arc::clone(self),
            id,
            seat,
        })
    }

    /// Takes the place of whoever has waited longest. False if nobody waits.
    pub fn displace_longest_waiting(&self) -> bool {
        let mut taken = self.taken();
        let loser = longest_waiting(taken.waiting());
        loser
            .and_then(|id| taken.remove(id))
            .map(|seat| seat.lose())
            .is_some()
    }

    /// How many places are taken.
    pub fn count(&self) -> usize {
        self.taken().seats.len()
    }

    fn loser(&self, taken: &Taken, newcomer: Option<Client>, now: u64) -> Option<u64> {
        let holds = |client: Option<Client>| {
            let held = client.and_then(|client| taken.by_client.get(&client));
            held.copied().unwrap_or_default()
        };
        let patient = |seated: &Seated| {
            let since = seated.seat.waiting_since.load(Ordering::Relaxed);
            u128::from(now.saturating_sub(since)) >= self.patience.as_millis()
        };
        let own = holds(newcomer);
        let greedier = taken
            .waiting()
            .filter(|(_, seated)| holds(seated.client) > own.max(self.share));
        longest_waiting(greedier).or_else(|| {
            let patient = taken.waiting().filter(|(_, seated)| patient(seated));
            // Who has had his share makes room himself.
            longest_waiting(patient.filter(|(_, seated)| own < self.share || seated.client == newcomer))
        })
    }

    /// Takes the heaviest place of the client that weighs most, if that client weighs more than the holder of place `id`.
    fn displace_heaviest(&self, id: u64) -> bool {
        let mut taken = self.taken();
        let Some(own) = taken.seats.get(&id).map(|seated| seated.client) else {
            return false;
        };
        let mut weights: HashMap<Option<Client>, (usize, usize, u64)> = HashMap::new();
        for (other, seated) in taken.waiting() {
            let weight = seated.seat.weight.load(Ordering::Relaxed);
            let (sum, most, heaviest) = weights.entry(seated.client).or_default();
            *sum += weight;
            if weight > *most {
                (*most, *heaviest) = (weight, other);
            }
        }
        let own = weights.get(&own).map_or(0, |(sum, _, _)| *sum);
        let most = weights.values().max_by_key(|(sum, _, _)| *sum).copied();
        let Some((_, _, loser)) = most.filter(|(sum, most, _)| *sum > own && *most > 0) else {
            return false;
        };
        taken.remove(loser).map(|seat| seat.lose()).is_some()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Nothing in here panics half-way, so a poisoned lock holds what it should.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn insert(&mut self, seat: Arc<Seat>, client: Option<Client>) -> u64 {
        let id = self.next;
        self.next += 1;
        self.seats.insert(id, Seated { seat, client });
        self.count(client, 1);
        id
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Seat>> {
        let Seated { seat, client } = self.seats.remove(&id)?;
        self.count(client, -1);
        Some(seat)
    }

    fn count(&mut self, client: Option<Client>, more: isize) {
        let Some(client) = client else {
            return;
        };
        let count = self.by_client.entry(client).or_default();
        *count = count.saturating_add_signed(more);
        if *count == 0 {
            self.by_client.remove(&client);
        }
    }

    fn waiting(&self) -> impl Iterator<Item = (u64, &Seated)> {
        let all = self.seats.iter().map(|(id, seated)| (*id, seated));
        all.filter(|(_, seated)| !seated.seat.served.load(Ordering::Relaxed))
    }
}

fn longest_waiting<'a>(seats: impl Iterator<Item = (u64, &'a Seated)>) -> Option<u64> {
    // Of several since the same millisecond the first comer.
    seats
        .min_by_key(|(id, seated)| (seated.seat.waiting_since.load(Ordering::Relaxed), *id))
        .map(|(id, _)| id)
}

impl Seat {
    fn lose(&self) {
        self.lost.store(true, Ordering::Release);
        self.called.notify_waiters();
    }
}

impl Place {
    /// From now on the holder is being served: nobody takes the place.
    pub fn serve(&self) {
        self.seat.served.store(true, Ordering::Relaxed);
    }

    /// From now on the holder waits.
    pub fn wait(&self) {
        self.seat
            .waiting_since
            .store(self.places.now(), Ordering::Relaxed);
        self.seat.served.store(false, Ordering::Relaxed);
    }

    /// The holder weighs this much more.
    pub fn weigh(&self, more: usize) {
        self.seat.weight.fetch_add(more, Ordering::Relaxed);
    }

    /// Makes a heavier client give up a place. False if there is none.
    pub fn displace_heavier(&self) -> bool {
        self.places.displace_heaviest(self.id)
    }

    /// The place counts for this client from now on.
    pub fn counts_for(&self, client: Option<Client>) {
        let mut taken = self.places.taken();
        let Some(seated) = taken.seats.get_mut(&self.id) else {
            return;
        };
        let before = std::mem::replace(&mut seated.client, client);
        if before != client {
            taken.count(before, -1);
            taken.count(client, 1);
        }
    }

    /// Ends when somebody else has got the place.
    pub async fn lost(&self) {
        loop {
            // Listening begins before the look, so that no call is missed.
            let called = self.seat.called.notified();
            if self.seat.lost.load(Ordering::Acquire) {
                return;
            }
            called.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.places.taken().remove(self.id));
    }
}
