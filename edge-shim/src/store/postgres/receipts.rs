//! Which receipt is whose: each webhook is given a reference, and its receipt brings it back. The rows' order is not promised, nor their
//! numbers: a proxy that splits the call among several databases puts together what each of them counts from 1.

use tokio_postgres::Row;

use super::failure::{Failure, with_causes};
use crate::store::Receipt;

/// The reference of the webhook at this place.
pub fn reference(place: usize) -> String {
    place.to_string()
}

/// The receipts in the order of their webhooks, of which there are so many.
///
/// # Errors
/// One is missing, or there is one that no webhook waits for.
pub fn in_order(rows: &[Row], webhooks: usize) -> Result<Vec<Receipt>, Failure> {
    let found: Result<Vec<_>, _> = rows.iter().map(read).collect();
    let found = found.map_err(|error| Failure::Shape(with_causes(&error)))?;
    matched(found, webhooks).map_err(Failure::Shape)
}

fn read(row: &Row) -> Result<(String, Receipt), tokio_postgres::Error> {
    let receipt = Receipt {
        webhook_id: row.try_get(1)?,
        duplicate: row.try_get(2)?,
    };
    Ok((row.try_get(0)?, receipt))
}

fn matched(found: Vec<(String, Receipt)>, webhooks: usize) -> Result<Vec<Receipt>, String> {
    let count = found.len();
    let mut receipts: Vec<Option<Receipt>> = vec![None; webhooks];
    for (given, receipt) in found {
        let place = given.parse::<usize>().ok();
        match place.and_then(|place| receipts.get_mut(place)) {
            Some(slot @ None) => *slot = Some(receipt),
            Some(Some(_)) | None => {
                return Err(format!(
                    "a receipt came back for {given:?}, which none of {webhooks} webhooks waits for"
                ));
            }
        }
    }
    let complete: Option<Vec<Receipt>> = receipts.into_iter().collect();
    complete.ok_or_else(|| format!("{count} receipts came back for {webhooks} webhooks"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipts(references: &[&str]) -> Vec<(String, Receipt)> {
        let receipt = |reference: &&str| {
            let receipt = Receipt {
                webhook_id: format!("of {reference}"),
                duplicate: false,
            };
            ((*reference).to_owned(), receipt)
        };
        references.iter().map(receipt).collect()
    }

    #[test]
    fn a_receipt_goes_to_the_webhook_whose_reference_it_brings() {
        let found: Vec<String> = matched(receipts(&["2", "0", "1"]), 3)
            .unwrap_or_default()
            .into_iter()
            .map(|receipt| receipt.webhook_id)
            .collect();
        assert_eq!(found, ["of 0", "of 1", "of 2"]);
        assert_eq!(reference(2), "2");
    }

    #[test]
    fn nothing_is_promised_where_a_receipt_is_missing_or_of_nobody() {
        for found in [
            &["0"][..],
            &["0", "0"],
            &["0", "2"],
            &["0", "1", "1"],
            &["0", ""],
            &["0", "x"],
        ] {
            assert!(matched(receipts(found), 2).is_err(), "{found:?}");
        }
        assert_eq!(matched(Vec::new(), 0), Ok(Vec::new()));
    }
}
