//! Secrets, encrypted at rest with a key that the database never holds: the content of `raw_ops.secret_key_file`.
//! XChaCha20-Poly1305; name and shop are authenticated with it, so that ciphertexts cannot change places. A secret is a
//! shop's own, or (shop '') that of all shops that have none.

use super::master_key::MasterKey;
use crate::db::{self, Session, result_row, statements};
use crate::error::{Error, Result};
use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Generate, Payload};
use std::cell::OnceCell;
use std::collections::HashMap;

/// A secret that a receiver needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secret {
    pub name: &'static str,
    /// Whether it is where requests go: it must be a URL then.
    pub is_url: bool,
}

impl Secret {
    pub const fn url(name: &'static str) -> Self {
        Self { name, is_url: true }
    }

    pub const fn text(name: &'static str) -> Self {
        Self { name, is_url: false }
    }
}

statements! {
    execute find_sealed() -> Sealed = text
        "select name, shop_domain, ciphertext, nonce, key_id from raw_ops.secrets";
    execute write_sealed(name: &str, shop: &str, ciphertext: &[u8], nonce: &[u8], key_id: &str, who: &str) = text
        "insert into raw_ops.secrets (name, shop_domain, ciphertext, nonce, key_id, updated_by)
         values ($1, $2, $3, $4, $5, $6)
             on conflict (name, shop_domain) do update
            set ciphertext = excluded.ciphertext, nonce = excluded.nonce, key_id = excluded.key_id,
                updated_at = now(), updated_by = excluded.updated_by";
    /// Returns 0 where there was none.
    pub execute remove(name: &str, shop: &str) = text
        "delete from raw_ops.secrets where name = $1 and shop_domain = $2";
    execute exists(name: &str, shop: &str) -> bool = text
        "select exists (select from raw_ops.secrets where name = $1 and shop_domain in ('', $2))";
}

result_row! {
    /// A secret as it is stored.
    pub(super) struct Sealed {
        pub(super) name: String,
        pub(super) shop_domain: String,
        ciphertext: Vec<u8>,
        nonce: Vec<u8>,
        pub(super) key_id: String,
    }
}

/// What is authenticated beside the value: neither a name nor a domain has a zero byte.
fn place(name: &str, shop: &str) -> Vec<u8> {
    [name, shop].join("\0").into_bytes()
}

/// Encrypts and stores a secret under a name, for a shop or (empty) for all.
pub fn store(session: &Session, name: &str, shop: &str, value: &str) -> Result<()> {
    let key = MasterKey::load()?;
    let nonce = XNonce::generate();
    let ciphertext = key
        .cipher()
        .encrypt(
            &nonce,
            Payload {
                msg: value.as_bytes(),
                aad: &place(name, shop),
            },
        )
        .map_err(|_| Error::Internal(format!("the secret {name} cannot be encrypted")))?;
    let who = db::session_user();
    write_sealed(session, name, shop, &ciphertext, &nonce, &key.id, &who)?;
    Ok(())
}

/// Whether there is a secret for a shop: its own, or the one for all. Does not decrypt it.
pub fn is_set(session: &Session, name: &str, shop: &str) -> Result<bool> {
    Ok(exists(session, name, shop)?.first()? == Some(true))
}

/// The secrets as they stand, for one pass of the sender: all are read, still encrypted, when the first is needed; so is the
/// key.
pub struct Secrets<'s> {
    session: &'s Session,
    /// By shop.
    sealed: OnceCell<HashMap<String, Vec<Sealed>>>,
    key: OnceCell<MasterKey>,
}

impl<'s> Secrets<'s> {
    pub fn of_pass(session: &'s Session) -> Self {
        Self {
            session,
            sealed: OnceCell::new(),
            key: OnceCell::new(),
        }
    }

    /// Whose secrets count for a shop: its own as soon as one of these is set for it, else (empty) those for all. What belongs
    /// together is asked for together, so that it is never of two.
    pub fn whose<'a>(&self, names: &[&str], shop: &'a str) -> Result<&'a str> {
        let mut own = self.of_shop(shop)?.iter();
        Ok(match own.any(|secret| names.contains(&secret.name.as_str())) {
            true => shop,
            false => "",
        })
    }

    /// A secret in clear, as [`Self::whose`] says whose; lives in this process's memory only.
    ///
    /// # Errors
    /// [`Error::MissingSecret`] when it is not set, or its key is not at hand; the hint is the statement that mends it.
    pub fn reveal(&self, name: &str, whose: &str) -> Result<String> {
        let mut secrets = self.of_shop(whose)?.iter();
        let Some(secret) = secrets.find(|secret| secret.name == name) else {
            return Err(Error::MissingSecret {
                problem: format!("the secret {} is not set", shown(name, whose)),
                next: format!("Run: {}", statement(name, whose)),
            });
        };
        unseal(secret, read_once(&self.key, || Ok(MasterKey::load()?))?)
    }

    fn of_shop(&self, shop: &str) -> Result<&[Sealed]> {
        let sealed = read_once(&self.sealed, || {
            let mut by_shop: HashMap<String, Vec<Sealed>> = HashMap::new();
            for row in find_sealed(self.session)?.all()? {
                by_shop.entry(row.shop_domain.clone()).or_default().push(row);
            }
            Ok(by_shop)
        })?;
        Ok(sealed.get(shop).map_or(&[], Vec::as_slice))
    }
}

/// Every secret, encrypted.
pub(super) fn all_sealed(session: &Session) -> Result<Vec<Sealed>> {
    find_sealed(session)?.all()
}

/// A secret for people.
pub fn shown(name: &str, shop: &str) -> String {
    match shop {
        "" => name.to_owned(),
        shop => format!("{name} of {shop}"),
    }
}

/// The statement that sets a secret; a person puts the value in.
pub fn statement(name: &str, shop: &str) -> String {
    let shop = match shop {
        "" => String::new(),
        shop => format!(", {}", db::literal(shop)),
    };
    format!("SELECT raw_ops.fn_set_secret_v1('{name}', '<value>'{shop});")
}

/// A failure is not kept: everybody who asks is told.
fn read_once<T>(cell: &OnceCell<T>, read: impl FnOnce() -> Result<T>) -> Result<&T> {
    match cell.get() {
        Some(known) => Ok(known),
        None => {
            let read = read()?;
            Ok(cell.get_or_init(|| read))
        }
    }
}

/// A secret in clear.
pub(super) fn unseal(secret: &Sealed, key: &MasterKey) -> Result<String> {
    let (name, shop) = (secret.name.as_str(), secret.shop_domain.as_str());
    if key.id != secret.key_id {
        return Err(wrong_key(secret, &key.id));
    }
    let nonce = XNonce::try_from(secret.nonce.as_slice())
        .map_err(|_| Error::Internal(format!("the nonce of secret {name} has the wrong length")))?;
    let clear = key
        .cipher()
        .decrypt(
            &nonce,
            Payload {
                msg: &secret.ciphertext,
                aad: &place(name, shop),
            },
        )
        .map_err(|_| moved_or_damaged(secret))?;
    String::from_utf8(clear).map_err(|_| Error::Internal(format!("the secret {name} is not UTF-8")))
}

fn wrong_key(secret: &Sealed, have: &str) -> Error {
    let (name, shop, want) = (&secret.name, &secret.shop_domain, &secret.key_id);
    Error::MissingSecret {
        problem: format!(
            "the secret {} was encrypted with key {want}, raw_ops.secret_key_file holds key {have}",
            shown(name, shop)
        ),
        next: format!(
            "Put the right key file back, or set the secret anew: {}",
            statement(name, shop)
        ),
    }
}

/// The key is the right one, and yet it does not open.
fn moved_or_damaged(secret: &Sealed) -> Error {
    let (name, shop) = (&secret.name, &secret.shop_domain);
    Error::MissingSecret {
        problem: format!(
            "the secret {} does not open: its row was not written for this name and shop, or is damaged",
            shown(name, shop)
        ),
        next: format!("Set it anew: {}", statement(name, shop)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_names_the_shop_of_a_secret_that_is_a_shops() {
        assert_eq!(
            statement("slack_url_fallback", ""),
            "SELECT raw_ops.fn_set_secret_v1('slack_url_fallback', '<value>');"
        );
        assert_eq!(
            statement("slack_url_fallback", "uk.example"),
            "SELECT raw_ops.fn_set_secret_v1('slack_url_fallback', '<value>', 'uk.example');"
        );
    }

    #[test]
    fn every_place_of_a_secret_is_another() {
        let places = [("ab", ""), ("a", "b"), ("a", ""), ("b", "a")].map(|(name, shop)| place(name, shop));
        for (n, one) in places.iter().enumerate() {
            assert!(!places[..n].contains(one), "{n}");
        }
    }
}
