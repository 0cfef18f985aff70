//! A real browser without a screen: opens a page, says what the page asked for and complained about, answers questions
//! about what it drew. Speaks Chromium's DevTools protocol over a pipe; ends when this process does.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};

const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Nothing of the machine's own browser is touched, no name is resolved, nothing is fetched in the background.
const OPTIONS: &[&str] = &[
    "--headless",
    "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--disable-gpu",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    // Chromium refuses its sandbox to root; the pages are ours.
    "--no-sandbox",
];

/// A running Chromium with one page.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    calls: u64,
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

/// How a page is shown.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    pub width: u32,
    pub dark: bool,
}

impl Browser {
    /// Starts the browser: `CHROMIUM`, or `chromium` of the PATH.
    pub async fn start() -> Result<Self> {
        let program = std::env::var_os("CHROMIUM").unwrap_or_else(|| "chromium".into());
        let profile = tempfile::Builder::new().prefix("raw_ops-chromium-").tempdir()?;
        // The protocol is spoken on descriptors 3 and 4.
        let mut command = Command::new("/bin/sh");
        command.args([
            "-c",
            r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#,
            "browser",
        ]);
        command.arg(&program).args(OPTIONS);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.arg("about:blank");
        let mut child = tokio::process::Command::from(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start /bin/sh")?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let mut browser = Self {
            child,
            to: to.context("no pipe to the browser")?,
            from: BufReader::new(from.context("no pipe from the browser")?),
            session: None,
            calls: 0,
            events: Vec::new(),
            _profile: profile,
        };
        let started = browser.open_page().await;
        started.with_context(|| {
            format!(
                "{} does not start; install it: pgrx-tests/setup.sh --dev",
                program.display()
            )
        })?;
        Ok(browser)
    }

    async fn open_page(&mut self) -> Result<()> {
        let target = self
            .call("Target.createTarget", json!({"url": "about:blank"}))
            .await?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = self.call("Target.attachToTarget", attach).await?;
        self.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), json!({})).await?;
        }
        Ok(())
    }

    /// Opens a file and waits until it is loaded.
    pub async fn open(&mut self, file: &Path, screen: Screen) -> Result<()> {
        let size = json!({
            "width": screen.width, "height": 900, "deviceScaleFactor": 1, "mobile": screen.width < 500,
        });
        self.call("Emulation.setDeviceMetricsOverride", size).await?;
        let scheme = if screen.dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", media).await?;
        self.events.clear();
        let url = format!("file://{}", file.display());
        let answer = self.call("Page.navigate", json!({"url": url})).await?;
        ensure!(answer.get("errorText").is_none(), "{url}: {answer}");
        while self.events_of("Page.loadEventFired").next().is_none() {
            let message = self.message().await?;
            self.events.push(message);
        }
        Ok(())
    }

    /// The value of a JavaScript expression, evaluated beside the page (its content security policy does not bind it).
    pub async fn ask(&mut self, expression: &str) -> Result<Value> {
        let call = json!({"expression": expression, "returnByValue": true});
        let mut answer = self.call("Runtime.evaluate", call).await?;
        if let Some(problem) = answer.get("exceptionDetails") {
            bail!("{problem}\nin: {expression}");
        }
        Ok(answer["result"]["value"].take())
    }

    /// A picture of the whole page.
    pub async fn screenshot(&mut self, file: &Path) -> Result<()> {
        let size = self
            .ask("[innerWidth, document.documentElement.scrollHeight]")
            .await?;
        let call = json!({
            "format": "png", "captureBeyondViewport": true,
            "clip": {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1},
        });
        let answer = self.call("Page.captureScreenshot", call).await?;
        let data = answer["data"].as_str().context("no picture")?;
        std::fs::write(file, base64::engine::general_purpose::STANDARD.decode(data)?)?;
        Ok(())
    }

    /// Every address the page has asked for since it was opened, its own first.
    pub fn requests(&self) -> Vec<String> {
        self.events_of("Network.requestWillBeSent")
            .filter_map(|event| Some(event["request"]["url"].as_str()?.to_owned()))
            .collect()
    }

    /// What the page complained about: errors of scripts, of the console, of the content security policy.
    pub fn complaints(&self) -> Vec<String> {
        [
            "Runtime.exceptionThrown",
            "Runtime.consoleAPICalled",
            "Log.entryAdded",
        ]
        .into_iter()
        .flat_map(|method| self.events_of(method))
        .map(Value::to_string)
        .collect()
    }

    fn events_of(&self, method: &str) -> impl Iterator<Item = &Value> {
        self.events
            .iter()
            .filter(move |event| event["method"] == method)
            .map(|event| &event["params"])
    }

    /// Calls a method and waits for its answer; events that come in between are kept.
    async fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.calls += 1;
        let id = self.calls;
        let mut call = json!({"id": id, "method": method, "params": params});
        if let Some(session) = &self.session {
            call["sessionId"] = json!(session);
        }
        let mut bytes = call.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).await?;
        loop {
            let mut message = self.message().await?;
            if message["id"] == id {
                ensure!(message.get("error").is_none(), "{method}: {message}");
                return Ok(message["result"].take());
            }
            self.events.push(message);
        }
    }

    async fn message(&mut self) -> Result<Value> {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(ANSWER_LIMIT, self.from.read_until(0, &mut bytes)).await;
        let length = read.context("the browser does not answer")??;
        if length == 0 {
            bail!("the browser has ended ({:?})", self.child.try_wait());
        }
        bytes.pop();
        Ok(serde_json::from_slice(&bytes)?)
    }
}
