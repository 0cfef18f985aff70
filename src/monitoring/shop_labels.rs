//! The label `shop` of metrics: which shops are told apart. Bounded, since every label value is a time series of its own.

use crate::alerts::Shops;
use crate::db::{Session, statements};
use crate::error::Result;

/// So many shops have a label value of their own; all later ones share [`OTHERS`].
const LABELLED: usize = 50;
/// The label value of all shops that came later.
const OTHERS: &str = "other";
/// The label value of what names no shop.
const NONE: &str = "none";

statements! {
    query find_labelled_shops(most: i64) -> String = file "monitoring/metrics/labelled_shops.sql";
}

/// Which label value stands for which shop. An empty value is no label, as Prometheus has it.
#[derive(Debug, PartialEq, Eq)]
pub struct ShopLabels {
    /// Shops, each beside its label value.
    shops: Vec<(String, String)>,
    /// The label value of all other shops.
    others: &'static str,
}

impl Default for ShopLabels {
    /// Nothing is told apart.
    fn default() -> Self {
        Self::of(Vec::new())
    }
}

impl ShopLabels {
    pub fn find(session: &Session) -> Result<Self> {
        Ok(match Shops::read(session)?.are_several() {
            true => Self::of(find_labelled_shops(session, LABELLED as i64 + 1)?.all()?),
            false => Self::of(Vec::new()),
        })
    }

    /// Of shops in the order in which they came: with one or none there is nothing to tell apart, and no label.
    fn of(shops: Vec<String>) -> Self {
        if shops.len() <= 1 {
            return Self {
                shops: vec![(String::new(), String::new())],
                others: "",
            };
        }
        let labelled = shops.into_iter().enumerate().map(|(place, shop)| {
            let label = if place < LABELLED { &shop } else { OTHERS };
            (shop.clone(), label.to_owned())
        });
        let none = (String::new(), NONE.to_owned());
        Self {
            shops: std::iter::once(none).chain(labelled).collect(),
            others: OTHERS,
        }
    }

    /// Domains, and beside each its label value.
    pub fn columns(&self) -> (Vec<&str>, Vec<&str>) {
        self.shops
            .iter()
            .map(|(shop, label)| (shop.as_str(), label.as_str()))
            .unzip()
    }

    pub fn others(&self) -> &'static str {
        self.others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shops(count: usize) -> Vec<String> {
        (0..count).map(|place| format!("shop-{place}.example")).collect()
    }

    #[test]
    fn one_shop_or_none_has_no_label() {
        for count in [0, 1] {
            let labels = ShopLabels::of(shops(count));
            assert_eq!(labels.columns(), (vec![""], vec![""]));
            assert_eq!(labels.others(), "");
        }
    }

    #[test]
    fn of_several_each_has_its_own_and_what_names_none_is_told_apart() {
        let labels = ShopLabels::of(shops(2));
        let domains = vec!["", "shop-0.example", "shop-1.example"];
        assert_eq!(
            labels.columns(),
            (domains, vec!["none", "shop-0.example", "shop-1.example"])
        );
        assert_eq!(labels.others(), "other");
    }

    /// The fifty-first is listed as one of the others, so that these are there with 0 from the start.
    #[test]
    fn the_label_is_bounded() {
        let labels = ShopLabels::of(shops(51));
        let (_, values) = labels.columns();
        assert_eq!(values.len(), 52);
        assert_eq!(values[50..], ["shop-49.example", "other"]);
        assert!(!ShopLabels::of(shops(50)).columns().1.contains(&"other"));
    }
}
