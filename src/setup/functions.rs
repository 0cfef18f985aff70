//! The functions that `CREATE EXTENSION` makes, read from the script it runs, so that it cannot disagree with it. Members of the
//! extension: `setup()` makes none of them.

use std::sync::LazyLock;

const SCRIPT: &str = include_str!(concat!("../../sql/raw_ops--", env!("CARGO_PKG_VERSION"), ".sql"));

/// A function or procedure of the extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    /// Of the library: what it runs there; `None`: it is written in SQL.
    pub symbol: Option<String>,
    /// Runs with its owner's rights.
    pub definer: bool,
    /// Runs under a search_path of its own.
    pub pins_path: bool,
}

/// What stands in a function's settings where it pins its search_path.
pub const PINNED_PATH: &str = "search_path=pg_catalog, pg_temp";

/// Every function and procedure of the extension. No name stands twice.
pub fn functions() -> &'static [Function] {
    static FUNCTIONS: LazyLock<Vec<Function>> = LazyLock::new(|| of_script(SCRIPT));
    &FUNCTIONS
}

fn of_script(script: &str) -> Vec<Function> {
    let begins = |line: &str| {
        let rest = [
            "CREATE  FUNCTION \"",
            "CREATE FUNCTION \"",
            "create procedure raw_ops.",
            "create function raw_ops.",
        ]
        .iter()
        .find_map(|begin| line.strip_prefix(begin))?;
        rest.split(['"', '(']).next().map(str::to_owned)
    };
    let mut found: Vec<Function> = Vec::new();
    let mut is_inside = false;
    for line in script.lines() {
        if let Some(name) = begins(line) {
            is_inside = true;
            found.push(Function {
                name,
                symbol: None,
                definer: false,
                pins_path: false,
            });
        }
        let Some(last) = found.last_mut().filter(|_| is_inside) else {
            continue;
        };
        last.definer |= line.contains("SECURITY DEFINER");
        last.pins_path |= line == "SET search_path TO pg_catalog, pg_temp";
        if let Some(symbol) = line.trim_start().strip_prefix("AS 'MODULE_PATHNAME', '") {
            last.symbol = symbol.split('\'').next().map(str::to_owned);
        }
        // The body of one that is written in SQL says nothing about it.
        is_inside = !line.ends_with(';') && !line.starts_with("as $");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_of_the_script_is_read_with_what_it_is() {
        let all = functions();
        assert!(all.len() > 35, "{}", all.len());
        let of = |name: &str| {
            let named: Vec<&Function> = all.iter().filter(|one| one.name == name).collect();
            assert_eq!(named.len(), 1, "{name}");
            (named[0].symbol.as_deref(), named[0].definer, named[0].pins_path)
        };
        assert_eq!(of("setup"), (Some("setup_wrapper"), false, true));
        assert_eq!(
            of("receive_webhook"),
            (Some("receive_webhook_wrapper"), true, true)
        );
        assert_eq!(of("wake_worker"), (Some("wake_worker_wrapper"), false, false));
        assert_eq!(of("drain_inbox"), (None, false, false));
        let commented = SCRIPT.matches("\ncomment on function raw_ops.").count()
            + SCRIPT.matches("\ncomment on procedure raw_ops.").count();
        assert_eq!(all.len(), commented, "every one has its comment");
    }
}
