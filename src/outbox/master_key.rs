//! The key that encrypts the secrets: the content of `raw_ops.secret_key_file`, which the database never holds. Its fingerprint
//! stands beside each secret, so that a key that is gone, one that cannot be read and another one are told apart.

use crate::config;
use crate::error::Error;
use chacha20poly1305::aead::KeyInit;
use chacha20poly1305::{Key, XChaCha20Poly1305};
use sha2::{Digest, Sha256};
use std::io::{ErrorKind, Read};

const SHORTEST_KEY: usize = 32;

/// Where the documents put it.
pub const USUAL_PATH: &str = "/etc/postgresql/raw_ops.key";

/// The key made of the key file's content.
pub struct MasterKey {
    key: Key,
    /// Tells keys apart without telling the key.
    pub id: String,
}

/// Why there is no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyTrouble {
    /// The setting is empty.
    NotSet,
    /// There is no such file.
    Gone { path: String },
    /// It is there; the server may not read it, or it is no file.
    Unreadable { path: String, why: String },
    /// It is too short to be a key.
    Short { path: String },
}

impl MasterKey {
    /// Reads the key file.
    ///
    /// # Errors
    /// Why there is no key.
    pub fn load() -> Result<Self, KeyTrouble> {
        let path = config::secret_key_file().ok_or(KeyTrouble::NotSet)?;
        let content = match read_key(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(KeyTrouble::Gone { path }),
            Err(error) => {
                let why = error.to_string();
                return Err(KeyTrouble::Unreadable { path, why });
            }
        };
        Self::of(&content).ok_or(KeyTrouble::Short { path })
    }

    /// `None` when the content is too short to be a key. A line break at the end does not count.
    pub fn of(content: &[u8]) -> Option<Self> {
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

    /// What encrypts and decrypts with it.
    pub fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.key)
    }
}

impl KeyTrouble {
    /// What is wrong, for people.
    pub fn problem(&self) -> String {
        match self {
            Self::NotSet => "raw_ops.secret_key_file is not set: there is no key for secrets".to_owned(),
            Self::Gone { path } => format!("the key file {path} is gone"),
            Self::Unreadable { path, why } => format!("the key file {path} cannot be read ({why})"),
            Self::Short { path } => {
                format!("the key file {path} holds fewer than {SHORTEST_KEY} bytes: it is no key")
            }
        }
    }

    /// What a person does about it outside of the database. Nothing here overwrites a file that is there.
    pub fn act(&self, server_user: &str) -> String {
        match self {
            Self::NotSet => format!("As root, on the server: {}", make_key(USUAL_PATH, server_user)),
            Self::Gone { path } => format!(
                "Put it back from where you keep passwords, as root: install -m 600 -o {server_user} <copy of the key> {}",
                shell_word(path)
            ),
            Self::Unreadable { path, .. } => {
                let path = shell_word(path);
                format!(
                    "As root: chown {server_user}: {path} && chmod 600 {path} (still not? namei -l {path} shows which folder keeps the \
                     server out)"
                )
            }
            Self::Short { path } => format!(
                "Put the right key into {} from where you keep passwords; keep what is there now aside",
                shell_word(path)
            ),
        }
    }
}

/// Makes a key where there is none: noclobber, so that one that is there is never overwritten.
pub fn make_key(path: &str, server_user: &str) -> String {
    let path = shell_word(path);
    format!("(set -C; umask 077; head -c 32 /dev/urandom | base64 > {path}) && chown {server_user}: {path}")
}

/// As a shell takes it for one word.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// The operating system's name of whoever the server runs as: who owns the data directory, in which a backend stands.
pub fn server_user() -> String {
    use std::os::unix::fs::MetadataExt;
    let name = || {
        let id = std::fs::metadata(".").ok()?.uid().to_string();
        let users = std::fs::read_to_string("/etc/passwd").ok()?;
        let mut named = users.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1) == Some(id.as_str())).then(|| name.to_owned())
        });
        named.next()
    };
    name().unwrap_or_else(|| "postgres".to_owned())
}

impl From<KeyTrouble> for Error {
    fn from(trouble: KeyTrouble) -> Self {
        let set = match trouble {
            KeyTrouble::NotSet => format!(
                ". Then: ALTER SYSTEM SET raw_ops.secret_key_file = '{USUAL_PATH}'; SELECT pg_reload_conf();"
            ),
            _ => ". What it costs to do without: SELECT raw_ops.fn_health_v1();".to_owned(),
        };
        Self::MissingSecret {
            problem: trouble.problem(),
            next: trouble.act(&server_user()) + &set,
        }
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
    fn no_advice_overwrites_a_key_and_each_names_its_file() {
        let path = || "/srv/key's file".to_owned();
        let troubles = [
            KeyTrouble::NotSet,
            KeyTrouble::Gone { path: path() },
            KeyTrouble::Unreadable {
                path: path(),
                why: "no".to_owned(),
            },
            KeyTrouble::Short { path: path() },
        ];
        for trouble in troubles {
            let act = trouble.act("postgres");
            assert!(!act.contains("base64 >") || act.contains("set -C"), "{act}");
            let wanted = if trouble == KeyTrouble::NotSet {
                USUAL_PATH
            } else {
                r"'/srv/key'\''s file'"
            };
            assert!(act.contains(wanted), "{act}");
        }
    }
}
