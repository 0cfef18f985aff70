//! Setting raw_ops up as docs/install.md says: once for each build, in a server whose data is then copied for every stack that
//! is like it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use tokio::sync::Mutex;

use super::{OWNER_ROLE, StackOptions};
use crate::cluster::{Cluster, Stop, quote_identifier, template};
use crate::documented::{self, Role};
use crate::postgres::Postgres;

/// The kinds of templates, `<target>/tmp/<kind>-<key>`: for servers that keep nothing, and for those that do.
fn kind(is_fast: bool) -> &'static str {
    if is_fast { "set-up-fast" } else { "set-up-durable" }
}

const SECONDS_A_DAY: u64 = 86_400;

/// One is made at a time.
static MAKING: Mutex<()> = Mutex::const_new(());

/// A data directory in which docs/install.md was followed with the library that is installed, up to the jobs; `None` where
/// that is to be done anew: on a server that stays or stands on a machine of its own, and under settings of the server's
/// that setting up might meet for the first time.
pub(super) async fn template(options: &StackOptions) -> Result<Option<PathBuf>> {
    let is_ours = |(name, _): &(String, String)| name.starts_with("raw_ops.");
    if options.persistent.is_some() || options.machine.is_some() || !options.settings.iter().all(is_ours) {
        return Ok(None);
    }
    let postgres = Postgres::find()?;
    let place = template::place(kind(options.fast), key(&postgres, options)?)?;
    let _one = MAKING.lock().await;
    if !place.is_dir() {
        forget_others(&place, kind(options.fast))?;
        make(options, &place).await?;
    }
    Ok(Some(place))
}

async fn make(like: &StackOptions, place: &Path) -> Result<()> {
    let database = &like.database;
    let mut builder = Cluster::builder().for_raw_ops(database);
    if like.fast {
        builder = builder.fast();
    }
    let mut cluster = builder.setting("raw_ops.workers", 0).start().await?;
    let options = StackOptions {
        database: database.clone(),
        ..StackOptions::for_tests()
    };
    let ran = run(&cluster, &options).await;
    ran.with_context(|| format!("the end of the server's log:\n{}", cluster.log_tail()))?;
    cluster.stop(Stop::Fast).await?;
    template::keep(&cluster.data_dir(), place).await
}

/// Differs for another server, another build of the extension or of pg_cron, another docs/install.md, and on another day, since
/// setting up makes partitions of the time that it is.
fn key(postgres: &Postgres, options: &StackOptions) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    template::key(postgres, Some(&options.database), options.fast)?.hash(&mut hasher);
    let today = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / SECONDS_A_DAY;
    (documented::INSTALL, today).hash(&mut hasher);
    let extensions = postgres.sharedir.join("extension");
    let scripts = std::fs::read_dir(&extensions)?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("raw_ops") || name.starts_with("pg_cron")
    };
    let mut files: Vec<PathBuf> = scripts.filter(is_ours).collect();
    files.sort();
    files.push(postgres.pkglibdir.join("raw_ops.so"));
    for file in files {
        let meta = std::fs::metadata(&file).with_context(|| format!("cannot read {}", file.display()))?;
        (file, meta.size(), meta.mtime(), meta.mtime_nsec()).hash(&mut hasher);
    }
    Ok(hasher.finish())
}

/// Removes templates of this kind that other builds have left: nobody can use them any more.
fn forget_others(place: &Path, kind: &str) -> Result<()> {
    let parent = place.parent().context("a template stands nowhere")?;
    for entry in std::fs::read_dir(parent).into_iter().flatten() {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with(kind) {
            std::fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Makes a copy of a set-up database what it would be had it just been set up where it stands: every time in it is now, and
/// its place is its own.
pub(super) async fn settle(cluster: &Cluster, options: &StackOptions) -> Result<()> {
    let superuser = cluster.connect(&options.database).await?;
    superuser.batch_execute(SETTLE).await?;
    if options.schedule_jobs {
        let owner = cluster.connect_as(&options.database, OWNER_ROLE).await?;
        for statement in documented::statements(documented::OWNER, &options.database)? {
            if schedules_jobs(&statement.sql) {
                owner.batch_execute(&statement.sql).await?;
            }
        }
    }
    Ok(())
}

/// Without the triggers, which are there for what happens to rows afterwards.
const SETTLE: &str = "
    BEGIN;
    SET LOCAL session_replication_role = replica;
    DO $$
    DECLARE statement text;
    BEGIN
        FOR statement IN
            SELECT format('UPDATE %s SET %s', attrelid::regclass,
                          string_agg(format('%1$I = CASE WHEN isfinite(%1$I) THEN now() ELSE %1$I END', attname), ', '))
              FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
             WHERE relnamespace = 'raw_ops'::regnamespace AND relkind = 'r' AND atttypid = 'timestamptz'::regtype
               AND NOT attisdropped
             GROUP BY attrelid
        LOOP
            EXECUTE statement;
        END LOOP;
    END
    $$;
    UPDATE raw_ops.clone_guard SET fingerprint = raw_ops.delivery_fingerprint();
    COMMIT";

fn schedules_jobs(sql: &str) -> bool {
    sql.contains("fn_schedule_jobs_v1")
}

/// Runs the statements of docs/install.md, each as the role it names. What is there already, a persistent stack that is
/// started again, is only brought up to date by the owner's.
pub(super) async fn run(cluster: &Cluster, options: &StackOptions) -> Result<()> {
    let superuser = cluster.connect(&options.database).await?;
    let was_set_up = "SELECT to_regclass('raw_ops.schema_migrations') IS NOT NULL";
    let is_new = !superuser.query_one(was_set_up, &[]).await?.get::<_, bool>(0);
    let database = quote_identifier(&options.database);
    let mut owner = None;
    for section in [documented::OWNER, documented::SHIM] {
        for statement in documented::statements(section, &database)? {
            let client = match statement.role {
                Role::Superuser if is_new => &superuser,
                Role::Owner if options.schedule_jobs || !schedules_jobs(&statement.sql) => {
                    if owner.is_none() {
                        owner = Some(cluster.connect_as(&options.database, OWNER_ROLE).await?);
                    }
                    owner.as_ref().unwrap_or(&superuser)
                }
                _ => continue,
            };
            let ran = client.batch_execute(&statement.sql).await;
            ran.with_context(|| format!("in docs/install.md: {}", statement.sql))?;
        }
    }
    Ok(())
}
