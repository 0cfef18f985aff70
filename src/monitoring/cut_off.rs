//! A check that is cut off from outside has lost its transaction: a background worker writes its run down.

use super::checks::{CHECKS, Check};
use crate::db::{self, Session, settings, statements, under_way};
use crate::error::Result;
use crate::wake;

statements! {
    /// Two workers may do it at once.
    execute record_cut_off(run: [u8; 16], check: &str, duration_ms: i32, error: &str) = text
        "insert into raw_ops.monitoring_runs (id, check_name, status, duration_ms, error)
         values ($1, $2, 'error', $3, $4) on conflict (id) do nothing";
}

/// Notes that a run has begun. Not in a transaction that may write nothing: whoever began it wants no record either.
pub fn begin(check: &'static Check, run: [u8; 16]) -> Option<under_way::Note> {
    let number = CHECKS.iter().position(|one| one.name == check.name)?;
    match db::is_read_only() {
        true => None,
        false => under_way::begin(u32::try_from(number).ok()?, run, wake::wake_workers),
    }
}

/// Whether there is a run to write down. Reads shared memory only.
pub fn is_any() -> bool {
    !under_way::cut_off().is_empty()
}

/// Writes down what was cut off. What cannot be written now, because the table is locked, is left for the next time.
pub fn write_down() -> Result<()> {
    let cut_off = under_way::cut_off();
    db::session(|session| {
        let limit = settings::glance_at_locks(false);
        for run in &cut_off {
            write_down_one(session, run)?;
        }
        drop(limit);
        Ok(())
    })?;
    cut_off.into_iter().for_each(under_way::CutOff::forget);
    Ok(())
}

fn write_down_one(session: &Session, run: &under_way::CutOff) -> Result<()> {
    let Some(check) = CHECKS.get(run.kind as usize) else {
        return Ok(());
    };
    let millis = (db::clock() - run.begun_at).max(0) / 1000;
    let error = match run.words.as_str() {
        "" => "the check was cut off from outside".to_owned(),
        words => format!("the check was cut off from outside: {words}"),
    };
    record_cut_off(
        session,
        run.id,
        check.name,
        i32::try_from(millis).unwrap_or(i32::MAX),
        &error,
    )?;
    Ok(())
}
