use super::*;
use crate::json::Timestamp;
use crate::providers::shopify::fulfillment::Shipment as Shipped;
use proptest::prelude::*;

/// A payload: status, numbers (as positions in a short list) with or without a URL, a courier.
type Said = (Option<&'static str>, Vec<(usize, bool)>, Option<&'static str>);

const STATUSES: [Option<&str>; 9] = [
    None,
    Some("pending"),
    Some("success"),
    Some("in_transit"),
    Some("delivered"),
    Some("cancelled"),
    Some("error"),
    Some("returned"),
    Some("failure"),
];
const NUMBERS: [&str; 4] = ["P1", "P2", "P3", "P4"];

fn payload(said: &Said, url: &'static str) -> Payload<'static> {
    let shipment = |&(number, has_url): &(usize, bool)| Shipped {
        tracking_no: NUMBERS[number].to_owned(),
        tracking_url: has_url.then_some(url),
    };
    Payload {
        shopify_fulfillment_id: 1,
        shopify_order_id: 2,
        courier_name: said.2,
        status: said.0,
        version: Some(Timestamp(0)),
        created_at: None,
        shipments: said.1.iter().map(shipment).collect(),
    }
}

fn at(second: i64, triggered_at: Option<i64>, hash: i64) -> Version {
    Version {
        at: Some(second),
        triggered_at,
        hash,
    }
}

/// What stands in the tables: number, status, URL, courier of each shipment.
fn rows(heard: &[(&Payload<'static>, Version)]) -> Vec<[String; 4]> {
    let mut known = Known {
        fulfillment: Fulfillment::unknown(),
        shipments: Vec::new(),
    };
    for (payload, version) in heard {
        known.hear(payload, *version);
    }
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut rows: Vec<[String; 4]> = known
        .shipments
        .iter()
        .map(|one| {
            [
                text(&one.tracking_no),
                one.status.clone(),
                text(&one.tracking_url),
                text(&one.courier_name),
            ]
        })
        .collect();
    rows.sort();
    rows
}

fn shown(heard: &[(&Payload<'static>, Version)]) -> Vec<String> {
    let rows = rows(heard).into_iter();
    rows.map(|row| format!("{} {}", row[0], row[1]).trim().to_owned())
        .collect()
}

#[test]
fn of_the_same_second_the_payload_triggered_later_decides_which_number_is_replaced() {
    let first = payload(&(Some("success"), vec![(0, true)], None), "a");
    let second = payload(&(Some("success"), vec![(1, true)], None), "b");
    let (early, late) = ((&first, at(9, Some(100), 5)), (&second, at(9, Some(900), 3)));
    let expected = ["P1 replaced", "P2 success"];
    assert_eq!(shown(&[early, late]), expected);
    assert_eq!(shown(&[late, early]), expected);
}

#[test]
fn what_an_older_payload_said_of_the_shipment_is_heard_when_it_comes_late() {
    let delivered = payload(&(Some("delivered"), vec![(0, false)], None), "a");
    let formal = payload(&(Some("success"), vec![(0, false)], None), "b");
    let (older, newer) = ((&delivered, at(1, None, 1)), (&formal, at(2, None, 2)));
    assert_eq!(shown(&[newer, older]), ["P1 delivered"]);
    assert_eq!(shown(&[older, newer]), ["P1 delivered"]);
}

#[test]
fn a_payload_without_a_number_that_comes_late_makes_no_shipment_of_its_own() {
    let nameless = payload(&(Some("pending"), vec![], Some("DPD")), "a");
    let named = payload(&(Some("success"), vec![(0, true)], None), "b");
    let (older, newer) = ((&nameless, at(1, None, 1)), (&named, at(1, None, 2)));
    for heard in [[older, newer], [newer, older]] {
        assert_eq!(rows(&heard), [["P1", "success", "b", "DPD"]]);
    }
}

#[test]
fn a_number_that_comes_back_is_under_way_again() {
    let [one, two] = [0, 1].map(|number| payload(&(Some("in_transit"), vec![(number, false)], None), "a"));
    let heard = [
        (&one, at(1, None, 1)),
        (&two, at(2, None, 2)),
        (&one, at(3, None, 3)),
    ];
    assert_eq!(shown(&heard), ["P1 in_transit", "P2 replaced"]);
}

#[test]
fn what_was_called_off_may_begin_anew_and_what_was_delivered_may_not() {
    let says = |status| payload(&(Some(status), vec![(0, false)], None), "a");
    let (cancelled, success, delivered) = (says("cancelled"), says("success"), says("delivered"));
    let heard = [(&cancelled, at(1, None, 1)), (&success, at(2, None, 2))];
    assert_eq!(shown(&heard), ["P1 success"]);
    let heard = [(&delivered, at(1, None, 1)), (&success, at(2, None, 2))];
    assert_eq!(shown(&heard), ["P1 delivered"]);
}

#[test]
fn what_somebody_wrote_by_hand_stays_until_there_is_news() {
    let success = payload(&(Some("success"), vec![(0, false)], None), "a");
    let mut known = Known {
        fulfillment: Fulfillment::unknown(),
        shipments: Vec::new(),
    };
    known.hear(&success, at(1, None, 1));
    known.shipments[0].status = "lost".into();
    assert!(known.hear(&success, at(2, None, 1)).is_empty());
    assert_eq!(known.shipments[0].status, "lost");
    let delivered = payload(&(Some("delivered"), vec![(0, false)], None), "a");
    assert_eq!(known.hear(&delivered, at(3, None, 1)), [0]);
    assert_eq!(known.shipments[0].status, "delivered");
}

fn any_said() -> impl Strategy<Value = Said> {
    let numbers = proptest::collection::vec((0..NUMBERS.len(), any::<bool>()), 0..3);
    let unique = numbers.prop_map(|mut numbers: Vec<(usize, bool)>| {
        numbers.sort_unstable();
        numbers.dedup_by_key(|(number, _)| *number);
        numbers
    });
    let courier = proptest::sample::select(vec![None, Some("DPD"), Some("UPS")]);
    (proptest::sample::select(STATUSES.to_vec()), unique, courier)
}

proptest! {
    #[test]
    fn any_permutation_of_any_payloads_comes_to_the_same_shipments(
        said in proptest::collection::vec((any_said(), 0..3_i64, proptest::option::of(0..2_i64)), 1..7),
        seed in any::<u64>(),
    ) {
        const URLS: [&str; 7] = ["0", "1", "2", "3", "4", "5", "6"];
        let payloads: Vec<(Payload<'static>, Version)> = said
            .iter()
            .zip(URLS)
            .zip(0_i64..)
            .map(|(((said, second, triggered_at), url), hash)| (payload(said, url), at(*second, *triggered_at, hash)))
            .collect();
        let heard: Vec<(&Payload<'static>, Version)> =
            payloads.iter().map(|(payload, version)| (payload, *version)).collect();
        let mut shuffled = heard.clone();
        crate::testing::shuffle(&mut shuffled, seed);
        shuffled.extend(heard.clone());
        prop_assert_eq!(rows(&heard), rows(&shuffled));
    }
}
