//! Functions of the extension that are gone or are not what it made. PostgreSQL keeps a member of an extension from being dropped by
//! itself, not from being altered, replaced or taken out of it.

use crate::alerts::Severity;
use crate::db::{self, Session, result_row, statements};
use crate::error::Result;
use crate::monitoring::Fault;
use crate::setup::functions::{Function, PINNED_PATH, functions};

statements! {
    query find_functions() -> Found = file "monitoring/integrity/functions.sql";
}

result_row! {
    #[derive(Clone, Debug)]
    struct Found {
        name: Option<String>,
        signature: Option<String>,
        language: Option<String>,
        source: Option<String>,
        definer: Option<bool>,
        settings: Option<String>,
        is_member: Option<bool>,
        owner: Option<String>,
        wanted_owner: Option<String>,
    }
}

/// Every fault of functions.
///
/// # Errors
/// Those of the database.
pub fn faults(session: &Session) -> Result<Vec<Fault>> {
    let found = find_functions(session)?.all()?;
    let owner = found.iter().find_map(|one| one.wanted_owner.clone());
    let by_owner = |fault: Fault| match &owner {
        Some(owner) => fault.by(std::slice::from_ref(owner)),
        None => fault,
    };
    Ok(compare(functions(), &found, &db::current_user())
        .into_iter()
        .map(by_owner)
        .collect())
}

/// What is missing, altered or somebody else's; `table_owner`: who must be able to call all of them. Pure.
fn compare(wanted: &[Function], found: &[Found], table_owner: &str) -> Vec<Fault> {
    let (mut gone, mut altered, mut next, mut others) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for function in wanted {
        let mut named = found
            .iter()
            .filter(|one| one.name.as_deref() == Some(function.name.as_str()));
        let Some(one) = named.next().filter(|one| one.is_member == Some(true)) else {
            gone.push(function.name.as_str());
            continue;
        };
        let signature = one.signature.as_deref().unwrap_or_default();
        if function.symbol.is_some()
            && (one.language.as_deref(), one.source.as_deref()) != (Some("c"), function.symbol.as_deref())
        {
            gone.push(function.name.as_str());
            continue;
        }
        if one.definer != Some(function.definer) {
            let (told, right) = match function.definer {
                true => ("no longer runs with its owner's rights", "SECURITY DEFINER"),
                false => ("runs with its owner's rights", "SECURITY INVOKER"),
            };
            altered.push(format!("{} {told}", function.name));
            next.push(format!("ALTER ROUTINE {signature} {right};"));
        }
        if function.pins_path
            && !one
                .settings
                .as_deref()
                .is_some_and(|settings| settings.contains(PINNED_PATH))
        {
            altered.push(format!("{} runs under its caller's search_path", function.name));
            next.push(format!(
                "ALTER ROUTINE {signature} SET search_path = pg_catalog, pg_temp;"
            ));
        }
        if one.owner != one.wanted_owner {
            let (owner, wanted) = (one.owner.as_deref(), one.wanted_owner.as_deref());
            others.push((
                function.name.as_str(),
                owner.unwrap_or_default(),
                signature,
                wanted.unwrap_or_default(),
            ));
        }
    }
    let mut faults = Vec::new();
    faults.extend(missing(&gone, table_owner));
    if !altered.is_empty() {
        let fault = Fault::critical(
            "functions",
            format!("not as the extension made them: {}", altered.join("; ")),
        );
        faults.push(next.into_iter().fold(fault, Fault::next));
    }
    faults.extend(owned_by_others(&others));
    faults
}

fn missing(gone: &[&str], table_owner: &str) -> Option<Fault> {
    (!gone.is_empty()).then(|| {
        let problem = format!("functions of the extension are missing or replaced by others: {}", gone.join(", "));
        Fault::critical("functions", problem)
            .next("-- Is the library newer than the extension? ALTER EXTENSION raw_ops UPDATE;")
            .next(
                "-- Else made anew; no row is lost, what was granted on functions has to be granted again: DROP EXTENSION raw_ops CASCADE; CREATE \
                 EXTENSION raw_ops;",
            )
            .next(format!("GRANT EXECUTE ON ALL ROUTINES IN SCHEMA raw_ops TO {};", db::quoted(table_owner)))
            .next("SELECT raw_ops.setup();")
    })
}

/// Worth knowing: with which rights health, for one, looks.
fn owned_by_others(others: &[(&str, &str, &str, &str)]) -> Option<Fault> {
    if others.is_empty() {
        return None;
    }
    let told: Vec<String> = others
        .iter()
        .map(|(name, owner, ..)| format!("{name} ({owner})"))
        .collect();
    let problem = format!(
        "functions belong to others than the extension does: {}",
        told.join(", ")
    );
    let fault = Fault::new("functions", Severity::Info, problem);
    let back = others.iter().map(|(_, _, signature, wanted)| {
        format!("ALTER ROUTINE {signature} OWNER TO {};", db::quoted(wanted))
    });
    Some(back.fold(fault, Fault::next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gone_replaced_altered_and_given_away_are_told_apart() {
        let wanted = [Function {
            name: "f".to_owned(),
            symbol: Some("f_wrapper".to_owned()),
            definer: true,
            pins_path: true,
        }];
        let right = Found {
            name: Some("f".to_owned()),
            signature: Some("raw_ops.f(text)".to_owned()),
            language: Some("c".to_owned()),
            source: Some("f_wrapper".to_owned()),
            definer: Some(true),
            settings: Some(PINNED_PATH.to_owned()),
            is_member: Some(true),
            owner: Some("postgres".to_owned()),
            wanted_owner: Some("postgres".to_owned()),
        };
        type Change = fn(&mut Found);
        let cases: [(Change, &str, &str); 5] = [
            (
                |one| one.name = None,
                "missing or replaced",
                "-- Is the library newer",
            ),
            (
                |one| one.language = Some("sql".to_owned()),
                "missing or replaced",
                "-- Is",
            ),
            (
                |one| one.definer = Some(false),
                "no longer runs with",
                "ALTER ROUTINE raw_ops.f(text) SECURITY DEFINER;",
            ),
            (
                |one| one.settings = None,
                "search_path",
                "ALTER ROUTINE raw_ops.f(text) SET search_path = pg_catalog, pg_temp;",
            ),
            (
                |one| one.owner = Some("x".to_owned()),
                "belong to others",
                "ALTER ROUTINE raw_ops.f(text) OWNER TO postgres;",
            ),
        ];
        assert_eq!(compare(&wanted, std::slice::from_ref(&right), "shop_owner"), []);
        for (change, problem, next) in cases {
            let mut found = right.clone();
            change(&mut found);
            let faults = compare(&wanted, &[found], "shop_owner");
            assert_eq!(faults.len(), 1, "{problem}");
            assert!(faults[0].problem.contains(problem), "{:?}", faults[0]);
            assert!(faults[0].next[0].starts_with(next), "{:?}", faults[0]);
        }
    }
}
