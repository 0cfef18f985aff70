//! What follows from learning that a guest is a customer: orders change hands, the guest's row goes, and e-mails that are
//! no longer the customer's are remembered. Rare.

use super::Id;
use super::lookup::EmailKey;
use crate::db::{Session, TypedRowset, rowset_row, statements};
use crate::error::Result;
use std::collections::BTreeMap;

statements! {
    execute move_orders() with (moves: MoveRow<'static>) = file "orders/move_orders.sql";
    execute delete_guests(ids: Vec<Id>) = file "orders/delete_guests.sql";
    execute keep_former_emails() with (claims: ClaimRow<'static>) = file "orders/keep_former_emails.sql";
    execute forget_current_emails() with (claims: ClaimRow<'static>) = file "orders/forget_current_emails.sql";
}

rowset_row! {
    struct MoveRow<'a> {
        from_id: Id,
        email_key: Option<&'a [u8]>,
        to_id: Id,
    }
}

rowset_row! {
    struct ClaimRow<'a> {
        customer_id: Id,
        email: &'a str,
    }
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
        let mut moves = TypedRowset::new(session);
        for (from_id, to_id) in &self.merged {
            moves.push(MoveRow {
                from_id: *from_id,
                email_key: None,
                to_id: *to_id,
            })?;
        }
        for (from_id, key, to_id) in &self.orders {
            moves.push(MoveRow {
                from_id: *from_id,
                email_key: Some(key),
                to_id: *to_id,
            })?;
        }
        if !moves.is_empty() {
            move_orders(session, &mut moves)?;
        }
        if !self.merged.is_empty() {
            delete_guests(session, self.merged.keys().copied().collect())?;
        }
        if self.claims.is_empty() {
            return Ok(());
        }
        let mut claims = TypedRowset::new(session);
        for (customer_id, email) in &self.claims {
            claims.push(ClaimRow {
                customer_id: *customer_id,
                email,
            })?;
        }
        keep_former_emails(session, &mut claims)?;
        forget_current_emails(session, &mut claims)?;
        Ok(())
    }
}
