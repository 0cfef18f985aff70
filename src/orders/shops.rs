//! Which shop an order is of: ids of Shopify's count only together with the shop.

use super::Change;
use crate::db::{Session, result_row, statements};
use crate::error::{Error, Result};
use crate::shop;
use std::collections::{BTreeMap, HashMap};

/// What names the shop of an order.
const NAME_IT: &str = "raw_ops.process_order_webhook_txn() takes the shop as its second argument";

statements! {
    execute find_shops(orders: Vec<i64>) -> ShopRow = file "orders/find_shops.sql";
}

result_row! {
    struct ShopRow {
        shopify_order_id: Option<i64>,
        shop_domain: String,
    }
}

/// Payloads by their shop, in the order of the shops (so that two transactions lock in one order), and those of which it cannot
/// be told, with why.
pub struct ByShop<'a> {
    pub known: BTreeMap<String, Vec<Change<'a>>>,
    pub unknown: Vec<(usize, Error)>,
}

/// Sorts payloads by shop. One that names none is of the only shop that has its order, else (also where its order is of no known
/// shop) of the only active shop, else of the shop without a name.
pub fn by_shop<'a>(session: &Session, changes: Vec<Change<'a>>) -> Result<ByShop<'a>> {
    let nameless = changes.iter().filter(|change| change.shop.is_empty());
    let nameless: Vec<i64> = nameless
        .map(|change| change.command.order.shopify_order_id)
        .collect();
    let found = match nameless.is_empty() {
        true => Found::default(),
        false => Found::look(session, nameless)?,
    };
    let mut sorted = ByShop {
        known: BTreeMap::new(),
        unknown: Vec::new(),
    };
    for mut change in changes {
        if change.shop.is_empty() {
            match found.shop_of(change.command.order.shopify_order_id) {
                Ok(shop) => change.shop = shop.to_owned(),
                Err(error) => {
                    sorted.unknown.push((change.index, error));
                    continue;
                }
            }
        }
        match sorted.known.get_mut(&change.shop) {
            Some(changes) => changes.push(change),
            None => drop(sorted.known.insert(change.shop.clone(), vec![change])),
        }
    }
    Ok(sorted)
}

/// What tells the shop of orders that name none.
#[derive(Default)]
struct Found {
    active: Vec<String>,
    having: HashMap<i64, Vec<String>>,
}

impl Found {
    fn look(session: &Session, orders: Vec<i64>) -> Result<Self> {
        let mut found = Self::default();
        for row in find_shops(session, orders)?.all()? {
            match row.shopify_order_id {
                None => found.active.push(row.shop_domain),
                Some(order) => found.having.entry(order).or_default().push(row.shop_domain),
            }
        }
        Ok(found)
    }

    fn shop_of(&self, order: i64) -> Result<&str> {
        match (
            self.having.get(&order).map_or(&[][..], Vec::as_slice),
            self.active.as_slice(),
        ) {
            ([having], [only]) if having.is_empty() => Ok(only),
            ([only], _) => Ok(only),
            ([], [only]) => Ok(only),
            ([], _) => Ok(""),
            (several, _) => Err(shop::ambiguous(
                &format!("order.id: order {order}"),
                several,
                NAME_IT,
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(active: &[&str], having: &[&str]) -> Found {
        let owned = |shops: &[&str]| shops.iter().map(|shop| (*shop).to_owned()).collect();
        Found {
            active: owned(active),
            having: HashMap::from([(1001, owned(having))]),
        }
    }

    #[test]
    fn the_shop_that_has_the_order_comes_before_the_only_one_there_is() {
        for (active, having, shop) in [
            (&["uk"][..], &[][..], "uk"),
            (&["uk", "eu"], &[], ""),
            (&[], &[], ""),
            (&["uk", "eu"], &["eu"], "eu"),
            (&["uk"], &[""], "uk"),
            (&["uk", "eu"], &[""], ""),
        ] {
            let found = found(active, having);
            assert_eq!(found.shop_of(1001).ok(), Some(shop), "{active:?} {having:?}");
        }
    }

    #[test]
    fn of_several_shops_with_the_order_none_is_guessed() {
        let found = found(&["uk", "eu"], &["uk", ""]);
        let error = found
            .shop_of(1001)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(
            error.contains("several shops (the one without a name, uk)"),
            "{error}"
        );
        assert_eq!(found.shop_of(1002).ok(), Some(""));
    }
}
