use super::*;
use proptest::prelude::*;

/// a and b: null says nothing. c and d: null is a value.
const SHAPE: Shape = Shape {
    names: &["a", "b", "c", "d"],
    open_when_blank: 0b0011,
};

fn version(at: i64) -> Version {
    Version {
        at: Some(at),
        triggered_at: None,
        hash: at,
    }
}

fn said(at: i64, says: Fields) -> Said {
    Said {
        version: version(at),
        says,
        blank: 0,
        outranks: 0,
    }
}

/// A row: the state, and for each field the hash of the payload whose value it holds.
type Row = (State, [Option<i64>; 4]);

fn hear_all<'s>(payloads: impl IntoIterator<Item = &'s Said>) -> Row {
    let mut row = (SHAPE.unknown(), [None; 4]);
    for said in payloads {
        let taken = SHAPE.hear(&mut row.0, said);
        for field in (0..4).filter(|field| taken & (1 << field) != 0) {
            let is_null = said.blank & (1 << field) != 0;
            row.1[field] = (!is_null).then_some(said.version.hash);
        }
        let kept = SHAPE.own_to_json(&row.0.own);
        let kept = kept
            .as_ref()
            .map_or_else(Vec::new, |kept| SHAPE.own_from_json(kept));
        assert_eq!(kept, row.0.own, "it comes back from the database as it went in");
    }
    row
}

#[test]
fn versions_are_compared_by_time_then_by_trigger_then_by_payload_and_missing_is_older() {
    let of = |at, triggered_at, hash| Version {
        at,
        triggered_at,
        hash,
    };
    let ascending = [
        Version::NEVER,
        of(None, None, 5),
        of(None, Some(1), -5),
        of(Some(1), None, 9),
        of(Some(1), Some(1), -9),
        of(Some(1), Some(1), 9),
        of(Some(1), Some(2), 0),
        of(Some(2), None, 0),
    ];
    assert!(ascending.is_sorted_by(|a, b| a < b));
}

#[test]
fn whole_payloads_need_one_version_for_the_row() {
    let (state, _) = hear_all(&[said(1, 0b1111), said(2, 0b1111)]);
    assert_eq!((state.version, state.own), (version(2), vec![]));
}

#[test]
fn a_field_the_newest_payload_left_open_keeps_its_version() {
    let (state, values) = hear_all(&[said(1, 0b1111), said(3, 0b0100), said(2, 0b0001)]);
    assert_eq!(state.own, [(0, version(2)), (1, version(1)), (3, version(1))]);
    assert_eq!(values, [Some(2), Some(1), Some(3), Some(1)]);
}

fn any_said() -> impl Strategy<Value = (Option<i64>, Option<i64>, Fields, Fields)> {
    let time = || proptest::option::of(0..3_i64);
    (time(), time(), 0..16_u32, 0..16_u32)
}

proptest! {
    #[test]
    fn any_permutation_of_any_payloads_comes_to_the_same_row(
        payloads in proptest::collection::vec(any_said(), 0..8),
        seed in any::<u64>(),
    ) {
        let payloads: Vec<Said> = (0_i64..)
            .zip(payloads)
            .map(|(hash, (at, triggered_at, says, blank))| Said {
                version: Version { at, triggered_at, hash },
                // Null in a field that null never decides is not said.
                says: says & !(blank & SHAPE.open_when_blank),
                blank: says & blank & !SHAPE.open_when_blank,
                outranks: 0,
            })
            .collect();
        let mut shuffled: Vec<&Said> = payloads.iter().collect();
        crate::testing::shuffle(&mut shuffled, seed);
        let again = shuffled.clone();
        prop_assert_eq!(hear_all(&payloads), hear_all(shuffled.into_iter().chain(again)));
    }
}
