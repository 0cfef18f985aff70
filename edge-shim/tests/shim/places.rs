//! How places are shared out among clients.

use std::time::Duration;

use edge_shim::places::{Client, Place, Places};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use tokio::time::advance;

fn client(number: u16) -> Option<Client> {
    let [high, low] = number.to_be_bytes();
    Some(Client::of([198, 18, high, low].into()))
}

fn from_each(places: &std::sync::Arc<Places>, numbers: std::ops::Range<u16>) -> Vec<Place> {
    numbers
        .map(|number| places.take(client(number)).expect("room"))
        .collect()
}

async fn is_lost(place: &Place) -> bool {
    tokio::select! {
        biased;
        () = place.lost() => true,
        () = std::future::ready(()) => false,
    }
}

async fn lost(places: &[Place]) -> Vec<usize> {
    let mut lost = Vec::new();
    for (position, place) in places.iter().enumerate() {
        if is_lost(place).await {
            lost.push(position);
        }
    }
    lost
}

#[tokio::test]
async fn while_places_are_free_one_client_may_have_them_all() {
    let places = Places::new(4, 1);
    let held: Vec<Place> = (0..4).filter_map(|_| places.take(client(1))).collect();
    assert_eq!((held.len(), lost(&held).await), (4, vec![]));
    drop(held);
    assert_eq!(places.count(), 0);
}

#[tokio::test]
async fn a_newcomer_displaces_the_longest_waiting_of_a_client_with_more_than_its_share() {
    let places = Places::new(4, 2);
    let modest = places.take(client(1)).expect("free");
    let greedy: Vec<Place> = (0..3).filter_map(|_| places.take(client(2))).collect();
    let newcomer = places.take(client(3)).expect("the greedy one makes room");
    assert_eq!(lost(&greedy).await, [0]);
    assert!(!is_lost(&modest).await && !is_lost(&newcomer).await);
    assert_eq!(places.count(), 4);
}

#[tokio::test]
async fn who_has_had_his_share_makes_room_himself() {
    let places = Places::new(3, 2);
    let modest = places.take(client(1)).expect("free");
    let greedy: Vec<Place> = (0..2).filter_map(|_| places.take(client(2))).collect();
    let more = places.take(client(2)).expect("in exchange for his own");
    assert_eq!(lost(&greedy).await, [0]);
    assert!(!is_lost(&modest).await && !is_lost(&more).await);
}

#[tokio::test]
async fn of_two_that_hold_more_than_their_share_the_greedier_makes_room() {
    let places = Places::new(5, 1);
    let greedy: Vec<Place> = (0..2).filter_map(|_| places.take(client(1))).collect();
    let greedier: Vec<Place> = (0..3).filter_map(|_| places.take(client(2))).collect();
    assert!(places.take(client(1)).is_some());
    assert_eq!((lost(&greedy).await, lost(&greedier).await), (vec![], vec![0]));
}

#[tokio::test]
async fn whoever_is_served_keeps_his_place() {
    let places = Places::new(2, 1);
    let held: Vec<Place> = (0..2).filter_map(|_| places.take(client(1))).collect();
    held.iter().for_each(Place::serve);
    assert!(places.take(client(2)).is_none());
    assert!(!places.displace_furthest_behind());
    held[1].wait();
    assert!(places.take(client(2)).is_some());
    assert_eq!(lost(&held).await, [1]);
}

#[tokio::test]
async fn what_is_served_counts_for_no_share() {
    let places = Places::new(4, 2);
    let busy: Vec<Place> = (0..3).filter_map(|_| places.take(client(1))).collect();
    busy.iter().for_each(Place::serve);
    let other = places.take(client(2)).expect("free");
    assert!(places.take(client(1)).is_some(), "it holds none that waits");
    assert!(lost(&busy).await.is_empty() && is_lost(&other).await);
}

#[tokio::test]
async fn a_proxy_has_no_share_and_the_client_behind_it_has() {
    let places = Places::new(4, 1);
    let held: Vec<Place> = (0..4).filter_map(|_| places.take(None)).collect();
    assert!(lost(&held).await.is_empty(), "a proxy may hold them all");
    held[1].counts_for(client(1));
    held[3].counts_for(client(1));
    assert!(places.take(None).is_some());
    assert_eq!(lost(&held).await, [1], "the client behind it may not");
}

#[tokio::test]
async fn memory_is_made_by_the_client_that_holds_most_of_it() {
    let places = Places::new(8, 8);
    let held: Vec<Place> = (0..3).filter_map(|_| places.take(client(1))).collect();
    for (place, weight) in held.iter().zip([10, 30, 20]) {
        place.weigh(weight);
    }
    assert!(
        !held[0].displace_heavier(),
        "nobody is heavier than he is himself"
    );
    let newcomer = places.take(client(2)).expect("free");
    assert!(newcomer.displace_heavier());
    assert_eq!(lost(&held).await, [1]);
    held[2].serve();
    held[0].serve();
    assert!(
        !newcomer.displace_heavier(),
        "whoever is served keeps what he holds"
    );
}

#[tokio::test(start_paused = true)]
async fn many_clients_within_their_shares_keep_no_newcomer_out_however_fast_they_come_again() {
    let places = Places::new(512, 61);
    let mut crowd: Vec<Place> = (0..560)
        .map(|number| places.take(client(number % 9)).expect("somebody waits"))
        .collect();
    for round in 0..200 {
        // Its body comes a packet later. Meanwhile more of the crowd come again than there are places for.
        let webhook = places.take(client(100)).expect("somebody waits");
        for number in 0..60 {
            crowd.push(places.take(client(number % 9)).expect("somebody waits"));
        }
        advance(Duration::from_millis(1)).await;
        assert!(!is_lost(&webhook).await, "round {round}");
        crowd.drain(..60);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_slowly_but_steadily_is_waited_for_beside_bodies_that_trickle() {
    let places = Places::new(64, 7);
    let mut crowd = from_each(&places, 0..63);
    let webhook = places.take(client(1_000)).expect("room");
    let mut next = 0..u16::MAX;
    // 20 kB within a second, while a hundred come and send 1.4 kB a second.
    for _ in 0..100 {
        advance(Duration::from_millis(10)).await;
        webhook.weigh(200);
        crowd.iter().for_each(|place| place.weigh(14));
        let number = next.next().expect("more");
        crowd.push(places.take(client(2_000 + number)).expect("somebody waits"));
        assert!(!is_lost(&webhook).await, "after {number}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Take(u16),
    TakeByProxy,
    Serve(usize),
    Wait(usize),
    Send(usize, usize),
    Leave(usize),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = 0..64_usize;
    let step = prop_oneof![
        6 => (0..5_u16).prop_map(Step::Take),
        1 => Just(Step::TakeByProxy),
        2 => which.clone().prop_map(Step::Serve),
        1 => which.clone().prop_map(Step::Wait),
        2 => (which.clone(), 0..100_000_usize).prop_map(|(which, bytes)| Step::Send(which, bytes)),
        1 => which.prop_map(Step::Leave),
        1 => (1..500_u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..120)
}

/// A place that has been taken, as its holder knows it.
struct Holder {
    place: Place,
    number: Option<u16>,
    served: bool,
}

const LIMIT: usize = 8;
const SHARE: usize = 2;

fn waiting_of(holders: &[Holder], number: u16) -> usize {
    let own = holders.iter().filter(|holder| holder.number == Some(number));
    own.filter(|holder| !holder.served).count()
}

/// A newcomer is let in, and if that costs somebody his place, the right one.
async fn newcomer(
    places: &std::sync::Arc<Places>,
    holders: &mut Vec<Holder>,
    number: Option<u16>,
) -> Result<(), TestCaseError> {
    let full = holders.len() >= LIMIT;
    let taken = places.take(number.and_then(client));
    let some_wait = holders.iter().any(|holder| !holder.served);
    prop_assert_eq!(
        taken.is_some(),
        !full || some_wait,
        "kept out while somebody waits"
    );
    let mut losers = Vec::new();
    for (position, holder) in holders.iter().enumerate() {
        if is_lost(&holder.place).await {
            losers.push(position);
        }
    }
    prop_assert_eq!(losers.len(), usize::from(full && taken.is_some()));
    if let Some(loser) = losers.first().map(|position| &holders[*position]) {
        prop_assert!(!loser.served, "who is served has lost his place");
        let own = number.map_or(0, |number| waiting_of(holders, number));
        let most = (0..5)
            .map(|number| waiting_of(holders, number))
            .max()
            .unwrap_or(0);
        let of_loser = loser.number.map_or(0, |number| waiting_of(holders, number));
        if most > own.max(SHARE) {
            prop_assert_eq!(of_loser, most, "another than the greediest made room");
        } else if own >= SHARE {
            prop_assert_eq!(loser.number, number, "who has had his share made another leave");
        }
    }
    holders.retain({
        let mut position = 0;
        move |_| {
            position += 1;
            !losers.contains(&(position - 1))
        }
    });
    holders.extend(taken.map(|place| Holder {
        place,
        number,
        served: false,
    }));
    prop_assert_eq!(places.count(), holders.len());
    Ok(())
}

async fn walk(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let places = Places::new(LIMIT, SHARE);
    let mut holders: Vec<Holder> = Vec::new();
    for step in steps {
        match step {
            Step::Take(number) => newcomer(&places, &mut holders, Some(number)).await?,
            Step::TakeByProxy => newcomer(&places, &mut holders, None).await?,
            Step::Pass(millis) => advance(Duration::from_millis(millis)).await,
            Step::Leave(which) if !holders.is_empty() => drop(holders.swap_remove(which % holders.len())),
            Step::Serve(which) | Step::Wait(which) | Step::Send(which, _) if !holders.is_empty() => {
                let count = holders.len();
                let holder = &mut holders[which % count];
                match step {
                    Step::Send(_, bytes) => holder.place.weigh(bytes),
                    Step::Serve(_) => holder.place.serve(),
                    _ => holder.place.wait(),
                }
                holder.served =
                    matches!(step, Step::Serve(_)) || holder.served && !matches!(step, Step::Wait(_));
            }
            _ => {}
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_happens_a_newcomer_is_let_in_while_anybody_waits_and_costs_the_right_one_his_place(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(walk(steps))?;
    }
}
