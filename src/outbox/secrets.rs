//! Secrets, encrypted at rest with a key that the database never holds: the content of `raw_ops.secret_key_file`.
//! XChaCha20-Poly1305; name and shop are authenticated with it, so that ciphertexts cannot change places. A secret is a
//! shop's own, or (shop '') that of all shops that have none.

use crate::config;
use crate::db::{self, Session, result_row, statements};
use crate::error::{Error, Result};
use chacha20poly1305::aead::{Aead, Generate, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use std::cell::OnceCell;
use std::collections::HashMap;
use std::io::Read;

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

const SHORTEST_KEY: usize = 32;

statements! {
    execute find_sealed() -> SealedRow = text
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
    struct SealedRow {
        name: String,
        shop_domain: String,
        ciphertext: Vec<u8>,
        nonce: Vec<u8>,
        key_id: String,
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
    sealed: OnceCell<HashMap<String, Vec<SealedRow>>>,
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
        unseal(secret, read_once(&self.key, MasterKey::load)?)
    }

    fn of_shop(&self, shop: &str) -> Result<&[SealedRow]> {
        let sealed = read_once(&self.sealed, || {
            let mut by_shop: HashMap<String, Vec<SealedRow>> = HashMap::new();
            for row in find_sealed(self.session)?.all()? {
                by_shop.entry(row.shop_domain.clone()).or_default().push(row);
            }
            Ok(by_shop)
        })?;
        Ok(sealed.get(shop).map_or(&[], Vec::as_slice))
    }
}

/// A secret for people.
fn shown(name: &str, shop: &str) -> String {
    match shop {
        "" => name.to_owned(),
        shop => format!("{name} of {shop}"),
    }
}

/// The statement that sets a secret.
fn statement(name: &str, shop: &str) -> String {
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

fn unseal(secret: &SealedRow, key: &MasterKey) -> Result<String> {
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

fn wrong_key(secret: &SealedRow, have: &str) -> Error {
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
fn moved_or_damaged(secret: &SealedRow) -> Error {
    let (name, shop) = (&secret.name, &secret.shop_domain);
    Error::MissingSecret {
        problem: format!(
            "the secret {} does not open: its row was not written for this name and shop, or is damaged",
            shown(name, shop)
        ),
        next: format!("Set it anew: {}", statement(name, shop)),
    }
}

/// The key made of the key file's content.
struct MasterKey {
    key: Key,
    /// Tells keys apart without telling the key.
    id: String,
}

impl MasterKey {
    fn load() -> Result<Self> {
        let path = config::secret_key_file().ok_or_else(|| {
            no_key("raw_ops.secret_key_file is not set: there is no key to encrypt secrets with".into())
        })?;
        let content = read_key(&path)
            .map_err(|error| no_key(format!("the key file {path} cannot be read: {error}")))?;
        Self::of(&content).ok_or_else(|| {
            no_key(format!(
                "the key file {path} holds fewer than {SHORTEST_KEY} bytes"
            ))
        })
    }

    /// `None` when the content is too short to be a key. A line break at the end does not count.
    fn of(content: &[u8]) -> Option<Self> {
        let content = content.strip_suffix(b"\n").unwrap_or(content);
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        if content.len() < SHORTEST_KEY {
            return None;
        }
        let derive = |label: &[u8]| Sha256::new().chain_update(label).chain_update(content).finalize();
        let id = derive(b"raw_ops key id\0")[..4]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Some(Self {
            key: Key::from(<[u8; 32]>::from(derive(b"raw_ops secrets v1\0"))),
            id,
        })
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.key)
    }
}

/// A regular file, and not more of it than any key needs: a pipe would hang, a device never end.
fn read_key(path: &str) -> std::io::Result<Vec<u8>> {
    const LONGEST_KEY: u64 = 65_536;
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    let mut content = Vec::new();
    std::fs::File::open(path)?
        .take(LONGEST_KEY)
        .read_to_end(&mut content)?;
    Ok(content)
}

/// What is wrong with the key, if anything is: for those who ask before a secret is needed.
pub fn key_problem() -> Option<Error> {
    MasterKey::load().err()
}

fn no_key(problem: String) -> Error {
    Error::MissingSecret {
        problem,
        next:
            "As the server's user: head -c 32 /dev/urandom | base64 > /etc/postgresql/raw_ops.key; chmod 600 \
               /etc/postgresql/raw_ops.key. Then: ALTER SYSTEM SET raw_ops.secret_key_file = \
               '/etc/postgresql/raw_ops.key'; SELECT pg_reload_conf();"
                .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_content_without_the_line_break() {
        let content = [7u8; 32];
        let key = MasterKey::of(&content).unwrap();
        let with_break = MasterKey::of(&[&content[..], b"\r\n"].concat()).unwrap();
        assert_eq!(key.id, with_break.id);
        assert!(key.key == with_break.key);
        assert!(MasterKey::of(&[8u8; 32]).unwrap().id != key.id);
        assert!(MasterKey::of(&content[1..]).is_none());
    }

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
