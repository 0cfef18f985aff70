//! DPD UK's shipment events. There is no public contract of a push, so this reads what DPD's public tracking answers and its
//! forwarders (Make.com, a script) plausibly send: see docs/providers.md. Codes stay text, times without an offset are
//! UK time.

mod uk_time;

use super::commands::{Command, ShipmentEvent, ShipmentReport};
use super::list::{Element, read_each};
use super::tracking::tracking_no;
use super::{ANY_TOPIC, Provider};
use crate::error::Result;
use crate::json::{Field, Json, Kind, Timestamp};
use uk_time::{day, moment, time_of_day};

/// See the module.
pub struct Dpd;

impl Provider for Dpd {
    const NAME: &'static str = "dpd";
    const COURIER: Option<&'static str> = Some(COURIER);
    type Topic = ();
    /// One kind of webhook, whatever the sender calls it.
    const TOPICS: &'static [(&'static str, ())] = &[(ANY_TOPIC, ())];

    fn read<'a, J: Json<'a>>((): (), payload: J) -> Result<Command<'a, J>> {
        Ok(Command::RecordShipmentEvents(ShipmentReport {
            provider: Self::NAME,
            courier: COURIER,
            events: parse(payload)?,
        }))
    }

    fn event_id<'a, J: Json<'a>>(payload: J) -> Option<String> {
        event_id(payload)
    }

    fn read_waiting<'a, J: Json<'a>>(element: J, shipment: &str) -> Result<ShipmentEvent<J>> {
        event_of(&Field::root("event", element).object()?, || {
            Ok(Some(shipment.to_owned()))
        })
    }
}

const COURIER: &str = "DPD";

/// The first of these that is there counts.
const TRACKING_NO: &[&str] = &[
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

/// Characters of a shipment number, a code or a time: all are looked up in an index, or make up the delivery's id.
const LONGEST: usize = 100;
/// Characters of a text that is passed on to the customer.
const LONGEST_TEXT: usize = 10_000;

/// Reads one event, or several: an array of them, or an object with a list of them (which may name the shipment once).
///
/// # Errors
/// [`crate::error::Error::Payload`] naming the first field that is missing or not understood, where there is no event at all
/// that can be read.
fn parse<'a, J: Json<'a>>(payload: J) -> Result<Vec<Element<J, ShipmentEvent<J>>>> {
    let root = Field::root("event", payload);
    let of_list = |list: &Field<'_, J>, shipment: Option<&Field<'_, J>>| {
        read_each(list, "event", |element| event(&element.object()?, shipment))
    };
    if payload.kind() == Kind::Array {
        return of_list(&root, None);
    }
    let root = root.object()?;
    for name in LISTS {
        let list = root.member(name);
        if list.kind() == Some(Kind::Array) {
            return of_list(&list, Some(&root));
        }
    }
    Ok(vec![Element {
        path: root.path(),
        raw: payload,
        read: Ok(event(&root, None)?),
    }])
}

/// `around` names the shipment of an event that does not.
fn event<'a, J: Json<'a>>(field: &Field<'_, J>, around: Option<&Field<'_, J>>) -> Result<ShipmentEvent<J>> {
    event_of(field, || {
        around.map_or(Ok(None), |around| first(around, TRACKING_NO))
    })
}

fn event_of<'a, J: Json<'a>>(
    field: &Field<'_, J>,
    shipment: impl Fn() -> Result<Option<String>>,
) -> Result<ShipmentEvent<J>> {
    let named = match first(field, TRACKING_NO)? {
        Some(own) => Some(own),
        None => shipment()?,
    };
    let missing = |names: &[&'static str]| field.member(names[0]);
    Ok(ShipmentEvent {
        tracking_no: tracking_no(&missing(TRACKING_NO).required(named)?),
        code: missing(CODE).required(first(field, CODE)?)?,
        // Only shown: nothing is refused for it.
        text: first_up_to(LONGEST_TEXT, field, TEXT).ok().flatten(),
        time: missing(TIME).required(time(field)?)?,
        raw: field.required(field.value())?,
    })
}

/// A delivery's own id, where the payload tells one event: shipment, code and time, as they stand there.
fn event_id<'a, J: Json<'a>>(payload: J) -> Option<String> {
    let root = Field::root("event", payload);
    let part = |names| first(&root, names).ok().flatten();
    let shipment = tracking_no(&part(TRACKING_NO)?);
    let (code, time) = (part(CODE)?, part(TIME)?);
    match part(DATE) {
        Some(date) if date != time => Some(format!("{shipment}:{code}:{date} {time}")),
        _ => Some(format!("{shipment}:{code}:{time}")),
    }
}

fn first<'a, J: Json<'a>>(field: &Field<'_, J>, names: &[&'static str]) -> Result<Option<String>> {
    first_up_to(LONGEST, field, names)
}

fn first_up_to<'a, J: Json<'a>>(
    most: usize,
    field: &Field<'_, J>,
    names: &[&'static str],
) -> Result<Option<String>> {
    for name in names {
        if let Some(text) = field.member(name).short_text_or_number(most)? {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

fn time<'a, J: Json<'a>>(field: &Field<'_, J>) -> Result<Option<Timestamp>> {
    for name in TIME {
        let member = field.member(name);
        let Some(text) = member.short_text_or_number(LONGEST)? else {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// The events of a payload that can be read.
    fn read(payload: &Value) -> Result<Vec<ShipmentEvent<&Value>>> {
        parse(payload)?.into_iter().map(|element| element.read).collect()
    }

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
            let events = read(&payload).unwrap();
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
            read(&payload).unwrap().remove(0).code
        };
        assert_eq!(
            [code(json!("01")), code(json!("1")), code(json!(1))],
            ["01", "1", "1"]
        );
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
    fn an_event_of_a_list_that_is_wrong_is_named_and_harms_no_other() {
        let good = json!({"eventCode": "01", "eventDate": "2026-01-19"});
        let list = json!({"parcelNumber": "1", "events": [good, {"eventCode": "01"}, 17, good]});
        let shown = parse(&list)
            .unwrap()
            .into_iter()
            .map(|element| match element.read {
                Ok(event) => format!("{} {}", element.path, event.tracking_no),
                Err(error) => error.to_string(),
            });
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                "event.events[0] 1",
                "event.events[1].eventDateTime: missing",
                "event.events[2]: not an object: a number",
                "event.events[3] 1"
            ]
        );
        // The shipment that all of them lack.
        let nameless = json!({"events": [good]});
        assert_eq!(
            read(&nameless).unwrap_err().to_string(),
            "event.events[0].parcelNumber: missing"
        );
        let waited = Dpd::read_waiting(&good, "15501").unwrap();
        assert_eq!(
            (waited.tracking_no.as_str(), waited.code.as_str()),
            ("15501", "01")
        );
    }

    #[test]
    fn what_makes_up_an_index_entry_is_bounded_and_what_is_only_shown_is_not_refused() {
        let long = "9".repeat(101);
        for (member, error) in [
            ("parcelNumber", "event.parcelNumber: longer than 100 characters"),
            ("eventCode", "event.eventCode: longer than 100 characters"),
            ("eventDate", "event.eventDate: longer than 100 characters"),
        ] {
            let mut payload = json!({"parcelNumber": "1", "eventCode": "01", "eventDate": "2026-01-19"});
            payload[member] = long.as_str().into();
            assert_eq!(parse(&payload).unwrap_err().to_string(), error);
            assert_eq!(event_id(&payload), None, "the body's hash then");
        }
        let told = json!({"parcelNumber": "1", "eventCode": "01", "eventDate": "2026-01-19", "eventText": "x".repeat(20_000)});
        assert_eq!(read(&told).unwrap()[0].text, None);
    }

    #[test]
    fn a_delivery_is_known_by_shipment_code_and_time() {
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
