//! The outside world on 127.0.0.1: an HTTP/1.1 server that writes down every request and answers by script.
//!
//! ```ignore
//! let world = Receiver::start()?;
//! world.always("/services/T/B/X", slack::incoming_webhook);
//! world.next("/services/T/B/X", [slack::rate_limited(1), Reply::never()]);
//! let first = world.wait_for_requests(LIMIT, 1).await?;
//! ```
//!
//! It runs in a thread of its own: whatever the test does meanwhile, requests are taken and stamped as they arrive.
//!
//! - [`Reply`]: what is answered, when, and how far; [`Behaviour`]: a reply, or a function that makes one of the request
//! - [`slack`], [`customerio`], [`partner`]: receivers that speak the true protocols
//! - [`tls`]: certificates for a receiver that speaks https
//! - [`black_hole`]: an address that never takes a connection

pub mod black_hole;
pub mod customerio;
mod lock;
pub mod partner;
mod record;
mod reply;
mod script;
mod server;
pub mod slack;
pub mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub use black_hole::BlackHole;
pub use record::Received;
pub use reply::Reply;
pub use script::Behaviour;
pub use tls::Authority;

use server::{Serving, World};

/// How a receiver is made.
#[derive(Clone, Debug)]
pub struct ReceiverBuilder {
    address: SocketAddr,
    identity: Option<tls::Identity>,
}

impl ReceiverBuilder {
    /// Listens on this address of the loopback instead of 127.0.0.1 (127.0.0.2 is another host to a sender).
    pub fn address(mut self, ip: impl Into<IpAddr>) -> Self {
        self.address.set_ip(ip.into());
        self
    }

    /// Listens on this port instead of a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.address.set_port(port);
        self
    }

    /// Speaks https with this certificate.
    pub fn tls(mut self, identity: tls::Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Starts it.
    pub fn start(self) -> Result<Receiver> {
        let world = Arc::new(World::new(self.identity));
        let serving = Serving::start(Arc::clone(&world), self.address)?;
        Ok(Receiver {
            address: serving.address,
            world,
            serving: Some(serving),
        })
    }
}

/// A running receiver. Paths without a script are answered with 404. Dropping it closes everything.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    world: Arc<World>,
    serving: Option<Serving>,
}

impl Receiver {
    /// One on a free port of 127.0.0.1, without TLS.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// One that differs from that.
    pub fn builder() -> ReceiverBuilder {
        ReceiverBuilder {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            identity: None,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path, which begins with `/`.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.world.identity.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}{path}", self.address)
    }

    /// From now on this path behaves so. A path that ends in `*` stands for all that begin so; an exact one wins.
    pub fn always(&self, path: &str, behaviour: impl Into<Behaviour>) {
        self.world.script.lock().always(path, behaviour.into());
    }

    /// The next requests to this path (written as for [`Receiver::always`]) are answered so, one each, before the path's
    /// own behaviour takes over again.
    pub fn next<B: Into<Behaviour>>(&self, path: &str, behaviours: impl IntoIterator<Item = B>) {
        let behaviours = behaviours.into_iter().map(Into::into);
        self.world.script.lock().next(path, behaviours);
    }

    /// Lets those go that [`Reply::held`] holds now.
    pub fn release(&self) {
        self.world.release();
    }

    /// Every request so far, in the order in which they were complete.
    pub fn requests(&self) -> Vec<Arc<Received>> {
        self.world.records.from(0)
    }

    /// Those of one path.
    pub fn requests_to(&self, path: &str) -> Vec<Arc<Received>> {
        let mut requests = self.requests();
        requests.retain(|request| request.path == path);
        requests
    }

    /// How many requests so far.
    pub fn count(&self) -> usize {
        self.world.records.count()
    }

    /// How many connections have been taken so far, also those that brought no request.
    pub fn connections(&self) -> usize {
        self.world.connections()
    }

    /// How many of them failed to agree on TLS.
    pub fn failed_handshakes(&self) -> usize {
        self.world.failed_handshakes()
    }

    /// How many requests are being answered, or held, now.
    pub fn in_flight(&self) -> usize {
        self.world.in_flight.now()
    }

    /// How many were at most, at the same time.
    pub fn most_in_flight(&self) -> usize {
        self.world.in_flight.most()
    }

    /// Waits until so many requests have come, and returns all that have.
    pub async fn wait_for_requests(&self, limit: Duration, count: usize) -> Result<Vec<Arc<Received>>> {
        let arrived = self.world.records.wait_for_count(count);
        if tokio::time::timeout(limit, arrived).await.is_err() {
            bail!(
                "waited {:.1} s in vain: {count} requests to {}; there are {}",
                limit.as_secs_f64(),
                self.address,
                self.told()
            );
        }
        Ok(self.requests())
    }

    /// Waits for a request, also one that has come already; `what` names it for the error.
    pub async fn wait_for(
        &self,
        limit: Duration,
        what: &str,
        wanted: impl Fn(&Received) -> bool,
    ) -> Result<Arc<Received>> {
        let found = self.world.records.wait_for(wanted);
        let Ok(found) = tokio::time::timeout(limit, found).await else {
            bail!(
                "waited {:.1} s in vain: {what} at {}; there are {}",
                limit.as_secs_f64(),
                self.address,
                self.told()
            );
        };
        Ok(found)
    }

    /// Waits until `condition` holds and fails if a request arrived meanwhile: nothing is sent although something else,
    /// which is known to come later, has happened.
    pub async fn nothing_until(
        &self,
        limit: Duration,
        what: &str,
        condition: impl AsyncFnMut() -> bool,
    ) -> Result<()> {
        let before = self.count();
        crate::wait_until(limit, what, condition).await?;
        let arrived = self.world.records.from(before);
        if let Some(request) = arrived.first() {
            bail!("while waiting for {what}, {} arrived: {request}", arrived.len());
        }
        Ok(())
    }

    /// Closes the port and every connection: who connects now is refused.
    pub fn stop(&mut self) {
        self.serving = None;
    }

    /// Listens again, on the same port, with the same script and records.
    pub fn start_again(&mut self) -> Result<()> {
        self.stop();
        // Another test's connection may have the port as its own end for a while.
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut serving = Serving::start(Arc::clone(&self.world), self.address);
        while serving.is_err() && Instant::now() < deadline {
            std::thread::yield_now();
            serving = Serving::start(Arc::clone(&self.world), self.address);
        }
        self.serving = Some(serving.with_context(|| format!("cannot listen on {} again", self.address))?);
        Ok(())
    }

    /// The requests so far, in short, for an error.
    fn told(&self) -> String {
        let requests = self.requests();
        let mut told = format!("{}", requests.len());
        for request in requests.iter().take(20) {
            told.push_str("\n  ");
            told.push_str(&request.to_string());
        }
        told
    }
}

#[cfg(test)]
mod tests;
