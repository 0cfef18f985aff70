//! Clients without a signature, one or many, hold whatever they can, as long as they like, and begin anew whenever they are cut off.
//! Beside them the shop's webhooks are answered, all of them and in time.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::get;
use crate::support::*;
use raw_ops_e2e::orders::Generator;
use raw_ops_e2e::shopify::{DEFAULT_PATH, Outcome, Sender};
use raw_ops_e2e::{Shim, Stack, wait_until};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

/// More than the shim's connections, and than its requests in flight.
const CROWD: usize = 2_200;
/// More than its requests in flight: nobody is turned away but for another's sake.
const REOPENING: usize = 700;
const SHOP: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 80);
/// What the shop's webhooks may take, 95 of 100.
const IN_TIME: Duration = Duration::from_millis(500);

/// What each connection of the crowd does.
#[derive(Clone, Copy, Debug)]
enum Attack {
    /// Requests one after the other, whose answers it never reads.
    NeverReads,
    /// Nothing.
    Idles,
    /// A body without a signature, a byte now and then.
    Trickles,
    /// The same with a wrong signature, fast enough to be waited for, and again at once when it is cut off.
    Reopens,
}

impl Attack {
    fn connections(self) -> usize {
        match self {
            Self::Reopens => REOPENING,
            _ => CROWD,
        }
    }

    fn says_first(self, address: Ipv4Addr) -> String {
        let head = format!("POST {DEFAULT_PATH} HTTP/1.1\r\nhost: shim\r\nx-forwarded-for: {address}\r\n");
        match self {
            Self::Idles => String::new(),
            Self::NeverReads => format!("{head}content-length: 0\r\n\r\n").repeat(400),
            Self::Trickles => format!("{head}content-length: 100000\r\n\r\n{{"),
            Self::Reopens => {
                let signature = "x-shopify-hmac-sha256: XWmrwMey6OsLMeiZKwP4FppHH3cmAiiJJAweH5Jo4bM=";
                let piece = Self::Reopens.says_then();
                format!("{head}content-length: 5000000\r\n{signature}\r\n\r\n{piece}")
            }
        }
    }

    fn says_then(self) -> &'static str {
        match self {
            Self::Idles | Self::NeverReads => "",
            Self::Trickles => "x",
            Self::Reopens => {
                const PIECE: &[u8] = &[b'x'; 700];
                std::str::from_utf8(PIECE).unwrap_or_default()
            }
        }
    }
}

/// Where the crowd and the shop come from.
#[derive(Clone, Copy, Debug)]
enum From {
    /// The shop from its address, the crowd from so many others.
    Addresses(u16),
    /// The same through one proxy that the shim trusts.
    OneProxy(u16),
}

impl From {
    fn peer(self, own: Ipv4Addr) -> Ipv4Addr {
        match self {
            Self::Addresses(_) => own,
            Self::OneProxy(_) => PROXY,
        }
    }

    fn attacker(self, member: usize) -> Ipv4Addr {
        let (Self::Addresses(count) | Self::OneProxy(count)) = self;
        let [.., high, low] = (member % usize::from(count) + 1).to_be_bytes();
        Ipv4Addr::new(127, 1, high, low)
    }
}

/// A crowd on a thread of its own, until it is dropped.
struct Crowd {
    stop: Arc<AtomicBool>,
    open: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Crowd {
    fn gather(port: u16, attack: Attack, from: From) -> Self {
        let (stop, open) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (stopped, opened) = (Arc::clone(&stop), Arc::clone(&open));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut crowd = tokio::task::JoinSet::new();
                for number in 0..attack.connections() {
                    crowd.spawn(member(port, attack, from, number, Arc::clone(&opened)));
                }
                while !stopped.load(Ordering::Relaxed) {
                    sleep(Duration::from_millis(20)).await;
                }
                crowd.shutdown().await;
            });
        });
        Self {
            stop,
            open,
            thread: Some(thread),
        }
    }

    async fn wait_gathered(&self, attack: Attack) {
        wait_until(LIMIT, "the crowd to have come once", async || {
            self.open.load(Ordering::Relaxed) >= attack.connections()
        })
        .await
        .unwrap();
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Comes, does what it came for until it is cut off, comes again.
async fn member(port: u16, attack: Attack, from: From, number: usize, opened: Arc<AtomicUsize>) {
    let address = from.attacker(number);
    let said = attack.says_first(address);
    let a_moment = || sleep(Duration::from_millis(fastrand::u64(100..600)));
    a_moment().await;
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .bind(SocketAddr::new(IpAddr::V4(from.peer(address)), 0))
            .unwrap();
        if let Ok(stream) = socket
            .connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
            .await
        {
            opened.fetch_add(1, Ordering::Relaxed);
            let mut unsaid = said.as_bytes();
            while holds(&stream, attack, &mut unsaid) {
                pause(&stream, attack).await;
            }
        }
        if !matches!(attack, Attack::Reopens) {
            // It is not about who connects fastest.
            a_moment().await;
        }
    }
}

async fn pause(stream: &TcpStream, attack: Attack) {
    match attack {
        // An answer ends it.
        Attack::Reopens => drop(timeout(Duration::from_millis(500), stream.readable()).await),
        _ => sleep(Duration::from_millis(fastrand::u64(200..400))).await,
    }
}

/// Goes on with its part; false once it is cut off, or answered.
fn holds(stream: &TcpStream, attack: Attack, unsaid: &mut &[u8]) -> bool {
    let would_block = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
    let next = match **unsaid {
        [] => attack.says_then().as_bytes(),
        _ => *unsaid,
    };
    match stream.try_write(next) {
        Ok(written) => *unsaid = unsaid.get(written..).unwrap_or_default(),
        Err(error) if would_block(&error) => {}
        Err(_) => return false,
    }
    // One that never reads learns of its end by writing.
    matches!(attack, Attack::NeverReads)
        || stream
            .try_read(&mut [0; 256])
            .is_err_and(|error| would_block(&error))
}

async fn stack(from: From) -> Stack {
    let own = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: own.maximum,
        ..own
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let options = by_hand();
    match from {
        From::Addresses(_) => Stack::start(options).await.unwrap(),
        From::OneProxy(_) => Stack::start(options.shim_env("TRUSTED_PROXIES", PROXY))
            .await
            .unwrap(),
    }
}

/// Three of the shop's senders, a hundred webhooks each.
async fn shop(stack: &Stack, from: From) -> Vec<Outcome> {
    let local = IpAddr::V4(from.peer(SHOP));
    let sender = Sender::to(stack.shim().unwrap(), &stack.shopify_secret).from_address(local);
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..3 {
        let sender = sender.clone();
        lanes.spawn(async move {
            let mut outcomes = Vec::new();
            for order in Generator::new(lane).orders(0..100) {
                let delivery = order.delivery("orders/create");
                let delivery = delivery.header("x-forwarded-for", "198.51.100.7");
                outcomes.push(sender.send(&delivery).await);
                sleep(Duration::from_millis(20)).await;
            }
            outcomes
        });
    }
    lanes.join_all().await.into_iter().flatten().collect()
}

async fn answered_beside(attack: Attack, from: From) {
    let stack = stack(from).await;
    let shim = stack.shim().unwrap();
    let crowd = Crowd::gather(shim.port(), attack, from);
    // From its first moment on …
    let mut outcomes = shop(&stack, from).await;
    crowd.wait_gathered(attack).await;
    // … and once it is complete.
    outcomes.extend(shop(&stack, from).await);
    let refused: Vec<&Outcome> = outcomes
        .iter()
        .filter(|outcome| outcome.status != Some(200))
        .collect();
    assert!(refused.is_empty(), "{attack:?} {from:?}: {refused:?}");
    let mut took: Vec<Duration> = outcomes.iter().map(|outcome| outcome.latency).collect();
    took.sort();
    let (median, p95) = (took[took.len() / 2], took[took.len() * 95 / 100]);
    println!(
        "{attack:?} {from:?}: median {median:?}, p95 {p95:?}, longest {:?}",
        took[took.len() - 1]
    );
    assert!(p95 < IN_TIME, "{attack:?} {from:?}: p95 {p95:?}");
    assert_bounded(shim).await;
}

/// The limits hold. Whoever gives way to a newcomer, this question included, is counted until it is closed.
async fn assert_bounded(shim: &Shim) {
    let mut open = 0;
    let bounded = wait_until(LIMIT, "the limits to hold", async || {
        let text = get(shim, "/metrics").await.text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("edge_shim_connections_open "));
        open = line.unwrap().parse::<usize>().unwrap();
        open <= 2_048
    });
    assert!(bounded.await.is_ok(), "{open} connections");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_are_answered_beside_answers_that_are_never_read() {
    answered_beside(Attack::NeverReads, From::Addresses(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_are_answered_beside_connections_that_say_nothing() {
    answered_beside(Attack::Idles, From::Addresses(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_are_answered_beside_bodies_that_trickle() {
    answered_beside(Attack::Trickles, From::Addresses(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_one_proxy_webhooks_are_answered_beside_answers_that_are_never_read() {
    answered_beside(Attack::NeverReads, From::OneProxy(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_one_proxy_webhooks_are_answered_beside_connections_that_say_nothing() {
    answered_beside(Attack::Idles, From::OneProxy(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_one_proxy_webhooks_are_answered_beside_bodies_that_trickle() {
    answered_beside(Attack::Trickles, From::OneProxy(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_are_answered_beside_nine_addresses_none_of_which_holds_more_than_its_share() {
    answered_beside(Attack::Reopens, From::Addresses(9)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_are_answered_beside_forty_addresses_that_come_again_at_once() {
    answered_beside(Attack::Reopens, From::Addresses(40)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_one_proxy_webhooks_are_answered_beside_hundreds_of_addresses() {
    answered_beside(Attack::Reopens, From::OneProxy(700)).await;
}
