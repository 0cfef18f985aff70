//! The program: arguments, environment, runtime. Everything else is in the library.

use std::process::ExitCode;

use edge_shim::config::{self, Config};
use edge_shim::server;

/// Exit code for a wrong argument or a wrong environment variable.
const WRONG_USE: u8 = 2;

fn main() -> ExitCode {
    let argument = std::env::args_os()
        .nth(1)
        .map(|argument| argument.to_string_lossy().into_owned());
    match argument.as_deref() {
        None => {}
        Some("--help" | "-h") => {
            println!("{}", config::help());
            return ExitCode::SUCCESS;
        }
        Some("--version" | "-V") => {
            println!("edge-shim {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Some(_) => {
            eprintln!(
                "edge-shim takes no arguments but --help and --version.\n\n{}",
                config::help()
            );
            return ExitCode::from(WRONG_USE);
        }
    }
    let lookup = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    match Config::load(lookup) {
        Ok(config) => start(config),
        Err(problems) => {
            eprintln!("{problems}\n\n{}", config::help());
            ExitCode::from(WRONG_USE)
        }
    }
}

fn start(config: Config) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("edge-shim could not start its threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(server::run(config)) {
        Ok(server::Stop::Clean) => ExitCode::SUCCESS,
        Ok(server::Stop::CutShort) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("edge-shim: {error}");
            ExitCode::FAILURE
        }
    }
}
