//! Who is here of those whom a set of payloads is about. The only shop there is takes over whom it meets of no known shop: they
//! came before any webhook named the shop, and would be here twice.

use super::Plan;
use super::lookup::{self, EmailMatch, KnownCustomer};
use crate::db::{self, Session};
use crate::error::Result;
use crate::providers::shopify::order::Customer;
use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};

/// Who is here.
pub struct Found<'a> {
    /// By Shopify's id; locked.
    pub known: HashMap<i64, KnownCustomer>,
    /// E-mails that customers have and their rows here have not.
    pub claims: BTreeSet<(i64, &'a str)>,
    /// Who has, or had, an e-mail of the payloads.
    pub emails: HashMap<&'a str, EmailMatch>,
}

impl<'a> Found<'a> {
    /// Looks the buyers of a shop up; `ids` are Shopify's.
    pub fn look(session: &Session, shop: &str, plans: &[Plan<'_, 'a>], ids: &BTreeSet<i64>) -> Result<Self> {
        let found = Self::look_once(session, shop, plans, ids)?;
        let is_changed =
            may_be_of_no_shop(session, shop, plans)? && take_over(session, shop, plans, ids)? > 0;
        match is_changed {
            true => Self::look_once(session, shop, plans, ids),
            false => Ok(found),
        }
    }

    fn look_once(session: &Session, shop: &str, plans: &[Plan<'_, 'a>], ids: &BTreeSet<i64>) -> Result<Self> {
        let known = lookup::customers(session, shop, ids.iter().copied().collect())?;
        // Asked for only where the row that Shopify's id leads to does not have the address already.
        let mut claims: BTreeSet<(i64, &'a str)> = BTreeSet::new();
        let mut asked: BTreeSet<&'a str> = BTreeSet::new();
        for buyer in buyers(plans) {
            let Some(email) = buyer.email else { continue };
            match buyer.shopify_customer_id {
                Some(id) => {
                    let row = known.get(&id).and_then(|row| row.email.as_deref());
                    if row != Some(email) {
                        claims.insert((id, email));
                        asked.insert(email);
                    }
                }
                None => drop(asked.insert(email)),
            }
        }
        let asked: Vec<&'a str> = asked.into_iter().collect();
        let emails = lookup::by_email(session, shop, &asked)?;
        Ok(Self {
            known,
            claims,
            emails,
        })
    }
}

thread_local! {
    /// Until when nobody is taken to be of no known shop: microseconds since 2000.
    static NOBODY_UNTIL: Cell<i64> = const { Cell::new(i64::MIN) };
}

/// How long that is believed. What names no shop is about the only one once that is known, so there is nobody later who was not
/// there before, but for what another transaction is writing at the moment.
const BELIEVED: i64 = 1_000_000;

/// Whether somebody of no known shop may be meant. Hardly ever is: so it is not asked for each set.
fn may_be_of_no_shop(session: &Session, shop: &str, plans: &[Plan<'_, '_>]) -> Result<bool> {
    if shop.is_empty() {
        // This set may write such customers.
        NOBODY_UNTIL.set(i64::MIN);
        return Ok(false);
    }
    let now = db::clock();
    if plans.iter().any(|plan| plan.is_anyones) {
        return Ok(true);
    }
    if now < NOBODY_UNTIL.get() {
        return Ok(false);
    }
    let is_here = lookup::is_anyone_of_no_shop(session)?;
    if !is_here {
        NOBODY_UNTIL.set(now + BELIEVED);
    }
    Ok(is_here)
}

/// Takes over whom the payloads mean, and the buyers of the orders that are taken over. Returns how many.
fn take_over(session: &Session, shop: &str, plans: &[Plan<'_, '_>], ids: &BTreeSet<i64>) -> Result<usize> {
    let emails: BTreeSet<&str> = buyers(plans).filter_map(|buyer| buyer.email).collect();
    let orders = plans.iter().filter(|plan| plan.is_anyones);
    let orders = orders.map(|plan| plan.order_id);
    let (ids, emails) = (ids.iter().copied(), emails.into_iter());
    lookup::take_over(session, shop, ids.collect(), emails.collect(), orders.collect())
}

fn buyers<'p, 'a: 'p>(plans: &'p [Plan<'_, 'a>]) -> impl Iterator<Item = &'p Customer<'a>> {
    plans.iter().map(|plan| &plan.change.command.order.customer)
}
