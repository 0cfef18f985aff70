//! DPD UK's parcel events. There is no public contract of a push, so this reads what DPD's public tracking answers and its
//! forwarders (Make.com, a script) plausibly send: see docs/providers.md. Codes stay text, times without an offset are
//! UK time.

use super::shopify_fulfillment::tracking_no;
use crate::error::Result;
use crate::json::{Field, Json, Timestamp};
use chrono::{DateTime, Datelike, Duration, NaiveDate, NaiveDateTime, NaiveTime, Weekday};

/// What the mapping calls the courier.
pub const COURIER: &str = "DPD";

/// What happened to a parcel.
#[derive(Clone, Debug)]
pub struct ParcelEvent<J> {
    pub tracking_no: String,
    /// As it came: leading zeros count.
    pub code: String,
    pub text: Option<String>,
    pub time: Timestamp,
    /// The part of the payload that tells it.
    pub raw: J,
}

/// The first of these that is there counts.
const PARCEL: &[&str] = &[
    "parcelNumber",
    "parcel_number",
    "parcelNo",
    "parcel_no",
    "parcelCode",
    "trackingNumber",
    "tracking_number",
    "trackingNo",
    "tracking_no",
];
const CODE: &[&str] = &[
    "eventCode",
    "event_code",
    "statusCode",
    "status_code",
    "scanCode",
    "scan_code",
    "code",
];
const TEXT: &[&str] = &[
    "eventText",
    "event_text",
    "statusText",
    "status_text",
    "eventDescription",
    "description",
    "message",
    "text",
];
const TIME: &[&str] = &[
    "eventDateTime",
    "event_date_time",
    "eventTime",
    "event_time",
    "eventDate",
    "event_date",
    "statusDate",
    "timestamp",
    "dateTime",
    "time",
    "date",
];
/// A date whose time of day may stand in a member of its own.
const DATE: &[&str] = &["eventDate", "event_date", "date"];
/// Where several events stand together.
const LISTS: &[&str] = &["events", "parcelEvents", "parcelevents", "parcel_events", "data"];

/// Reads one event, or several: an array of them, or an object with a list of them (which may name the parcel once).
///
/// # Errors
/// [`crate::error::Error::Payload`] naming the first field that is missing or not understood.
pub fn parse<'a, J: Json<'a>>(payload: J) -> Result<Vec<ParcelEvent<J>>> {
    let root = Field::root("event", payload);
    if payload.kind() == crate::json::Kind::Array {
        return several(&root, None);
    }
    let root = root.object()?;
    for name in LISTS {
        let list = root.member(name);
        if list.kind() == Some(crate::json::Kind::Array) {
            return several(&list, first(&root, PARCEL)?.map(|parcel| tracking_no(&parcel)));
        }
    }
    Ok(vec![event(&root, None)?])
}

fn several<'a, J: Json<'a>>(list: &Field<'_, J>, parcel: Option<String>) -> Result<Vec<ParcelEvent<J>>> {
    let elements = list.elements()?.into_iter().flatten();
    let events = elements
        .map(|element| event(&element.object()?, parcel.as_deref()))
        .collect::<Result<Vec<_>>>()?;
    if events.is_empty() {
        return Err(list.error("holds no event"));
    }
    Ok(events)
}

fn event<'a, J: Json<'a>>(field: &Field<'_, J>, parcel: Option<&str>) -> Result<ParcelEvent<J>> {
    let own = first(field, PARCEL)?.map(|own| tracking_no(&own));
    let named = own.or(parcel.map(str::to_owned));
    let missing = |names: &[&'static str]| field.member(names[0]);
    Ok(ParcelEvent {
        tracking_no: missing(PARCEL).required(named)?,
        code: missing(CODE).required(first(field, CODE)?)?,
        // Only shown: nothing is refused for it.
        text: first(field, TEXT).ok().flatten(),
        time: missing(TIME).required(time(field)?)?,
        raw: field.required(field.value())?,
    })
}

/// A delivery's own id, where the payload tells one event: parcel, code and time, as they stand there.
pub fn event_id<'a, J: Json<'a>>(payload: J) -> Option<String> {
    let root = Field::root("event", payload);
    let part = |names| first(&root, names).ok().flatten();
    let parcel = tracking_no(&part(PARCEL)?);
    let (code, time) = (part(CODE)?, part(TIME)?);
    match part(DATE) {
        Some(date) if date != time => Some(format!("{parcel}:{code}:{date} {time}")),
        _ => Some(format!("{parcel}:{code}:{time}")),
    }
}

fn first<'a, J: Json<'a>>(field: &Field<'_, J>, names: &[&'static str]) -> Result<Option<String>> {
    for name in names {
        if let Some(text) = field.member(name).text_or_number()? {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

fn time<'a, J: Json<'a>>(field: &Field<'_, J>) -> Result<Option<Timestamp>> {
    for name in TIME {
        let member = field.member(name);
        let Some(text) = member.text_or_number()? else {
            continue;
        };
        let text = match (time_of_day(&text), first(field, DATE)?) {
            (Some(_), Some(date)) if day(&date).is_some() => format!("{date} {text}"),
            (Some(_), Some(date)) => date,
            _ => text,
        };
        let shown = || text.chars().take(60).collect::<String>();
        return match moment(&text) {
            Some(time) => Ok(Some(time)),
            None => Err(member.error(format!("not a time: \"{}\"", shown()))),
        };
    }
    Ok(None)
}

fn time_of_day(text: &str) -> Option<NaiveTime> {
    let formats = ["%H:%M:%S%.f", "%H:%M"];
    formats
        .iter()
        .find_map(|format| NaiveTime::parse_from_str(text, format).ok())
}

/// Year first, or day first, as the UK writes it.
fn day(text: &str) -> Option<NaiveDate> {
    let formats = ["%Y-%m-%d", "%d/%m/%Y"];
    formats
        .iter()
        .find_map(|format| NaiveDate::parse_from_str(text, format).ok())
}

/// A date and perhaps a time of day, with an offset or in UK time; or seconds or milliseconds since 1970.
fn moment(text: &str) -> Option<Timestamp> {
    const EPOCH_2000: i64 = 946_684_800_000_000;
    const FURTHEST: i64 = 7_000 * 366 * 86_400_000_000;
    let micros = match text.parse::<i64>() {
        Ok(number) => of_number(number)?,
        Err(_) => of_text(text)?,
    };
    Some(Timestamp(micros.checked_sub(EPOCH_2000)?)).filter(|time| time.0.abs() < FURTHEST)
}

fn of_number(number: i64) -> Option<i64> {
    // Fewer digits are not a time but 20260119 or the like.
    match number {
        1_000_000_000..100_000_000_000 => number.checked_mul(1_000_000),
        100_000_000_000.. => number.checked_mul(1_000),
        _ => None,
    }
}

fn of_text(text: &str) -> Option<i64> {
    let text = text.replacen(' ', "T", 1);
    let with_offset = DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%#z");
    let with_offset = with_offset.or_else(|_| DateTime::parse_from_rfc3339(&text));
    if let Ok(time) = with_offset {
        return Some(time.timestamp_micros());
    }
    let local = match text.split_once('T') {
        Some((date, time)) => day(date)?.and_time(time_of_day(time)?),
        None => day(&text)?.and_time(NaiveTime::MIN),
    };
    let utc = local.checked_sub_signed(uk_offset(local)?)?;
    Some(utc.and_utc().timestamp_micros())
}

/// How far UK time is ahead of UTC: an hour from the last Sunday of March to the last Sunday of October, both at 01:00
/// UTC (since 1996). The hour that comes twice in October counts as its first.
fn uk_offset(local: NaiveDateTime) -> Option<Duration> {
    let at_one = NaiveTime::from_hms_opt(1, 0, 0)?;
    let begins = last_sunday(local.year(), 3)?.and_time(at_one);
    // 01:00 UTC is 02:00 on the clocks that go back.
    let ends = last_sunday(local.year(), 10)?.and_time(at_one) + Duration::hours(1);
    let is_summer = local >= begins + Duration::hours(1) && local < ends;
    Some(Duration::hours(i64::from(is_summer)))
}

fn last_sunday(year: i32, month: u32) -> Option<NaiveDate> {
    // Both months have 31 days.
    let last = NaiveDate::from_ymd_opt(year, month, 31)?;
    let back = last.weekday().days_since(Weekday::Sun);
    last.checked_sub_signed(Duration::days(back.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn utc(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn an_event_is_read_whatever_its_members_are_called() {
        for payload in [
            json!({"parcelNumber": "1550 1234 5678 90", "eventCode": "01", "eventText": "No one home", "eventDate": "2026-01-19 14:05:00"}),
            json!({"tracking_number": "15501234567890", "code": "01", "description": "No one home", "timestamp": "2026-01-19T14:05:00Z"}),
            json!({"parcel_no": 15501234567890_i64, "status_code": "01", "text": "No one home", "date": "19/01/2026", "time": "14:05"}),
            json!([{"trackingNo": "15501234567890", "eventCode": "01", "message": "No one home", "time": 1_768_831_500}]),
            json!({"parcelNumber": "15501234567890", "data": [{"eventCode": "01", "eventText": "No one home", "eventTime": 1_768_831_500_000_i64}]}),
        ] {
            let events = parse(&payload).unwrap();
            let event = &events[0];
            assert_eq!((events.len(), event.code.as_str()), (1, "01"), "{payload}");
            assert_eq!(event.tracking_no, "15501234567890", "{payload}");
            assert_eq!(event.text.as_deref(), Some("No one home"), "{payload}");
            assert_eq!(event.time, utc("2026-01-19T14:05:00Z"), "{payload}");
        }
    }

    #[test]
    fn codes_are_text() {
        let code = |value: Value| {
            let payload =
                json!({"parcelNumber": "1", "eventCode": value, "eventDate": "2026-01-19T14:05:00"});
            parse(&payload).unwrap().remove(0).code
        };
        assert_eq!(
            [code(json!("01")), code(json!("1")), code(json!(1))],
            ["01", "1", "1"]
        );
    }

    #[test]
    fn times_without_an_offset_are_uk_time_summer_and_winter() {
        for (local, expected) in [
            ("2026-01-19 14:05:00", "2026-01-19T14:05:00Z"),
            ("2026-07-19T14:05:00", "2026-07-19T13:05:00Z"),
            ("2026-07-19T14:05:00+02:00", "2026-07-19T12:05:00Z"),
            ("2026-07-19 14:05:00.5+0200", "2026-07-19T12:05:00.5Z"),
            ("2026-01-19", "2026-01-19T00:00:00Z"),
            ("19/07/2026 14:05", "2026-07-19T13:05:00Z"),
            // 29 March 2026: at 01:00 UTC the clocks go on to 02:00.
            ("2026-03-29 00:59:59", "2026-03-29T00:59:59Z"),
            ("2026-03-29 02:00:00", "2026-03-29T01:00:00Z"),
            // 25 October 2026: at 01:00 UTC the clocks go back to 01:00.
            ("2026-10-25 01:30:00", "2026-10-25T00:30:00Z"),
            ("2026-10-25 02:00:00", "2026-10-25T02:00:00Z"),
        ] {
            assert_eq!(moment(local), Some(utc(expected)), "{local}");
        }
        for nonsense in ["", "yesterday", "20260119", "2026-02-30 10:00:00", "01"] {
            assert_eq!(moment(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn an_error_names_the_member_that_is_missing_or_wrong() {
        for (payload, error) in [
            (json!({}), "event.parcelNumber: missing"),
            (json!({"parcelNumber": "1"}), "event.eventCode: missing"),
            (
                json!({"parcelNumber": "1", "eventCode": "01"}),
                "event.eventDateTime: missing",
            ),
            (
                json!({"parcelNumber": "1", "eventCode": "01", "eventDate": "soon"}),
                "event.eventDate: not a time: \"soon\"",
            ),
            (json!([]), "event: holds no event"),
            (json!([{}]), "event[0].parcelNumber: missing"),
            (json!(17), "event: not an object: a number"),
        ] {
            assert_eq!(parse(&payload).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn a_delivery_is_known_by_parcel_code_and_time() {
        let payload =
            json!({"parcelNumber": "1550 1", "eventCode": "01", "eventDate": "2026-01-19 14:05:00"});
        assert_eq!(
            event_id(&payload).as_deref(),
            Some("15501:01:2026-01-19 14:05:00")
        );
        let apart =
            json!({"parcelNumber": "1", "eventCode": "01", "eventDate": "2026-01-19", "eventTime": "14:05"});
        assert_eq!(event_id(&apart).as_deref(), Some("1:01:2026-01-19 14:05"));
        assert_eq!(event_id(&json!({"parcelNumber": "1"})), None);
        assert_eq!(event_id(&json!([payload])), None);
    }
}
