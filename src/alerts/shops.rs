//! The shops that alerts are about. Where there is more than one, each finding is of one shop and names it; where there is one,
//! it is that shop's and nobody reads of it.

use crate::db::{self, Session, result_row, statements};
use crate::error::Result;
use std::borrow::Cow;
use std::collections::BTreeMap;

statements! {
    query find_shops() -> Shop = text "select shop_domain, name, active from raw_ops.shops order by shop_domain";
}

result_row! {
    #[derive(Clone, Debug)]
    struct Shop {
        shop_domain: String,
        name: Option<String>,
        active: bool,
    }
}

/// The shops that have sent webhooks, with what people call them.
#[derive(Clone, Debug, Default)]
pub struct Shops(Vec<Shop>);

impl Shops {
    /// As they stand now.
    pub fn read(session: &Session) -> Result<Self> {
        Ok(Self(find_shops(session)?.all()?))
    }

    /// Whether there is more than one, so that each is to be named. One that is switched off does not count.
    pub fn are_several(&self) -> bool {
        self.active().nth(1).is_some()
    }

    /// The only shop there is.
    fn only(&self) -> Option<&str> {
        self.active().next().filter(|_| !self.are_several())
    }

    /// Whose something is that `domain` stands on: of a single shop whatever names none, too.
    pub fn owner<'a>(&'a self, domain: &'a str) -> &'a str {
        match self.only() {
            Some(only) if domain.is_empty() => only,
            _ => domain,
        }
    }

    /// Whether what is of a shop has to say so: there are others, or it is not of the only one.
    fn is_to_be_named(&self, domain: &str) -> bool {
        self.are_several() || !domain.is_empty() && self.only() != Some(domain)
    }

    fn find(&self, domain: &str) -> Option<&Shop> {
        self.0.iter().find(|shop| shop.shop_domain == domain)
    }

    /// A shop for people, where it has to be named.
    pub fn name_of<'a>(&self, domain: &'a str) -> Option<Cow<'a, str>> {
        self.is_to_be_named(domain).then(|| self.label(domain))
    }

    /// Things by the shop whose they are.
    pub fn group<'a, T>(&'a self, things: &'a [T], domain: fn(&T) -> &str) -> BTreeMap<&'a str, Vec<&'a T>> {
        let mut groups: BTreeMap<&str, Vec<&T>> = BTreeMap::new();
        for thing in things {
            groups.entry(self.owner(domain(thing))).or_default().push(thing);
        }
        groups
    }

    /// Whether nothing more is expected of a shop: somebody has switched it off.
    pub fn is_inactive(&self, domain: &str) -> bool {
        self.find(domain).is_some_and(|shop| !shop.active)
    }

    /// Of those that something is expected of.
    pub fn active(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(|shop| shop.active)
            .map(|shop| shop.shop_domain.as_str())
    }

    /// A shop for people, with the name they call it by.
    pub fn label<'a>(&self, domain: &'a str) -> Cow<'a, str> {
        match self.find(domain).and_then(|shop| shop.name.as_deref()) {
            _ if domain.is_empty() => "no shop named".into(),
            Some(name) => format!("{name} ({domain})").into(),
            None => domain.into(),
        }
    }

    /// A condition that narrows a statement to a shop, `keyword` (`WHERE` or `AND`) first; empty where there is no choice.
    pub fn condition(&self, keyword: &str, domain: &str) -> String {
        match self.is_to_be_named(domain) {
            true => format!(" {keyword} shop_domain = {}", db::literal(domain)),
            false => String::new(),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Active shops without a name.
    pub fn shops(domains: &[&str]) -> Shops {
        let shop = |domain: &&str| Shop {
            shop_domain: (*domain).to_owned(),
            name: None,
            active: true,
        };
        Shops(domains.iter().map(shop).collect())
    }

    impl Shops {
        /// Nothing more is expected of it.
        pub fn switch_off(&mut self, domain: &str) {
            let shops = self.0.iter_mut().filter(|shop| shop.shop_domain == domain);
            shops.for_each(|shop| shop.active = false);
        }
    }

    #[test]
    fn what_names_no_shop_is_of_the_only_one_and_of_none_where_there_are_several() {
        assert_eq!(shops(&[]).owner(""), "");
        let one = shops(&["uk.example"]);
        assert_eq!((one.owner(""), one.name_of("uk.example")), ("uk.example", None));
        assert_eq!(
            one.name_of("eu.example").as_deref(),
            Some("eu.example"),
            "not in the table"
        );
        assert_eq!(shops(&["eu.example", "uk.example"]).owner(""), "");
        let mut second = shops(&["check.example", "uk.example"]);
        second.switch_off("check.example");
        assert!(!second.are_several());
        assert_eq!(
            (second.owner(""), second.name_of("uk.example")),
            ("uk.example", None)
        );
        assert_eq!(second.name_of("check.example").as_deref(), Some("check.example"));
        let two = shops(&["eu.example", "uk.example"]);
        let domains = ["uk.example", "", "uk.example"];
        let grouped = two.group(&domains, |domain| domain);
        let counts: Vec<(&str, usize)> = grouped.iter().map(|(shop, all)| (*shop, all.len())).collect();
        assert_eq!(counts, [("", 1), ("uk.example", 2)]);
    }

    #[test]
    fn a_shop_is_called_as_people_call_it_and_a_statement_narrowed_only_where_there_is_a_choice() {
        let mut two = shops(&["eu.example", "uk.example"]);
        two.0[0].name = Some("Europe".into());
        assert_eq!(two.label("eu.example"), "Europe (eu.example)");
        assert_eq!(two.label("uk.example"), "uk.example");
        assert_eq!(two.condition("AND", "o'hara"), " AND shop_domain = 'o''hara'");
        assert_eq!(shops(&["uk.example"]).condition("AND", "uk.example"), "");
    }
}
