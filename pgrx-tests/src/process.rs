//! Processes that this crate starts: known by id and start time, so that no signal reaches another process that got the same id.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;

use crate::postgres::checked;

/// A process of this machine: its id and when it started. An id alone may have been given to another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Process id.
    pub pid: i32,
    /// Start time in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub started: u64,
}

impl Identity {
    /// The process with this id, if it runs (a zombie does not).
    pub fn of(pid: i32) -> Option<Self> {
        let (state, identity) = Self::read(pid)?;
        (!matches!(state.as_str(), "Z" | "X")).then_some(identity)
    }

    /// State and identity of a process, also of one that has ended and was not reaped yet.
    fn read(pid: i32) -> Option<(String, Self)> {
        let fields = stat_fields(pid)?;
        let started = fields.get(19)?.parse().ok()?;
        Some((fields.first()?.clone(), Self { pid, started }))
    }

    /// Is it still that process?
    pub fn alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends a signal, if it is still that process. Returns whether it was.
    pub fn signal(self, signal: Signal) -> bool {
        self.alive() && Pid::from_raw(self.pid).is_some_and(|pid| kill_process(pid, signal).is_ok())
    }

    /// Waits until it is gone, blocking. Returns whether it went within `limit`.
    pub fn wait_gone_blocking(self, limit: Duration) -> bool {
        poll_blocking(limit, || !self.alive())
    }
}

/// Processes whose parent is `parent`.
pub fn children_of(parent: i32) -> Vec<Identity> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| parent_of(*pid) == Some(parent))
        .filter_map(Identity::of)
        .collect()
}

/// The parent's id.
pub fn parent_of(pid: i32) -> Option<i32> {
    stat_fields(pid)?.get(1)?.parse().ok()
}

/// The fields of `/proc/PID/stat` behind the program's name (which may hold spaces and brackets): state, parent, …
fn stat_fields(pid: i32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// What becomes of a started process when the one that started it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// It ends too, however its starter ended (a killed test runner leaves nothing behind).
    Bound,
    /// It stays, in a process group of its own.
    Persistent,
}

/// A program started by this crate. Dropping it leaves the process to its [`Lifetime`]; stop it first.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    identity: Identity,
    guard: Option<Guard>,
}

impl Process {
    /// Starts `command`. `removes` is a directory that goes when a bound process outlives its starter.
    pub fn spawn(mut command: Command, lifetime: Lifetime, removes: Option<&Path>) -> Result<Self> {
        let name = Path::new(command.get_program())
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let pid = i32::try_from(child.id())?;
        // Nobody has reaped it, so its entry is there even if it has ended already: `ended` will tell.
        let (_, identity) =
            Identity::read(pid).with_context(|| format!("no entry in /proc for {name} (process {pid})"))?;
        let guard = match lifetime {
            Lifetime::Bound => Some(Guard::start(identity, removes)?),
            Lifetime::Persistent => None,
        };
        Ok(Self {
            name,
            child,
            identity,
            guard,
        })
    }

    /// Id and start time.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Process id.
    pub fn pid(&self) -> i32 {
        self.identity.pid
    }

    /// Sends a signal; nothing happens if the process has ended.
    pub fn signal(&mut self, signal: Signal) {
        // Until `try_wait` has reaped it, the id cannot belong to anyone else.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.identity.signal(signal);
        }
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until it ends.
    pub async fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("{} (process {}) to end", self.name, self.pid());
        crate::wait_for(limit, &what, async || self.ended()).await
    }

    /// Waits until it ends, blocking: for `Drop`. Returns whether it ended within `limit`.
    pub fn wait_blocking(&mut self, limit: Duration) -> bool {
        poll_blocking(limit, || self.ended().is_some())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let ended = self.ended().is_some();
        if let Some(guard) = self.guard.take() {
            guard.finish(ended);
        }
    }
}

/// Runs a program to its end with this standard input; returns its standard output.
pub async fn run(what: &str, command: Command, input: &[u8]) -> Result<Vec<u8>> {
    let mut child = tokio::process::Command::from(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {what}"))?;
    let mut stdin = child.stdin.take().context("no pipe")?;
    let write = async move {
        // A program that fails stops reading; what it said is the better error.
        let _ = stdin.write_all(input).await;
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), write);
    Ok(checked(what, output?)?.stdout)
}

/// A small shell process that holds the reading end of a pipe. When the pipe closes without a word, its writer died:
/// it ends the process (checked by start time) and removes the directory.
#[derive(Debug)]
struct Guard {
    shell: Child,
}

/// To PostgreSQL, TERM and then INT mean: end the sessions, too. A zombie only waits for its parent to look.
const GUARD: &str = r#"
read -r word
[ "$word" = done ] && exit 0
alive() {
    case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f1,20) in
        [ZX]*) return 1 ;;
        *" $2") return 0 ;;
        *) return 1 ;;
    esac
}
alive "$1" "$2" && kill -s TERM "$1" && kill -s INT "$1"
left=200
while alive "$1" "$2" && [ "$left" -gt 0 ]; do
    left=$((left - 1))
    sleep 0.05
done
alive "$1" "$2" && kill -s KILL "$1"
[ -n "$3" ] && rm -rf -- "$3"
exit 0
"#;

impl Guard {
    fn start(guarded: Identity, removes: Option<&Path>) -> Result<Self> {
        let shell = Command::new("/bin/sh")
            .args([
                "-c",
                GUARD,
                "guard",
                &guarded.pid.to_string(),
                &guarded.started.to_string(),
            ])
            .arg(removes.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()
            .context("cannot start /bin/sh")?;
        Ok(Self { shell })
    }

    /// Ends the guard; if the process still runs it is ended first.
    fn finish(mut self, ended: bool) {
        if let Some(mut pipe) = self.shell.stdin.take()
            && ended
        {
            let _ = pipe.write_all(b"done\n");
        }
        let _ = self.shell.wait();
    }
}

fn poll_blocking(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !done() {
        if start.elapsed() >= limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Process {
        let mut command = Command::new("sleep");
        command.arg("600");
        Process::spawn(command, Lifetime::Bound, None).unwrap()
    }

    #[tokio::test]
    async fn a_process_is_known_signalled_and_reaped() {
        let mut process = sleeper();
        let identity = process.identity();
        assert!(identity.alive());
        assert!(children_of(std::process::id().try_into().unwrap()).contains(&identity));
        process.signal(Signal::KILL);
        assert!(!process.wait(Duration::from_secs(5)).await.unwrap().success());
        assert!(!identity.alive());
        assert!(!identity.signal(Signal::KILL));
    }

    #[tokio::test]
    async fn one_that_ends_at_once_is_started_and_tells_how_it_ended() {
        for _ in 0..50 {
            let mut process = Process::spawn(Command::new("false"), Lifetime::Bound, None).unwrap();
            let status = process.wait(Duration::from_secs(5)).await.unwrap();
            assert_eq!(status.code(), Some(1));
        }
    }

    #[test]
    fn another_process_with_the_same_id_is_left_alone() {
        let mut process = sleeper();
        let other = Identity {
            started: process.identity().started + 1,
            ..process.identity()
        };
        assert!(!other.alive());
        assert!(!other.signal(Signal::KILL));
        assert!(process.ended().is_none());
    }

    #[test]
    fn a_forgotten_process_is_ended_and_its_directory_removed() {
        let dir = tempfile::tempdir().unwrap().keep();
        let mut command = Command::new("sleep");
        command.arg("600");
        let process = Process::spawn(command, Lifetime::Bound, Some(&dir)).unwrap();
        let identity = process.identity();
        drop(process);
        assert!(!identity.alive());
        assert!(!dir.exists());
    }
}
