//! Reading JSON without caring where it lives.
//!
//! Providers read payloads through [`Json`]: in the server that is PostgreSQL's own `jsonb` (`db::jsonb`), read in
//! place and never turned into text; in unit tests it is `serde_json`. [`Field`] adds the path, so that every
//! complaint names the field: `order.line_items[2].price: not a decimal: "abc"`.

use crate::error::{Error, Result};
use std::borrow::Cow;
use std::fmt;

pub mod numbers;

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
    /// A number's digits, exactly as JSON carried them; `None` when it is not a number, and when it would be longer than
    /// [`LONGEST_NUMBER`]: `1e131071` is seven bytes of JSON and 131 KB of digits.
    fn number_text(self) -> Option<String>;
}

/// Characters of the longest number that becomes text. Ids have 19, amounts of money fewer.
pub const LONGEST_NUMBER: usize = 100;

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

    /// The exact sum, with as many decimals as the amount with the most. `None` beyond 38 digits.
    pub fn sum(amounts: &[Self]) -> Option<Decimal<'static>> {
        let parts = |amount: &Self| {
            let (whole, fraction) = amount.0.split_once('.').unwrap_or((&amount.0, ""));
            (whole.to_owned(), fraction.to_owned())
        };
        let amounts: Vec<(String, String)> = amounts.iter().map(parts).collect();
        let decimals = amounts
            .iter()
            .map(|(_, fraction)| fraction.len())
            .max()
            .unwrap_or(0);
        let mut sum = 0_i128;
        for (whole, fraction) in amounts {
            sum = sum.checked_add(format!("{whole}{fraction:0<decimals$}").parse().ok()?)?;
        }
        let sign = if sum < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", sum.unsigned_abs(), width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let point = if decimals > 0 { "." } else { "" };
        Decimal::parse(format!("{sign}{whole}{point}{fraction}").into())
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

/// A value with its path. JSON null counts as absent, since a partial payload erases nothing, but for
/// [`Field::clearable`].
#[derive(Clone, Copy)]
pub struct Field<'p, J> {
    path: Path<'p>,
    value: Option<J>,
    is_null: bool,
    is_private: bool,
}

impl<'p, 'a, J: Json<'a>> Field<'p, J> {
    pub fn root(name: &'static str, value: J) -> Self {
        Self {
            path: Path::Root(name),
            value: present(value),
            is_null: value.kind() == Kind::Null,
            is_private: false,
        }
    }

    /// What is in here is of a person: no error quotes it.
    pub fn private(self) -> Self {
        Self {
            is_private: true,
            ..self
        }
    }

    pub fn member<'q>(&'q self, key: &'static str) -> Field<'q, J> {
        let value = self.value.and_then(|v| v.member(key));
        Field {
            path: Path::Member(&self.path, key),
            value: value.and_then(present),
            is_null: value.is_some_and(|value| value.kind() == Kind::Null),
            is_private: self.is_private,
        }
    }

    pub fn is_present(&self) -> bool {
        self.value.is_some()
    }

    pub fn value(&self) -> Option<J> {
        self.value
    }

    /// `None` when absent.
    pub fn kind(&self) -> Option<Kind> {
        self.value.map(Json::kind)
    }

    /// Where it stands, for people: `order.line_items[2]`.
    pub fn path(&self) -> String {
        self.path.to_string()
    }

    pub fn error(&self, problem: impl Into<String>) -> Error {
        Error::Payload {
            field: self.path.to_string(),
            problem: problem.into(),
        }
    }

    /// The wrong kind of thing: told by its kind alone, since it may be anything, an address too.
    fn wrong_kind(&self, expected: &str) -> Error {
        let found = self.value.map_or("nothing", kind_name);
        self.error(format!("not {expected}: {found}"))
    }

    /// Something that is not written as its field asks: quoted, unless a person's data may be in it.
    fn mismatch(&self, expected: &str) -> Error {
        match self.value.filter(|_| !self.is_private).and_then(quote) {
            Some(found) => self.error(format!("not {expected}: {found}")),
            None => self.wrong_kind(expected),
        }
    }

    /// What a field says whose null means something: `None` when it is absent, `Some(None)` when it is null or empty.
    pub fn clearable<T>(&self, read: impl FnOnce(&Self) -> Result<Option<T>>) -> Result<Option<Option<T>>> {
        match (self.value, self.is_null) {
            (Some(_), _) => read(self).map(Some),
            (None, is_null) => Ok(is_null.then_some(None)),
        }
    }

    pub fn required<T>(&self, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.error("missing"))
    }

    /// Fails unless the value is an object.
    pub fn object(self) -> Result<Self> {
        match self.value.map(Json::kind) {
            Some(Kind::Object) => Ok(self),
            None => Err(self.error("missing")),
            Some(_) => Err(self.wrong_kind("an object")),
        }
    }

    /// An object, or absent.
    pub fn optional_object(self) -> Result<Option<J>> {
        match self.value.map(Json::kind) {
            Some(Kind::Object) => Ok(self.value),
            None => Ok(None),
            Some(_) => Err(self.wrong_kind("an object")),
        }
    }

    /// The elements of an array, or `None` when absent.
    pub fn elements<'q>(&'q self) -> Result<Option<impl Iterator<Item = Field<'q, J>> + use<'q, 'p, 'a, J>>> {
        let Some(array) = self.value else { return Ok(None) };
        if array.kind() != Kind::Array {
            return Err(self.wrong_kind("an array"));
        }
        let element = move |index| Field {
            path: Path::Element(&self.path, index),
            value: array.element(index),
            is_null: false,
            is_private: self.is_private,
        };
        Ok(Some((0..array.length()).map(element)))
    }

    /// Text; empty text counts as absent.
    pub fn text(&self) -> Result<Option<&'a str>> {
        let Some(value) = self.value else { return Ok(None) };
        match value.as_str() {
            Some("") => Ok(None),
            Some(text) => Ok(Some(text)),
            None => Err(self.wrong_kind("text")),
        }
    }

    /// Text without the blanks around it; blank counts as absent.
    pub fn trimmed(&self) -> Result<Option<&'a str>> {
        Ok(self.text()?.map(str::trim).filter(|text| !text.is_empty()))
    }

    /// Text where empty is a value of its own: somebody cleared the field.
    pub fn text_or_empty(&self) -> Result<Option<&'a str>> {
        let Some(value) = self.value else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.wrong_kind("text"))
    }

    /// Text without the blanks around it, or the digits of a number; blank counts as absent.
    pub fn text_or_number(&self) -> Result<Option<String>> {
        let Some(value) = self.value else { return Ok(None) };
        let text = match value.as_str() {
            Some(text) => Some(text.trim().to_owned()),
            None => value.number_text(),
        };
        let text = text.ok_or_else(|| self.wrong_kind("text"))?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// [`Field::text_or_number`] of at most so many characters: for what is looked up in an index.
    pub fn short_text_or_number(&self, most: usize) -> Result<Option<String>> {
        match self.text_or_number()? {
            Some(text) if text.chars().nth(most).is_some() => {
                Err(self.error(format!("longer than {most} characters")))
            }
            text => Ok(text),
        }
    }

    pub fn boolean(&self) -> Result<Option<bool>> {
        let Some(value) = self.value else { return Ok(None) };
        value
            .as_bool()
            .map(Some)
            .ok_or_else(|| self.wrong_kind("true or false"))
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

fn kind_name<'a, J: Json<'a>>(value: J) -> &'static str {
    match value.kind() {
        Kind::Null => "null",
        Kind::Bool => "true or false",
        Kind::Number if value.number_text().is_none() => "a number of too many digits",
        Kind::Number => "a number",
        Kind::String => "text",
        Kind::Array => "an array",
        Kind::Object => "an object",
    }
}

/// A value as an error shows it: numbers, and short text that is no address of anybody's.
fn quote<'a, J: Json<'a>>(value: J) -> Option<String> {
    const LONGEST: usize = 40;
    let shown = match value.kind() {
        Kind::Number => value.number_text()?,
        Kind::String => format!("\"{}\"", value.as_str()?),
        _ => return None,
    };
    (shown.chars().count() <= LONGEST && !shown.contains('@')).then_some(shown)
}

#[cfg(test)]
mod tests;
