//! Webhooks that take the server down (out of memory, killed by the operating system): whoever drains notes in a small file
//! which webhooks it works on. After a crash those are under suspicion: the others go first, then each is worked on alone.
//! A webhook that has crashed the server three times is not processed again without a person.
//!
//! The files lie beside the server's own statistics, one a process and one list of suspects a database. What is written
//! there outlives the death of a process, without a commit and without waiting for the disk.

use crate::db::process::{self, Watcher};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

type Id = [u8; 16];

/// How often a webhook may crash the server.
pub const TIMES: u32 = 3;
/// Longer than all attempts at a webhook take together; in seconds.
const REMEMBERED: u64 = 24 * 3600;
/// Within the data directory, where every server process is.
const DIRECTORY: &str = "pg_stat";

/// How often the server has crashed while each of them was worked on alone.
pub type Suspects = BTreeMap<Id, u32>;

thread_local! {
    static NOTE: RefCell<Option<File>> = const { RefCell::new(None) };
    static IS_STARTED: Cell<bool> = const { Cell::new(false) };
    static IS_NOTED: Cell<bool> = const { Cell::new(false) };
    /// The webhooks that are no longer suspects once this transaction commits.
    static CLEARED: Cell<Option<Id>> = const { Cell::new(None) };
}

fn note_path(pid: i32) -> PathBuf {
    PathBuf::from(format!(
        "{DIRECTORY}/raw_ops.{}.{pid}.note",
        process::own_database()
    ))
}

fn list_path() -> PathBuf {
    PathBuf::from(format!(
        "{DIRECTORY}/raw_ops.{}.suspects",
        process::own_database()
    ))
}

/// Who is under suspicion now. A file that cannot be read keeps nobody from being processed.
pub fn suspects() -> Suspects {
    start_once();
    if !has_suspects() {
        return Suspects::new();
    }
    with_list(|list| list.clone()).unwrap_or_default()
}

fn has_suspects() -> bool {
    fs::metadata(list_path()).is_ok_and(|list| list.len() > 0)
}

/// Notes what this transaction works on, until it ends.
pub fn note(ids: &[Id]) {
    start_once();
    let bytes = (ids.len() as u32).to_le_bytes().into_iter();
    let bytes: Vec<u8> = bytes.chain(ids.iter().flatten().copied()).collect();
    write_note(&bytes);
    IS_NOTED.set(true);
}

/// When this transaction commits, the suspicion is lifted: it was worked on alone, or is a dead letter.
pub fn clear_at_commit(id: Id) {
    CLEARED.set(Some(id));
}

fn write_note(bytes: &[u8]) {
    NOTE.with_borrow(|note| {
        if let Some(note) = note {
            // Where it fails there is no note, as `start_once` has said.
            let _ = note.write_all_at(bytes, 0);
        }
    });
}

fn start_once() {
    if IS_STARTED.replace(true) {
        return;
    }
    if let Err(error) = start() {
        pgrx::log!("raw_ops: no note of the webhooks worked on can be kept in {DIRECTORY}: {error}");
    }
}

/// The first drain of a process: takes over what dead processes have left, and begins a note of its own.
fn start() -> io::Result<()> {
    process::watch(Watcher {
        transaction_ended,
        process_ends,
    });
    let own = process::own_pid();
    for pid in noted_pids()? {
        if pid == own || !process::is_alive(pid) {
            take_over(pid)?;
        }
    }
    let note = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .open(note_path(own))?;
    NOTE.set(Some(note));
    Ok(())
}

fn noted_pids() -> io::Result<Vec<i32>> {
    let prefix = format!("raw_ops.{}.", process::own_database());
    let mut pids = Vec::new();
    for entry in fs::read_dir(DIRECTORY)? {
        let name = entry?.file_name();
        let pid: Option<i32> = name
            .to_str()
            .and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(".note")?.parse().ok());
        pids.extend(pid);
    }
    Ok(pids)
}

fn take_over(pid: i32) -> io::Result<()> {
    let taken = PathBuf::from(format!("{}.{}", note_path(pid).display(), process::own_pid()));
    // Only one process gets it.
    if fs::rename(note_path(pid), &taken).is_err() {
        return Ok(());
    }
    let left = fs::read(&taken)?;
    let ids = ids_of(&left);
    with_list(|list| {
        for id in &ids {
            let times = list.entry(*id).or_insert(0);
            *times += u32::from(ids.len() == 1);
        }
    })?;
    fs::remove_file(&taken)
}

/// What a note says; of one torn in the middle, what is whole.
fn ids_of(note: &[u8]) -> Vec<Id> {
    let Some((count, ids)) = note.split_first_chunk::<4>() else {
        return Vec::new();
    };
    let count = u32::from_le_bytes(*count) as usize;
    ids.as_chunks::<16>().0.iter().take(count).copied().collect()
}

fn transaction_ended(committed: bool) {
    if IS_NOTED.replace(false) {
        write_note(&0_u32.to_le_bytes());
    }
    if let Some(id) = CLEARED.take()
        && committed
        && has_suspects()
    {
        // A suspect that stays on the list is worked on alone once more.
        let _ = with_list(|list| list.remove(&id));
    }
}

fn process_ends() {
    if NOTE.take().is_some() {
        let _ = fs::remove_file(note_path(process::own_pid()));
    }
}

/// Reads the list, changes it, writes it back; one process at a time. A line is an id, how often, and when it was last
/// written, in seconds.
fn with_list<T>(change: impl FnOnce(&mut Suspects) -> T) -> io::Result<T> {
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(list_path())?;
    file.lock()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let listed: BTreeMap<Id, (u32, u64)> = text.lines().filter_map(entry).collect();
    let mut list: Suspects = listed
        .iter()
        .filter(|(_, (_, at))| at.saturating_add(REMEMBERED) > now)
        .map(|(id, (times, _))| (*id, *times))
        .collect();
    let result = change(&mut list);
    let written: String = list
        .iter()
        .map(|(id, times)| {
            let at = listed
                .get(id)
                .filter(|(before, _)| before == times)
                .map_or(now, |(_, at)| *at);
            format!("{} {times} {at}\n", pgrx::Uuid::from_bytes(*id))
        })
        .collect();
    if written != text {
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(written.as_bytes())?;
    }
    Ok(result)
}

fn entry(line: &str) -> Option<(Id, (u32, u64))> {
    let mut words = line.split(' ');
    let digits: String = words.next()?.chars().filter(|c| *c != '-').collect();
    let id = u128::from_str_radix(&digits, 16)
        .ok()
        .filter(|_| digits.len() == 32)?;
    Some((
        id.to_be_bytes(),
        (words.next()?.parse().ok()?, words.next()?.parse().ok()?),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_note_says_what_is_whole() {
        let whole: Vec<u8> = 2_u32
            .to_le_bytes()
            .into_iter()
            .chain([7; 16])
            .chain([8; 16])
            .collect();
        assert_eq!(ids_of(&whole), [[7; 16], [8; 16]]);
        assert_eq!(ids_of(&whole[..30]), [[7; 16]]);
        assert_eq!(ids_of(&whole[..3]), Vec::<Id>::new());
        let cleared: Vec<u8> = 0_u32.to_le_bytes().into_iter().chain([7; 16]).collect();
        assert_eq!(ids_of(&cleared), Vec::<Id>::new());
    }

    #[test]
    fn a_line_of_the_list_is_an_id_how_often_and_when() {
        let id: Id = std::array::from_fn(|i| i as u8);
        assert_eq!(
            entry("00010203-0405-0607-0809-0a0b0c0d0e0f 2 1700000000"),
            Some((id, (2, 1_700_000_000)))
        );
        for line in [
            "",
            "00010203 2 1",
            "00010203-0405-0607-0809-0a0b0c0d0e0f",
            "00010203-0405-0607-0809-0a0b0c0d0e0f x 1",
        ] {
            assert_eq!(entry(line), None, "{line}");
        }
    }
}
