//! Counts that outlive the webhooks they count. A set adds one row a provider and shop to `webhook_tallies`, so that drains never
//! wait for each other over a counter; now and then the rows are folded into `webhook_totals`.

use crate::db::{self, Session, owner, schema, statements};
use crate::error::Result;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Tallies a fold takes at most; the rest waits for the next.
const FOLD_LIMIT: i64 = 20_000;

/// What is counted, by provider and shop. There are few: a list is searched faster than a map.
#[derive(Default)]
pub struct Counts<'a>(Vec<(Source<'a>, Count)>);

/// Provider and shop.
type Source<'a> = (&'a str, &'a str);

#[derive(Clone, Copy, Default)]
struct Count {
    processed: i64,
    failed: i64,
    duplicates: i64,
}

impl<'a> Counts<'a> {
    /// A webhook whose processing ended, well or not.
    pub fn attempted(&mut self, provider: &'a str, shop_domain: &'a str, succeeded: bool) {
        let count = self.of((provider, shop_domain));
        if succeeded {
            count.processed += 1;
        } else {
            count.failed += 1;
        }
    }

    /// A delivery that was here already.
    pub fn duplicate(&mut self, provider: &'a str, shop_domain: &'a str) {
        self.of((provider, shop_domain)).duplicates += 1;
    }

    fn of(&mut self, source: Source<'a>) -> &mut Count {
        let known = self.0.iter().position(|(known, _)| *known == source);
        let index = known.unwrap_or_else(|| {
            self.0.push((source, Count::default()));
            self.0.len() - 1
        });
        &mut self.0[index].1
    }
}

statements! {
    execute write_tallies(
        providers: Vec<&str>,
        shops: Vec<&str>,
        processed: Vec<i64>,
        failed: Vec<i64>,
        duration_ms: Vec<i64>,
        duplicates: Vec<i64>,
    ) = file "inbox/tally.sql";
    execute fold_tallies(most: i64) -> i64 = file "inbox/fold_tallies.sql";
}

/// Writes the counts down; each attempt took `milliseconds`. Nothing counted, nothing written.
pub fn tally(session: &Session, counts: &Counts<'_>, milliseconds: i32) -> Result<()> {
    let Counts(counts) = counts;
    if counts.is_empty() {
        return Ok(());
    }
    let each = |of: fn(&Count) -> i64| counts.iter().map(|(_, count)| of(count)).collect();
    let attempts = counts.iter().map(|(_, count)| count.processed + count.failed);
    write_tallies(
        session,
        counts.iter().map(|((provider, _), _)| *provider).collect(),
        counts.iter().map(|((_, shop), _)| *shop).collect(),
        each(|count| count.processed),
        each(|count| count.failed),
        attempts.map(|n| n * i64::from(milliseconds)).collect(),
        each(|count| count.duplicates),
    )?;
    Ok(())
}

/// Folds tallies into totals; returns how many.
pub fn fold(session: &Session) -> Result<i64> {
    schema::ensure_ready(session)?;
    Ok(fold_tallies(session, FOLD_LIMIT)?.first()?.unwrap_or(0))
}

#[pg_extern(volatile)]
#[search_path(pg_catalog, pg_temp)]
fn fold_webhook_tallies() -> Result<i64, ErrorReport> {
    Ok(owner::as_table_owner(|| db::session(fold))?)
}
