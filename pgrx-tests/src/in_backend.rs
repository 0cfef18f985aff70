//! Runs the extension's `#[pg_test]` functions, each in a transaction of its own that is rolled back.
//!
//! pgrx's macro makes two things of such a function: a C function in the library, if that is built with the feature
//! `pg_test`, and a plain test that calls `pgrx_tests::run_test`. That one is [`run_test`]: the extension's Cargo.toml
//! gives this crate that name. So `cargo test` runs them, on the harness's own server and the library that is installed,
//! without cargo-pgrx and in the profile of all other tests.

use anyhow::{Context, Error, Result, anyhow, bail};
use tokio::sync::OnceCell;

use crate::cluster::Cluster;
use crate::install;

const DATABASE: &str = "in_backend";

/// One for the whole program, which never drops it: the server ends with the program.
static SERVER: OnceCell<Cluster> = OnceCell::const_new();

/// Calls the function of this name. `expected_error` is the message it must fail with; `settings` are lines `name = value` of
/// `postgresql.conf`, the same for all.
///
/// # Errors
///
/// If the library that is installed is not the one that was built last, or is no test build; if the function fails, or does
/// not fail as expected.
pub fn run_test(function: &str, expected_error: Option<&str>, settings: Vec<&'static str>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let server = SERVER.get_or_try_init(|| start(&settings)).await?;
        let client = server.connect(DATABASE).await?;
        let declare = format!(
            "BEGIN; CREATE FUNCTION pg_temp.\"{function}\"() RETURNS void LANGUAGE c AS 'raw_ops', '{function}_wrapper'"
        );
        client
            .batch_execute(&declare)
            .await
            .context("the library that is installed is no test build: run `pgrx-tests/build.sh tests` and `pgrx-tests/install.sh`")?;
        let call = format!("SELECT pg_temp.\"{function}\"(); ROLLBACK");
        match (client.batch_execute(&call).await, expected_error) {
            (Ok(()), None) => Ok(()),
            (Ok(()), Some(message)) => bail!("no error, where this was expected: {message}"),
            (Err(error), expected) => match error.as_db_error() {
                Some(error) if Some(error.message()) == expected => Ok(()),
                _ => Err(in_words(&error)),
            },
        }
    })
}

async fn start(settings: &[&str]) -> Result<Cluster> {
    install::check()?;
    let mut builder = Cluster::builder().initial_database(DATABASE).fast();
    for line in settings {
        let (name, value) = line.split_once('=').context("a setting without a value")?;
        builder = builder.setting(name.trim(), value.trim().trim_matches('\''));
    }
    let server = builder.start().await?;
    let client = server.connect(DATABASE).await?;
    client.batch_execute("CREATE EXTENSION raw_ops").await?;
    Ok(server)
}

fn in_words(error: &tokio_postgres::Error) -> Error {
    let Some(said) = error.as_db_error() else {
        return anyhow!("{error:?}");
    };
    let more = [
        ("detail", said.detail()),
        ("hint", said.hint()),
        ("where", said.where_()),
    ];
    let more = more
        .iter()
        .filter_map(|(name, text)| Some(format!("\n{name}: {}", (*text)?)));
    anyhow!("{}{}", said.message(), more.collect::<String>())
}
