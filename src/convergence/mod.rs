//! "Newer wins", field by field: the same payloads come to the same row, whatever order they arrive in. Pure.
//!
//! Every field holds what the newest payload with something to say about it said. Nearly always that is the newest
//! payload there was, and one version stands for the whole row. A field that the newest payload left open has a version
//! of its own ([`State::own`]). What a row ends in depends on the set of payloads only: of two that speak of a field the
//! newer is kept, and versions have a total order.

pub mod columns;

use crate::json::{Json, Kind};
use serde_json::json;

/// A set of fields, one bit each: bit n is the n-th of [`Shape::names`].
pub type Fields = u32;

/// Which of two payloads is the newer. Compared from top to bottom; what is missing is older than anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// `updated_at` of the payload, else when it was triggered. Microseconds since 2000.
    pub at: Option<i64>,
    /// When its webhook was triggered: providers repeat the same second. Microseconds since 2000.
    pub triggered_at: Option<i64>,
    /// Of the payload: decides where time does not, and is the same whenever it arrives.
    pub hash: i64,
}

impl Version {
    /// Older than any payload: nobody has spoken of it.
    pub const NEVER: Version = Version {
        at: None,
        triggered_at: None,
        hash: i64::MIN,
    };

    /// As the database keeps it: `[at, triggered_at, hash]`; `None` for never.
    pub fn to_json(self) -> Option<serde_json::Value> {
        (self != Version::NEVER).then(|| json!([self.at, self.triggered_at, self.hash]))
    }

    /// The reverse.
    pub fn from_json<'a, J: Json<'a>>(kept: J) -> Version {
        let part = |index| kept.element(index).filter(|part| part.kind() != Kind::Null);
        match part(2).and_then(Json::as_i64) {
            Some(hash) => Version {
                at: part(0).and_then(Json::as_i64),
                triggered_at: part(1).and_then(Json::as_i64),
                hash,
            },
            None => Version::NEVER,
        }
    }
}

/// The fields of a kind of row.
pub struct Shape {
    pub names: &'static [&'static str],
    /// Fields that null never decides: null in the row means that nobody has spoken of them.
    pub open_when_blank: Fields,
}

/// What is known of a row's fields, their values apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Of every field without a version of its own.
    pub version: Version,
    /// Fields (by number, ascending) whose value is of another payload.
    pub own: Vec<(usize, Version)>,
    /// Fields that are null.
    pub blank: Fields,
}

/// What a payload says.
pub struct Said {
    pub version: Version,
    /// Which fields it speaks of.
    pub says: Fields,
    /// Those of them it says are null.
    pub blank: Fields,
    /// Those of them that beat what is known, however old: the whole beats the part.
    pub outranks: Fields,
}

impl Shape {
    pub fn all(&self) -> Fields {
        (1 << self.names.len()) - 1
    }

    /// A row nobody has spoken of.
    pub fn unknown(&self) -> State {
        State {
            version: Version::NEVER,
            own: Vec::new(),
            blank: self.all(),
        }
    }

    /// Of a field.
    pub fn version_of(&self, state: &State, field: usize) -> Version {
        match state.own.iter().find(|(known, _)| *known == field) {
            Some((_, version)) => *version,
            None => self.default_version(field, state.version, state.blank),
        }
    }

    fn default_version(&self, field: usize, row: Version, blank: Fields) -> Version {
        match self.open_when_blank & blank & (1 << field) {
            0 => row,
            _ => Version::NEVER,
        }
    }

    /// Hears a payload; returns the fields it decides. The row is then as new as the newer of the two.
    pub fn hear(&self, state: &mut State, said: &Said) -> Fields {
        let row = state.version.max(said.version);
        self.hear_for(state, said, row)
    }

    /// The same for a row whose version is told by something else than its payloads.
    pub fn hear_for(&self, state: &mut State, said: &Said, row: Version) -> Fields {
        let (mut taken, mut blank, mut own) = (0, state.blank, Vec::new());
        for field in 0..self.names.len() {
            let bit = 1 << field;
            let mut version = self.version_of(state, field);
            if said.says & bit != 0 && (said.outranks & bit != 0 || said.version > version) {
                taken |= bit;
                blank = (blank & !bit) | (said.blank & bit);
                version = said.version;
            }
            if version != self.default_version(field, row, blank) {
                own.push((field, version));
            }
        }
        *state = State {
            version: row,
            own,
            blank,
        };
        taken
    }

    /// [`State::own`] as the database keeps it: an array a version, with the names of its fields behind it
    /// (`[at, triggered_at, hash, "email", "note"]`); nulls for never. `None` when there is nothing to keep.
    pub fn own_to_json(&self, own: &[(usize, Version)]) -> Option<serde_json::Value> {
        let mut groups: Vec<(Version, Vec<serde_json::Value>)> = Vec::new();
        for (field, version) in own {
            let Version {
                at,
                triggered_at,
                hash,
            } = *version;
            let hash = (*version != Version::NEVER).then_some(hash);
            let position = groups.iter().position(|(known, _)| known == version);
            let position = position.unwrap_or_else(|| {
                groups.push((*version, vec![json!(at), json!(triggered_at), json!(hash)]));
                groups.len() - 1
            });
            groups[position].1.push(self.names[*field].into());
        }
        let groups = groups.into_iter().map(|(_, group)| group.into()).collect();
        (!own.is_empty()).then_some(serde_json::Value::Array(groups))
    }

    /// The reverse. What cannot be read is left out.
    pub fn own_from_json<'a, J: Json<'a>>(&self, kept: J) -> Vec<(usize, Version)> {
        let mut own = Vec::new();
        for group in (0..kept.length()).filter_map(|group| kept.element(group)) {
            let version = Version::from_json(group);
            let names = (3..group.length()).filter_map(|index| group.element(index)?.as_str());
            let fields = names.filter_map(|name| self.names.iter().position(|known| *known == name));
            own.extend(fields.map(|field| (field, version)));
        }
        own.sort_by_key(|(field, _)| *field);
        own
    }
}

#[cfg(test)]
mod tests;
