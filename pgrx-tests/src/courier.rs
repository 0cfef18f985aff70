//! Shipments under way: Shopify's fulfillments, and DPD's events as a forwarder posts them to the shim.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::http::{Answer, HttpClient, headers};
use crate::receiver::customerio::{Account, CUSTOMERS};
use crate::shim::Shim;
use crate::shopify::Delivery;
use crate::{Receiver, Stack, wait_until};

/// The variable of the shim that holds DPD's token.
pub const TOKEN_VARIABLE: &str = "DPD_WEBHOOK_TOKEN";

const LIMIT: Duration = Duration::from_secs(20);

/// A fulfillment as `fulfillments/*` webhooks carry it, with these tracking numbers.
pub fn fulfillment(id: i64, order_id: i64, numbers: &[&str], updated_at: &str) -> Value {
    let urls: Vec<String> = numbers.iter().map(|number| tracking_url(number)).collect();
    json!({
        "id": id, "order_id": order_id, "status": "success", "created_at": "2026-01-19T09:00:00+00:00", "service": "manual",
        "updated_at": updated_at, "tracking_company": "DPD UK", "shipment_status": null, "location_id": 655_441_491,
        "email": "", "line_items": [], "tracking_number": numbers.first(), "tracking_numbers": numbers,
        "tracking_url": urls.first(), "tracking_urls": urls, "receipt": {}, "name": "#1001.1",
        "admin_graphql_api_id": format!("gid://shopify/Fulfillment/{id}"),
    })
}

/// Where a shipment is followed.
pub fn tracking_url(number: &str) -> String {
    format!("https://track.dpd.co.uk/parcels/{number}")
}

/// A delivery of it with fresh ids.
pub fn fulfillment_delivery(topic: &str, fulfillment: &Value) -> Delivery {
    Delivery::new(topic, fulfillment.to_string())
}

/// An event of DPD's; the time is UK time, without an offset.
pub fn dpd_event(shipment: &str, code: &str, text: &str, time: &str) -> Value {
    json!({"parcelNumber": shipment, "eventCode": code, "eventText": text, "eventDate": time, "eventLocation": "Birmingham"})
}

/// Sends DPD's events to the shim.
#[derive(Clone, Debug)]
pub struct Dpd {
    url: String,
    token: String,
    http: HttpClient,
}

impl Dpd {
    /// To this shim, with this token.
    pub fn to(shim: &Shim, token: &str) -> Self {
        Self {
            url: shim.url("/webhooks/dpd"),
            token: token.to_owned(),
            http: HttpClient::new(Duration::from_secs(5)),
        }
    }

    /// Sends one body.
    pub async fn send(&self, body: &Value) -> Result<Answer> {
        let bearer = format!("Bearer {}", self.token);
        let headers = headers([
            ("content-type", "application/json"),
            ("authorization", bearer.as_str()),
        ])?;
        self.http
            .post(&self.url, headers, Bytes::from(body.to_string()))
            .await
    }
}

/// Lets raw_ops send its notifications to this receiver, which plays the account.
pub async fn tell_customers_through(stack: &Stack, receiver: &Receiver, account: &Account) -> Result<()> {
    let client = stack.connect().await?;
    receiver.always(&format!("{CUSTOMERS}*"), account.track_api());
    for (name, value) in [
        ("customerio_site_id", &account.site_id),
        ("customerio_api_key", &account.api_key),
    ] {
        let sql = "SELECT raw_ops.fn_set_secret_v1($1, $2)";
        client.execute(sql, &[&name, value]).await?;
    }
    let url = receiver.url("");
    let superuser = stack.connect_as_superuser().await?;
    superuser
        .batch_execute(&format!("ALTER SYSTEM SET raw_ops.customerio_base_url = '{url}'"))
        .await?;
    superuser.batch_execute("SELECT pg_reload_conf()").await?;
    let show = "SELECT current_setting('raw_ops.customerio_base_url')";
    wait_until(LIMIT, "the setting to be read", async || {
        let row = client.query_one(show, &[]).await;
        row.is_ok_and(|row| row.get::<_, String>(0) == url)
    })
    .await
    .context("raw_ops.customerio_base_url")
}
