//! Looking at every secret without using it: whether the key is there, and whether each opens with it.

use super::master_key::{KeyTrouble, MasterKey};
use super::secrets::{self, Sealed};
use crate::db::Session;
use crate::error::Result;

/// What was seen of the key and of the secrets. No value is kept.
#[derive(Debug)]
pub struct Inspection {
    /// The fingerprint of the key, or why there is none.
    pub key: std::result::Result<String, KeyTrouble>,
    pub secrets: Vec<Seen>,
}

/// A secret that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub name: String,
    /// Whose it is; empty: of every shop that has none of its own.
    pub shop: String,
    /// Of the key that it was encrypted with.
    pub key_id: String,
    pub state: State,
}

/// What became of opening a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Opens,
    /// It opens, and there is nothing in it but blanks.
    Blank,
    /// The key is the one it was encrypted with, and yet it does not open.
    Damaged,
    /// There is no key, or another one.
    Shut,
}

/// Looks at the key file and at every secret.
///
/// # Errors
/// Those of the database.
pub fn inspect(session: &Session) -> Result<Inspection> {
    let key = MasterKey::load();
    let found = secrets::all_sealed(session)?;
    let secrets = found.iter().map(|sealed| seen(sealed, key.as_ref().ok()));
    Ok(Inspection {
        secrets: secrets.collect(),
        key: key.map(|key| key.id),
    })
}

fn seen(sealed: &Sealed, key: Option<&MasterKey>) -> Seen {
    let state = match key {
        Some(key) if key.id == sealed.key_id => match secrets::unseal(sealed, key) {
            Ok(clear) if clear.trim().is_empty() => State::Blank,
            Ok(_) => State::Opens,
            Err(_) => State::Damaged,
        },
        _ => State::Shut,
    };
    Seen {
        name: sealed.name.clone(),
        shop: sealed.shop_domain.clone(),
        key_id: sealed.key_id.clone(),
        state,
    }
}
