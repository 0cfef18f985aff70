//! From a fulfillment's payloads to its shipments: the same rows whatever order the payloads arrive in. Pure.
//!
//! Each of a fulfillment's facts is the newest payload's that speaks of it. A tracking number is a shipment for good; one that the
//! newest list of numbers lacks is `replaced`.

use super::Id;
use crate::convergence::{Said, Shape, State, Version};
use crate::db::ids;
use crate::providers::shopify::fulfillment::Fulfillment as Payload;
use std::collections::{HashMap, HashSet};

/// Null never decides any of them.
pub const FULFILLMENT: Shape = Shape {
    names: &["courier_name", "status", "formal_status", "tracking_numbers"],
    open_when_blank: 0b1111,
};
const COURIER: u32 = 1 << 0;
const STATUS: u32 = 1 << 1;
const FORMAL_STATUS: u32 = 1 << 2;
const NUMBERS: u32 = 1 << 3;

const REPLACED: &str = "replaced";
const CREATED: &str = "created";

/// What is known of a fulfillment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fulfillment {
    pub state: State,
    pub courier_name: Option<String>,
    /// Where the shipments are, or that they are not under way any more.
    pub status: Option<String>,
    /// `pending`, `open` or `success`: says of the fulfillment only, so it is no news about a shipment that is under way.
    pub formal_status: Option<String>,
    pub tracking_numbers: Vec<String>,
}

/// A shipment of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipment {
    pub id: Id,
    /// Null until the fulfillment has a number.
    pub tracking_no: Option<String>,
    /// The fulfillment's.
    pub courier_name: Option<String>,
    pub tracking_url: Option<String>,
    /// Of the payload that gave the URL.
    pub url_version: Version,
    pub status: String,
}

/// A fulfillment and all of its shipments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub fulfillment: Fulfillment,
    pub shipments: Vec<Shipment>,
}

impl Fulfillment {
    /// Nobody has spoken of it.
    pub fn unknown() -> Self {
        Self {
            state: FULFILLMENT.unknown(),
            courier_name: None,
            status: None,
            formal_status: None,
            tracking_numbers: Vec::new(),
        }
    }

    fn hear(&mut self, payload: &Payload<'_>, version: Version) {
        let row = self.state.version.max(version);
        let (status, formal) = match payload.status {
            Some(status) if is_formal(status) => (None, Some(status)),
            status => (status, None),
        };
        let taken = self.hear_fields(
            Said {
                version,
                says: bit(payload.courier_name.is_some(), COURIER)
                    | bit(formal.is_some(), FORMAL_STATUS)
                    | bit(!payload.shipments.is_empty(), NUMBERS),
                blank: 0,
                outranks: 0,
            },
            row,
        );
        if taken & COURIER != 0 {
            self.courier_name = payload.courier_name.map(str::to_owned);
        }
        if taken & FORMAL_STATUS != 0 {
            self.formal_status = formal.map(str::to_owned);
        }
        if taken & NUMBERS != 0 {
            let numbers = payload
                .shipments
                .iter()
                .map(|shipment| shipment.tracking_no.clone());
            self.tracking_numbers = numbers.collect();
        }
        if let Some(status) = status {
            let said = Said {
                version: version_of_status(version, status),
                says: STATUS,
                blank: 0,
                outranks: 0,
            };
            if self.hear_fields(said, row) & STATUS != 0 {
                self.status = Some(status.to_owned());
            }
        }
    }

    fn hear_fields(&mut self, said: Said, row: Version) -> u32 {
        FULFILLMENT.hear_for(&mut self.state, &said, row)
    }

    /// Of the shipments under its present numbers.
    fn status(&self) -> &str {
        let version = |field| FULFILLMENT.version_of(&self.state, field);
        match (&self.status, &self.formal_status) {
            // Begun anew after it was called off.
            (Some(status), Some(formal)) if is_called_off(status) && version(2) > version(1) => formal,
            (Some(status), _) => status,
            (None, Some(formal)) => formal,
            (None, None) => CREATED,
        }
    }
}

/// Of the same second the end of a shipment's way counts as the latest.
fn version_of_status(version: Version, status: &str) -> Version {
    match status {
        "delivered" | "returned" => Version {
            triggered_at: Some(i64::MAX),
            ..version
        },
        _ => version,
    }
}

fn is_formal(status: &str) -> bool {
    matches!(status, "pending" | "open" | "success")
}

fn is_called_off(status: &str) -> bool {
    matches!(status, "cancelled" | "error")
}

fn bit(is_set: bool, field: u32) -> u32 {
    if is_set { field } else { 0 }
}

impl Known {
    /// Hears a payload. Returns which shipments it changes, by position; those beyond the ones known before are new.
    pub fn hear(&mut self, payload: &Payload<'_>, version: Version) -> Vec<usize> {
        let before = self.clone();
        self.fulfillment.hear(payload, version);
        self.name_the_nameless();
        let mut places: HashMap<String, usize> = HashMap::with_capacity(self.shipments.len());
        for (place, shipment) in self.shipments.iter().enumerate() {
            places.extend(shipment.tracking_no.clone().map(|number| (number, place)));
        }
        for shipment in &payload.shipments {
            let place = *places.entry(shipment.tracking_no.clone()).or_insert_with(|| {
                self.shipments
                    .push(Shipment::new(Some(shipment.tracking_no.clone())));
                self.shipments.len() - 1
            });
            self.shipments[place].hear_url(shipment.tracking_url, version);
        }
        if self.shipments.is_empty() {
            self.shipments.push(Shipment::new(None));
        }
        self.follow(&before.fulfillment, before.shipments.len());
        let is_changed = |place: &usize| before.shipments.get(*place) != Some(&self.shipments[*place]);
        (0..self.shipments.len()).filter(is_changed).collect()
    }

    /// The shipment that had no number yet gets the first that is nobody's.
    fn name_the_nameless(&mut self) {
        let known: HashSet<&str> = self
            .shipments
            .iter()
            .filter_map(|one| one.tracking_no.as_deref())
            .collect();
        let mut numbers = self.fulfillment.tracking_numbers.iter();
        let Some(number) = numbers.find(|number| !known.contains(number.as_str())).cloned() else {
            return;
        };
        if let Some(nameless) = self.shipments.iter_mut().find(|one| one.tracking_no.is_none()) {
            nameless.tracking_no = Some(number);
        }
    }

    /// Status and courier of the shipments, where the fulfillment has news about them: what somebody wrote by hand stays until
    /// then.
    fn follow(&mut self, before: &Fulfillment, known: usize) {
        let (old, new) = (numbers(before), numbers(&self.fulfillment));
        let now = &self.fulfillment;
        for (place, shipment) in self.shipments.iter_mut().enumerate() {
            let number = shipment.tracking_no.as_deref();
            let status = status_under(now, &new, number);
            if place >= known || status != status_under(before, &old, number) {
                shipment.status = status.to_owned();
            }
            if place >= known || now.courier_name != before.courier_name {
                shipment.courier_name.clone_from(&now.courier_name);
            }
        }
    }
}

fn numbers(fulfillment: &Fulfillment) -> HashSet<&str> {
    fulfillment.tracking_numbers.iter().map(String::as_str).collect()
}

/// While there are no numbers a shipment without one is the present one.
fn status_under<'f>(fulfillment: &'f Fulfillment, numbers: &HashSet<&str>, number: Option<&str>) -> &'f str {
    let is_present = match number {
        Some(number) => numbers.contains(number),
        None => numbers.is_empty(),
    };
    match is_present {
        true => fulfillment.status(),
        false => REPLACED,
    }
}

impl Shipment {
    fn new(tracking_no: Option<String>) -> Self {
        Self {
            id: ids::uuid_v7(),
            tracking_no,
            courier_name: None,
            tracking_url: None,
            status: CREATED.to_owned(),
            url_version: Version::NEVER,
        }
    }

    fn hear_url(&mut self, tracking_url: Option<&str>, version: Version) {
        if let Some(url) = tracking_url
            && version > self.url_version
        {
            self.tracking_url = Some(url.to_owned());
            self.url_version = version;
        }
    }
}

#[cfg(test)]
mod tests;
