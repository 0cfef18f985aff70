//! Reading JSON without caring where it lives.
//!
//! Providers read payloads through [`Json`]: in the server that is PostgreSQL's own `jsonb` (`db::jsonb`), read in
//! place and never turned into text; in unit tests it is `serde_json`. [`Field`] adds the path, so that every
//! complaint names the field: `order.line_items[2].price: not a decimal: "abc"`.

use crate::error::{Error, Result};
use std::borrow::Cow;
use std::fmt;

/// What a JSON value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

/// One JSON value, cheap to copy.
pub trait Json<'a>: Copy + 'a {
    fn kind(self) -> Kind;
    /// A member of an object; `None` when absent or not an object.
    fn member(self, key: &str) -> Option<Self>;
    /// Number of elements of an array, 0 for anything else.
    fn length(self) -> usize;
    /// An element of an array.
    fn element(self, index: usize) -> Option<Self>;
    fn as_str(self) -> Option<&'a str>;
    fn as_bool(self) -> Option<bool>;
    /// A number that is a whole 64-bit integer, exactly.
    fn as_i64(self) -> Option<i64>;
    /// A number's digits, exactly as JSON carried them.
    fn number_text(self) -> Option<String>;
}

/// A decimal number in text form: an optional minus, digits, perhaps a point and more digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal<'a>(Cow<'a, str>);

impl<'a> Decimal<'a> {
    /// Longer than any amount of money, far shorter than what would slow the database down.
    const MAX_LENGTH: usize = 64;

    pub fn parse(text: Cow<'a, str>) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(&text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        (text.len() <= Self::MAX_LENGTH && all_digits(whole) && all_digits(fraction)).then_some(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Microseconds since 2000-01-01 00:00 UTC: PostgreSQL's `timestamptz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    const UNIX_TO_POSTGRES_MICROS: i64 = 946_684_800 * 1_000_000;

    /// ISO-8601 with an offset. Digits past microseconds (Shopify sends nanoseconds) are cut off.
    pub fn parse(text: &str) -> Option<Self> {
        let time = chrono::DateTime::parse_from_rfc3339(text).ok()?;
        Some(Self(time.timestamp_micros() - Self::UNIX_TO_POSTGRES_MICROS))
    }
}

/// Where a value stands in the payload, kept as a chain and spelled out only for an error.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root(&'static str),
    Member(&'p Path<'p>, &'static str),
    Element(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root(name) => f.write_str(name),
            Path::Member(parent, key) => write!(f, "{parent}.{key}"),
            Path::Element(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// A value with its path. JSON null counts as absent everywhere: a partial payload erases nothing.
#[derive(Clone, Copy)]
pub struct Field<'p, J> {
    path: Path<'p>,
    value: Option<J>,
}

impl<'p, 'a, J: Json<'a>> Field<'p, J> {
    pub fn root(name: &'static str, value: J) -> Self {
        Self {
            path: Path::Root(name),
            value: present(value),
        }
    }

    pub fn member<'q>(&'q self, key: &'static str) -> Field<'q, J> {
        let value = self.value.and_then(|v| v.member(key)).and_then(present);
        Field {
            path: Path::Member(&self.path, key),
            value,
        }
    }

    pub fn is_present(&self) -> bool {
        self.value.is_some()
    }

    pub fn error(&self, problem: impl Into<String>) -> Error {
        Error::Payload {
            field: self.path.to_string(),
            problem: problem.into(),
        }
    }

    fn mismatch(&self, expected: &str) -> Error {
        let found = self.value.map(describe).unwrap_or_else(|| "nothing".into());
        self.error(format!("not {expected}: {found}"))
    }

    pub fn required<T>(&self, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.error("missing"))
    }

    /// Fails unless the value is an object.
    pub fn object(self) -> Result<Self> {
        match self.value.map(Json::kind) {
            Some(Kind::Object) => Ok(self),
            None => Err(self.error("missing")),
            Some(_) => Err(self.mismatch("an object")),
        }
    }

    /// An object, or absent.
    pub fn optional_object(self) -> Result<Option<J>> {
        match self.value.map(Json::kind) {
            Some(Kind::Object) => Ok(self.value),
            None => Ok(None),
            Some(_) => Err(self.mismatch("an object")),
        }
    }

    /// The elements of an array, or `None` when absent.
    pub fn elements<'q>(&'q self) -> Result<Option<impl Iterator<Item = Field<'q, J>> + use<'q, 'p, 'a, J>>> {
        let Some(array) = self.value else { return Ok(None) };
        if array.kind() != Kind::Array {
            return Err(self.mismatch("an array"));
        }
        let element = move |index| Field {
            path: Path::Element(&self.path, index),
            value: array.element(index),
        };
        Ok(Some((0..array.length()).map(element)))
    }

    /// Text; empty text counts as absent.
    pub fn text(&self) -> Result<Option<&'a str>> {
        let Some(value) = self.value else { return Ok(None) };
        match value.as_str() {
            Some("") => Ok(None),
            Some(text) => Ok(Some(text)),
            None => Err(self.mismatch("text")),
        }
    }

    /// Text without the blanks around it; blank counts as absent.
    pub fn trimmed(&self) -> Result<Option<&'a str>> {
        Ok(self.text()?.map(str::trim).filter(|text| !text.is_empty()))
    }

    /// Text where empty is a value of its own: somebody cleared the field.
    pub fn text_or_empty(&self) -> Result<Option<&'a str>> {
        let Some(value) = self.value else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.mismatch("text"))
    }

    pub fn boolean(&self) -> Result<Option<bool>> {
        let Some(value) = self.value else { return Ok(None) };
        value
            .as_bool()
            .map(Some)
            .ok_or_else(|| self.mismatch("true or false"))
    }

    /// A 64-bit integer, as a number or as text of digits.
    pub fn integer(&self) -> Result<Option<i64>> {
        let Some(value) = self.value else { return Ok(None) };
        let number = value
            .as_i64()
            .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        number.map(Some).ok_or_else(|| self.mismatch("a 64-bit integer"))
    }

    /// A Shopify id: a positive 64-bit integer.
    pub fn id(&self) -> Result<Option<i64>> {
        match self.integer()? {
            Some(id) if id <= 0 => Err(self.mismatch("a positive id")),
            other => Ok(other),
        }
    }

    /// A count: an integer from 0 to 2^31 - 1.
    pub fn count(&self) -> Result<Option<i32>> {
        let Some(number) = self.integer()? else {
            return Ok(None);
        };
        match i32::try_from(number) {
            Ok(count) if count >= 0 => Ok(Some(count)),
            _ => Err(self.mismatch("a count from 0 to 2147483647")),
        }
    }

    /// Money: text or a JSON number; empty text counts as absent.
    pub fn decimal(&self) -> Result<Option<Decimal<'a>>> {
        let Some(value) = self.value else { return Ok(None) };
        let text = match value.as_str() {
            Some("") => return Ok(None),
            Some(text) => Some(Cow::Borrowed(text)),
            None => value.number_text().map(Cow::Owned),
        };
        text.and_then(Decimal::parse)
            .map(Some)
            .ok_or_else(|| self.mismatch("a decimal"))
    }

    /// An ISO-8601 time with an offset.
    pub fn timestamp(&self) -> Result<Option<Timestamp>> {
        let Some(text) = self.text()? else { return Ok(None) };
        Timestamp::parse(text)
            .map(Some)
            .ok_or_else(|| self.mismatch("an ISO-8601 time with an offset"))
    }
}

fn present<'a, J: Json<'a>>(value: J) -> Option<J> {
    (value.kind() != Kind::Null).then_some(value)
}

/// A value as an error message shows it: short, quoted where it is text.
fn describe<'a, J: Json<'a>>(value: J) -> String {
    const SHOWN: usize = 60;
    match value.kind() {
        Kind::Null => "null".into(),
        Kind::Bool => value.as_bool().unwrap_or_default().to_string(),
        Kind::Number => value
            .number_text()
            .unwrap_or_default()
            .chars()
            .take(SHOWN)
            .collect(),
        Kind::String => {
            let text = value.as_str().unwrap_or_default();
            let shown: String = text.chars().take(SHOWN).collect();
            let more = if shown.len() < text.len() { "…" } else { "" };
            format!("\"{shown}{more}\"")
        }
        Kind::Array => format!("an array of {}", value.length()),
        Kind::Object => "an object".into(),
    }
}

#[cfg(test)]
pub mod tests {
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
            self.as_number().map(|n| n.to_string())
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
    fn long_offending_text_is_shortened() {
        let json = Value::String("x".repeat(500));
        let error = message(Field::root("order", &json).decimal().unwrap_err());
        assert!(error.len() < 120, "{error}");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_decimal_or_not_but_never_a_crash(text in ".*") {
            let _ = Decimal::parse(text.as_str().into());
            let _ = Timestamp::parse(&text);
        }
    }
}
