//! Reading JSON, with `serde_json` standing in for the server's jsonb.

use super::*;
use serde_json::Value;

impl<'a> Json<'a> for &'a Value {
    fn kind(self) -> Kind {
        match self {
            Value::Null => Kind::Null,
            Value::Bool(_) => Kind::Bool,
            Value::Number(_) => Kind::Number,
            Value::String(_) => Kind::String,
            Value::Array(_) => Kind::Array,
            Value::Object(_) => Kind::Object,
        }
    }
    fn member(self, key: &str) -> Option<Self> {
        self.as_object()?.get(key)
    }
    fn length(self) -> usize {
        self.as_array().map_or(0, Vec::len)
    }
    fn element(self, index: usize) -> Option<Self> {
        self.as_array()?.get(index)
    }
    fn as_str(self) -> Option<&'a str> {
        Value::as_str(self)
    }
    fn as_bool(self) -> Option<bool> {
        Value::as_bool(self)
    }
    fn as_i64(self) -> Option<i64> {
        Value::as_i64(self)
    }
    fn number_text(self) -> Option<String> {
        let text = self.as_number()?.to_string();
        (text.len() <= LONGEST_NUMBER).then_some(text)
    }
}

fn message(error: Error) -> String {
    error.to_string()
}

#[test]
fn an_error_names_the_field_down_to_the_element() {
    let json = serde_json::json!({"line_items": [{"price": "1.00"}, {"price": "abc"}]});
    let order = Field::root("order", &json);
    let items = order.member("line_items");
    let second = items.elements().unwrap().unwrap().nth(1).unwrap();
    let error = second.member("price").decimal().unwrap_err();
    assert_eq!(
        message(error),
        r#"order.line_items[1].price: not a decimal: "abc""#
    );
}

#[test]
fn decimals_are_plain_digits_only() {
    for good in ["0", "398.00", "-8.00", "16.486", "14319"] {
        assert!(Decimal::parse(good.into()).is_some(), "{good}");
    }
    for bad in [
        "",
        ".",
        "1.",
        ".5",
        "NaN",
        "Infinity",
        "1e5",
        "+1",
        " 1",
        "1,00",
        "--1",
        "0x10",
        &"9".repeat(65),
    ] {
        assert!(Decimal::parse(bad.into()).is_none(), "{bad}");
    }
}

#[test]
fn money_may_be_text_or_number_and_empty_text_is_absent() {
    let json = serde_json::json!({"a": "10.99", "b": 150.5, "c": "", "d": null});
    let root = Field::root("order", &json);
    let read = |key| root.member(key).decimal().unwrap().map(|d| d.as_str().to_owned());
    assert_eq!(read("a").as_deref(), Some("10.99"));
    assert_eq!(read("b").as_deref(), Some("150.5"));
    assert_eq!(read("c"), None);
    assert_eq!(read("d"), None);
    assert_eq!(read("absent"), None);
}

#[test]
fn ids_keep_every_digit_beyond_2_to_the_53() {
    let json: Value =
        serde_json::from_str(r#"{"id": 820982911946154508, "text": "820982911946154508"}"#).unwrap();
    let root = Field::root("order", &json);
    assert_eq!(root.member("id").id().unwrap(), Some(820_982_911_946_154_508));
    assert_eq!(root.member("text").id().unwrap(), Some(820_982_911_946_154_508));
}

#[test]
fn ids_that_are_none_are_refused_by_name() {
    for (json, complaint) in [
        (serde_json::json!({"id": 0}), "order.id: not a positive id: 0"),
        (serde_json::json!({"id": -5}), "order.id: not a positive id: -5"),
        (
            serde_json::json!({"id": 1.5}),
            "order.id: not a 64-bit integer: 1.5",
        ),
        (
            serde_json::json!({"id": {}}),
            "order.id: not a 64-bit integer: an object",
        ),
        (
            serde_json::json!({"id": "x"}),
            "order.id: not a 64-bit integer: \"x\"",
        ),
    ] {
        let error = Field::root("order", &json).member("id").id().unwrap_err();
        assert_eq!(message(error), complaint);
    }
}

#[test]
fn times_keep_their_instant_and_lose_their_nanoseconds() {
    assert_eq!(Timestamp::parse("2000-01-01T00:00:00Z"), Some(Timestamp(0)));
    assert_eq!(Timestamp::parse("1999-12-31T19:00:00-05:00"), Some(Timestamp(0)));
    assert_eq!(
        Timestamp::parse("2000-01-01T00:00:00.290670248Z"),
        Some(Timestamp(290_670))
    );
    assert_eq!(Timestamp::parse("2024-13-01T00:00:00Z"), None);
    assert_eq!(Timestamp::parse("yesterday"), None);
}

#[test]
fn an_error_quotes_amounts_and_dates_and_nothing_of_a_person() {
    let json = serde_json::json!({
        "total_price": "12,50", "updated_at": "05.01.2026", "id": "ada@example.com", "name": 4915112345678_i64,
        "email": ["ada@example.com"], "shipping_address": "1 Long Street", "long": "x".repeat(500),
        "customer": {"id": "Ada Lovelace", "phone": 4915112345678_i64, "accepts_marketing": "+49 151 12345678"},
    });
    let order = Field::root("order", &json);
    let customer = order.member("customer").private();
    for (error, expected) in [
        (
            order.member("total_price").decimal().err(),
            "order.total_price: not a decimal: \"12,50\"",
        ),
        (
            order.member("updated_at").timestamp().err(),
            "order.updated_at: not an ISO-8601 time with an offset: \"05.01.2026\"",
        ),
        (
            order.member("id").id().err(),
            "order.id: not a 64-bit integer: text",
        ),
        (
            order.member("name").text().err(),
            "order.name: not text: a number",
        ),
        (
            order.member("email").text().err(),
            "order.email: not text: an array",
        ),
        (
            order.member("shipping_address").optional_object().err(),
            "order.shipping_address: not an object: text",
        ),
        (
            order.member("long").decimal().err(),
            "order.long: not a decimal: text",
        ),
        (
            customer.member("id").id().err(),
            "order.customer.id: not a 64-bit integer: text",
        ),
        (
            customer.member("phone").text().err(),
            "order.customer.phone: not text: a number",
        ),
        (
            customer.member("accepts_marketing").boolean().err(),
            "order.customer.accepts_marketing: not true or false: text",
        ),
    ] {
        assert_eq!(message(error.unwrap()), expected);
    }
}

#[test]
fn null_is_told_from_absent_where_it_means_something() {
    let json = serde_json::json!({"null": null, "empty": "", "text": "a"});
    let order = Field::root("order", &json);
    let read = |key| order.member(key).clearable(Field::text).unwrap();
    assert_eq!(
        (read("absent"), read("null"), read("empty"), read("text")),
        (None, Some(None), Some(None), Some(Some("a")))
    );
}

#[test]
fn amounts_add_up_to_the_last_digit() {
    let sum = |amounts: &[&str]| {
        let amounts: Vec<Decimal> = amounts
            .iter()
            .map(|text| Decimal::parse((*text).into()).unwrap())
            .collect();
        Decimal::sum(&amounts).map(|sum| sum.as_str().to_owned())
    };
    for (amounts, expected) in [
        (&["5.00", "2.50"][..], "7.50"),
        (&["5", "2.505", "-8.00"], "-0.495"),
        (&["14319", "1"], "14320"),
        (&["0.10", "0.20"], "0.30"),
    ] {
        assert_eq!(sum(amounts).as_deref(), Some(expected));
    }
    assert_eq!(sum(&["9".repeat(38).as_str(), "9".repeat(38).as_str()]), None);
}

proptest::proptest! {
    #[test]
    fn any_text_is_a_decimal_or_not_but_never_a_crash(text in ".*") {
        let _ = Decimal::parse(text.as_str().into());
        let _ = Timestamp::parse(&text);
    }
}
