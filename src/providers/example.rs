//! A courier made up for the tests: what a new provider takes, and no more.

use super::Provider;
use super::commands::{Command, ShipmentEvent, ShipmentReport};
use super::list::read_each;
use super::tracking::tracking_no;
use crate::error::Result;
use crate::json::{Field, Json};

/// Reports `{"scans": [{"number": "1550", "what": "01", "at": "2026-01-19T14:05:00Z"}]}`.
pub struct Example;

impl Provider for Example {
    const NAME: &'static str = "example";
    const COURIER: Option<&'static str> = Some(COURIER);
    type Topic = ();
    const TOPICS: &'static [(&'static str, ())] = &[("shipment/scanned", ())];

    fn read<'a, J: Json<'a>>((): (), payload: J) -> Result<Command<'a, J>> {
        let report = Field::root("report", payload).object()?;
        let scans = report.member("scans");
        Ok(Command::RecordShipmentEvents(ShipmentReport {
            provider: Self::NAME,
            courier: COURIER,
            events: read_each(&scans, "scan", scan)?,
        }))
    }

    fn read_waiting<'a, J: Json<'a>>(element: J, _shipment: &str) -> Result<ShipmentEvent<J>> {
        scan(&Field::root("scan", element))
    }
}

const COURIER: &str = "Example";
/// Characters of a number or a code: both are looked up in an index.
const LONGEST: usize = 100;

fn scan<'a, J: Json<'a>>(field: &Field<'_, J>) -> Result<ShipmentEvent<J>> {
    let field = field.object()?;
    let (number, what, at) = (field.member("number"), field.member("what"), field.member("at"));
    Ok(ShipmentEvent {
        tracking_no: tracking_no(&number.required(number.short_text_or_number(LONGEST)?)?),
        code: what.required(what.short_text_or_number(LONGEST)?)?,
        text: None,
        time: at.required(at.timestamp()?)?,
        raw: field.required(field.value())?,
    })
}
