//! How places are shared out among clients.

use std::time::Duration;

use edge_shim::places::{Client, Place, Places};

fn client(last: u8) -> Option<Client> {
    Some(Client::of([192, 0, 2, last].into()))
}

async fn is_lost(place: &Place) -> bool {
    tokio::time::timeout(Duration::ZERO, place.lost()).await.is_ok()
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
    let places = Places::new(4, 1, Duration::ZERO);
    let held: Vec<Place> = (0..4).filter_map(|_| places.take(client(1))).collect();
    assert_eq!((held.len(), lost(&held).await), (4, vec![]));
    drop(held);
    assert_eq!(places.count(), 0);
}

#[tokio::test]
async fn a_newcomer_displaces_the_longest_waiting_of_a_client_with_more_than_its_share() {
    let places = Places::new(4, 2, Duration::from_secs(3600));
    let modest = places.take(client(1)).expect("free");
    let greedy: Vec<Place> = (0..3).filter_map(|_| places.take(client(2))).collect();
    let newcomer = places.take(client(3)).expect("the greedy one makes room");
    assert_eq!(lost(&greedy).await, [0]);
    assert!(!is_lost(&modest).await && !is_lost(&newcomer).await);
    assert!(
        places.take(client(4)).is_none(),
        "nobody has more than its share, nobody has waited long"
    );
    assert_eq!(places.count(), 4);
}

#[tokio::test]
async fn who_has_had_his_share_makes_room_himself() {
    let places = Places::new(3, 2, Duration::ZERO);
    let modest = places.take(client(1)).expect("free");
    let greedy: Vec<Place> = (0..2).filter_map(|_| places.take(client(2))).collect();
    let more = places.take(client(2)).expect("in exchange for his own");
    assert_eq!(lost(&greedy).await, [0]);
    assert!(!is_lost(&modest).await && !is_lost(&more).await);
}

#[tokio::test]
async fn of_two_that_hold_more_than_their_share_the_greedier_makes_room() {
    let places = Places::new(5, 1, Duration::from_secs(3600));
    let busy: Vec<Place> = (0..2).filter_map(|_| places.take(client(1))).collect();
    busy.iter().for_each(Place::serve);
    let greedier: Vec<Place> = (0..3).filter_map(|_| places.take(client(2))).collect();
    assert!(places.take(client(1)).is_some());
    assert_eq!((lost(&busy).await, lost(&greedier).await), (vec![], vec![0]));
}

#[tokio::test]
async fn whoever_is_served_keeps_his_place() {
    let places = Places::new(2, 1, Duration::ZERO);
    let held: Vec<Place> = (0..2).filter_map(|_| places.take(client(1))).collect();
    held.iter().for_each(Place::serve);
    assert!(places.take(client(2)).is_none());
    assert!(!places.displace_longest_waiting());
    held[1].wait();
    assert!(places.take(client(2)).is_some());
    assert_eq!(lost(&held).await, [1]);
}

#[tokio::test]
async fn a_proxy_has_no_share_and_the_client_behind_it_has() {
    let places = Places::new(4, 1, Duration::from_secs(3600));
    let held: Vec<Place> = (0..4).filter_map(|_| places.take(None)).collect();
    assert!(places.take(client(9)).is_none(), "a proxy may hold them all");
    held[1].counts_for(client(1));
    held[3].counts_for(client(1));
    assert!(places.take(None).is_some());
    assert_eq!(lost(&held).await, [1], "the client behind it may not");
}

#[tokio::test]
async fn memory_is_made_by_the_client_that_holds_most_of_it() {
    let places = Places::new(8, 8, Duration::from_secs(3600));
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
