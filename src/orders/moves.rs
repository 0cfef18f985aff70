//! What follows from learning that a guest is a customer: orders change hands, the guest's row goes, and e-mails that are
//! no longer the customer's are remembered. Rare.

use super::Id;
use super::lookup::EmailKey;
use crate::db::rowset::Column;
use crate::db::{Rowset, Session, Statement, Value};
use crate::error::Result;
use pgrx::pg_sys;
use std::collections::BTreeMap;

thread_local! {
    static MOVE: Statement = const { Statement::new(include_str!("../../sql/orders/move_orders.sql"), &[]) };
    static DELETE: Statement = const { Statement::new(
        include_str!("../../sql/orders/delete_guests.sql"), &[pg_sys::UUIDARRAYOID]) };
    static KEEP: Statement = const { Statement::new(include_str!("../../sql/orders/keep_former_emails.sql"), &[]) };
    static FORGET: Statement = const { Statement::new(
        include_str!("../../sql/orders/forget_current_emails.sql"), &[]) };
}

/// To be done once orders and customers are written.
#[derive(Default)]
pub struct Moves {
    /// Guests that are customers: whose.
    merged: BTreeMap<Id, Id>,
    /// Guests' orders that belong to somebody else now.
    orders: Vec<(Id, EmailKey, Id)>,
    /// E-mails that customers have or had, where it may not be the one they have.
    claims: Vec<(Id, String)>,
}

impl Moves {
    /// All orders of a guest belong to a customer; the guest is no more.
    pub fn whole_guest(&mut self, guest: Id, customer: Id) {
        self.merged.insert(guest, customer);
    }

    /// The orders of guests with this e-mail that one customer has belong to another.
    pub fn guests_orders(&mut self, from: Id, key: EmailKey, to: Id) {
        self.orders.push((from, key, to));
    }

    /// A customer has these e-mails, beside the one known before.
    pub fn claimed<'e>(
        &mut self,
        customer: Id,
        before: Option<String>,
        emails: impl Iterator<Item = &'e str>,
    ) {
        let mut emails: Vec<(Id, String)> = emails.map(|email| (customer, email.to_owned())).collect();
        match before {
            Some(before) if !emails.is_empty() => emails.push((customer, before)),
            // The first that is known of somebody new is the one they have.
            None if emails.len() == 1 => emails.clear(),
            _ => {}
        }
        self.claims.append(&mut emails);
    }

    /// Whose the orders of this row are in the end.
    pub fn target_of(&self, id: Id) -> Id {
        self.merged.get(&id).copied().unwrap_or(id)
    }

    pub fn finish(&self, session: &Session) -> Result<()> {
        const MOVES: &[Column] = &[
            (c"from_id", pg_sys::UUIDOID),
            (c"email_key", pg_sys::BYTEAOID),
            (c"to_id", pg_sys::UUIDOID),
        ];
        const CLAIMS: &[Column] = &[(c"customer_id", pg_sys::UUIDOID), (c"email", pg_sys::TEXTOID)];
        let mut moves = Rowset::new(c"moves", MOVES);
        for (from, to) in &self.merged {
            moves.uuid(*from).bytes(None).uuid(*to).end_row();
        }
        for (from, key, to) in &self.orders {
            moves.uuid(*from).bytes(Some(key)).uuid(*to).end_row();
        }
        if !moves.is_empty() {
            moves.register(session)?;
            session.execute(&MOVE, vec![])?;
        }
        if !self.merged.is_empty() {
            let guests = self.merged.keys().copied().collect();
            session.execute(&DELETE, vec![Value::UuidArray(guests)])?;
        }
        if self.claims.is_empty() {
            return Ok(());
        }
        let mut claims = Rowset::new(c"claims", CLAIMS);
        for (customer, email) in &self.claims {
            claims.uuid(*customer).text(Some(email)).end_row();
        }
        claims.register(session)?;
        session.execute(&KEEP, vec![])?;
        session.execute(&FORGET, vec![])?;
        Ok(())
    }
}
