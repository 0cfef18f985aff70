//! What Customer.io really answers: recorded and described by its own clients, kept under `payloads/customerio`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

/// A request and what came of it; redirects make several.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// e.g. `track__success`
    pub name: String,
    /// In order.
    pub exchanges: Vec<Exchange>,
}

/// One answer, or the way in which there was none.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// `POST`
    pub method: String,
    /// On this path.
    pub path: String,
    /// Status code; `None`: the connection broke.
    pub status: Option<u16>,
    /// Headers, without those that only hold for that connection.
    pub headers: BTreeMap<String, String>,
    /// The body's bytes.
    pub body: Vec<u8>,
    /// How long it took.
    pub delay: Duration,
}

/// A scenario by the file's name without `customerio__response__` and `.json`.
pub fn scenario(name: &str) -> Result<Scenario> {
    let path = dir().join(format!("customerio__response__{name}.json"));
    load(&path).with_context(|| format!("in {}", path.display()))
}

/// The body of an event as a client of theirs sends it.
pub fn event() -> Result<Value> {
    let path = dir().join("customerio__event-request__id-and-timestamp.json");
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// Where the files are.
pub fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("payloads/customerio")
}

#[derive(Deserialize)]
struct File {
    scenario: String,
    mocks: Vec<Mock>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mock {
    method: String,
    path: String,
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    raw_body: Option<String>,
    #[serde(default)]
    delay_ms: u64,
}

fn load(path: &Path) -> Result<Scenario> {
    let file: File = serde_json::from_slice(&fs::read(path)?)?;
    Ok(Scenario {
        name: file.scenario,
        exchanges: file.mocks.into_iter().map(exchange).collect(),
    })
}

fn exchange(mut mock: Mock) -> Exchange {
    let mut body = match (mock.raw_body, mock.body) {
        (Some(raw), _) => raw.into_bytes(),
        (None, Some(Value::String(text))) => text.into_bytes(),
        (None, Some(value)) => value.to_string().into_bytes(),
        (None, None) => Vec::new(),
    };
    // Recorded as a value; the length tells of a line's end behind it.
    let length = mock.headers.remove("content-length");
    if length.is_some_and(|length| length == (body.len() + 1).to_string()) {
        body.push(b'\n');
    }
    for name in ["date", "status"] {
        mock.headers.remove(name);
    }
    Exchange {
        method: mock.method,
        path: mock.path,
        status: mock.status,
        headers: mock.headers,
        body,
        delay: Duration::from_millis(mock.delay_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_read_and_has_a_source() {
        let sources = fs::read_to_string(dir().join("SOURCES.tsv")).unwrap();
        let mut scenarios = 0;
        for entry in fs::read_dir(dir()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let Some(stem) = name.strip_suffix(".json") else {
                continue;
            };
            assert!(sources.contains(&format!("{name}\t")), "{name}");
            if let Some(stem) = stem.strip_prefix("customerio__response__") {
                assert!(!scenario(stem).unwrap().exchanges.is_empty(), "{name}");
                scenarios += 1;
            }
        }
        assert_eq!(scenarios, 12);
        assert_eq!(event().unwrap()["id"], "01HB4HBDKTFWYZCK01DMRSWRFD");
    }

    #[test]
    fn an_answer_is_as_it_was_recorded() {
        let success = scenario("track-success").unwrap().exchanges.remove(0);
        assert_eq!(
            (success.status, success.body.as_slice()),
            (Some(200), &b"{}\n"[..])
        );
        assert_eq!(success.headers["content-type"], "application/json; charset=utf-8");
        let reset = scenario("network-econnreset").unwrap().exchanges.remove(0);
        assert_eq!(reset.status, None);
        let timeout = scenario("network-timeout").unwrap().exchanges.remove(0);
        assert_eq!(timeout.delay, Duration::from_millis(1500));
        assert_eq!(scenario("redirect-307-same-host").unwrap().exchanges.len(), 2);
    }
}
