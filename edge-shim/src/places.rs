//! A bounded number of places, shared out among clients: connections, and webhook requests.
//!
//! While places are free any client gets one. Once all are taken, a new client gets the place of one that only waits, whichever
//! client that is and however short it has waited: so no client can keep others out by holding places, and neither can many
//! together. The place is taken from the client that holds most, if that is more than its share; else from the one that has sent
//! least for the time it has had. A client that is being served loses no place, and what is being served counts for no share.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// Bytes that every client is credited with when it begins: about what a sender may send before the receiver's first acknowledgement
/// (RFC 6928: ten segments, some of them headers). So a new client is not behind those that have sent little for long.
const CREDIT: u64 = 8 << 10;

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
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    seats: HashMap<u64, Seated>,
    /// How many places each client holds waiting.
    waiting: HashMap<Client, usize>,
}

#[derive(Debug)]
struct Seated {
    seat: Arc<Seat>,
    client: Option<Client>,
    /// None while the holder is being served.
    waiting_since: Option<Instant>,
}

/// What a place shares with its holder.
#[derive(Debug, Default)]
struct Seat {
    /// Bytes that the holder has sent.
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
    /// So many places, of which one client may hold so many waiting once all are taken.
    pub fn new(limit: usize, share: usize) -> Arc<Self> {
        Arc::new(Self {
            limit: limit.max(1),
            share: share.max(1),
            taken: Mutex::default(),
        })
    }

    /// A place for `client`; `None` is a client without a share of its own. No place is given while all are taken by
    /// clients that are being served.
    pub fn take(self: &Arc<Self>, client: Option<Client>) -> Option<Place> {
        let mut taken = self.taken();
        if taken.seats.len() >= self.limit {
            let loser = self.loser(&taken, client)?;
            taken.remove(loser)?.lose();
        }
        let seat = Arc::new(Seat::default());
        let id = taken.insert(Arc::clone(&seat), client);
        Some(Place {
            places: Arc::clone(self),
            id,
            seat,
        })
    }

    /// Takes the place of the client that is furthest behind. False if none waits.
    pub fn displace_furthest_behind(&self) -> bool {
        let mut taken = self.taken();
        let loser = furthest_behind(taken.seats_waiting());
        loser
            .and_then(|id| taken.remove(id))
            .map(|seat| seat.lose())
            .is_some()
    }

    /// How many places are taken.
    pub fn count(&self) -> usize {
        self.taken().seats.len()
    }

    fn loser(&self, taken: &Taken, newcomer: Option<Client>) -> Option<u64> {
        let of = |client: Client| {
            let seats = taken.seats_waiting();
            furthest_behind(seats.filter(move |(_, seated)| seated.client == Some(client)))
        };
        let own = newcomer.and_then(|client| taken.waiting.get(&client));
        let own = own.copied().unwrap_or_default();
        match taken.waiting.iter().max_by_key(|(_, held)| **held) {
            Some((greediest, held)) if *held > own.max(self.share) => of(*greediest),
            // A client that has its share already makes room itself.
            _ if own >= self.share => of(newcomer?),
            _ => furthest_behind(taken.seats_waiting()),
        }
    }

    /// Takes the heaviest place of the client that weighs most, if that client weighs more than the holder of place `id`.
    fn displace_heaviest(&self, id: u64) -> bool {
        let mut taken = self.taken();
        let Some(own) = taken.seats.get(&id).map(|seated| seated.client) else {
            return false;
        };
        let mut weights: HashMap<Option<Client>, (usize, usize, u64)> = HashMap::new();
        for (other, seated) in taken.seats_waiting() {
            let weight = seated.seat.weight.load(Ordering::Relaxed);
            let (sum, most, heaviest) = weights.entry(seated.client).or_default();
            *sum += weight;
            // Of several as heavy the first comer.
            if (weight, Reverse(other)) > (*most, Reverse(*heaviest)) {
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

    /// Nothing in here panics half-way, so a poisoned lock holds what it should.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn insert(&mut self, seat: Arc<Seat>, client: Option<Client>) -> u64 {
        let id = self.next;
        self.next += 1;
        let seated = Seated {
            seat,
            client,
            waiting_since: Some(Instant::now()),
        };
        self.seats.insert(id, seated);
        self.count(client, 1);
        id
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Seat>> {
        let seated = self.seats.remove(&id)?;
        if seated.waiting_since.is_some() {
            self.count(seated.client, -1);
        }
        Some(seated.seat)
    }

    /// Changes what is known of a place; nothing if its holder has lost it.
    fn change(&mut self, id: u64, change: impl FnOnce(&mut Seated)) {
        let Some(seated) = self.seats.get_mut(&id) else {
            return;
        };
        let counted = |seated: &Seated| seated.waiting_since.and(seated.client);
        let before = counted(seated);
        change(seated);
        let after = counted(seated);
        if before != after {
            self.count(before, -1);
            self.count(after, 1);
        }
    }

    fn count(&mut self, client: Option<Client>, more: isize) {
        let Some(client) = client else {
            return;
        };
        let count = self.waiting.entry(client).or_default();
        *count = count.saturating_add_signed(more);
        if *count == 0 {
            self.waiting.remove(&client);
        }
    }

    fn seats_waiting(&self) -> impl Iterator<Item = (u64, &Seated)> {
        let all = self.seats.iter().map(|(id, seated)| (*id, seated));
        all.filter(|(_, seated)| seated.waiting_since.is_some())
    }
}

/// The client that has had most time for each byte it has sent; of several the first.
fn furthest_behind<'a>(seats: impl Iterator<Item = (u64, &'a Seated)>) -> Option<u64> {
    let now = Instant::now();
    let nanos_a_byte = |seated: &Seated| {
        let since = seated.waiting_since.unwrap_or(now);
        let waited = now.saturating_duration_since(since).as_nanos();
        let sent = u64::try_from(seated.seat.weight.load(Ordering::Relaxed)).unwrap_or(u64::MAX);
        waited / u128::from(sent.saturating_add(CREDIT))
    };
    seats
        .min_by_key(|(id, seated)| (Reverse(nanos_a_byte(seated)), *id))
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
        let mut taken = self.places.taken();
        taken.change(self.id, |seated| seated.waiting_since = None);
    }

    /// From now on the holder waits.
    pub fn wait(&self) {
        let mut taken = self.places.taken();
        taken.change(self.id, |seated| seated.waiting_since = Some(Instant::now()));
    }

    /// The holder has sent this many bytes more, which are kept.
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
        taken.change(self.id, |seated| seated.client = client);
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
