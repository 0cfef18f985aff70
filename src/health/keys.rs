//! The key that encrypts the secrets, and the secrets themselves: gone, unreadable and another key are told apart, and what a
//! new key would cost is told before anybody makes one.

use crate::alerts::Severity;
use crate::db::{Session, owner};
use crate::error::Result;
use crate::monitoring::Fault;
use crate::outbox::inspection::{self, Inspection, Seen, State};
use crate::outbox::master_key::{self, KeyTrouble, USUAL_PATH};
use crate::outbox::receivers::customerio;
use crate::outbox::secrets::{shown, statement};
use std::collections::BTreeSet;

/// Every fault of the key and of the secrets. Asked as the owner of the tables.
///
/// # Errors
/// Those of the database.
pub fn faults(session: &Session) -> Result<Vec<Fault>> {
    let seen = inspection::inspect(session)?;
    let path = crate::config::secret_key_file().unwrap_or_default();
    let mut faults = find_faults(&seen, &path, &master_key::server_user());
    if seen.key == Err(KeyTrouble::NotSet) {
        faults = faults
            .into_iter()
            .map(|fault| fault.by(&[owner::superuser()]))
            .collect();
    }
    Ok(faults)
}

/// What is wrong by what was seen. Pure.
fn find_faults(seen: &Inspection, path: &str, server_user: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    faults.extend(match &seen.key {
        Err(trouble) => Some(no_key(trouble, &seen.secrets, server_user)),
        Ok(have) => another_key(have, &seen.secrets, path),
    });
    faults.extend(of_state(&seen.secrets, State::Damaged));
    faults.extend(of_state(&seen.secrets, State::Blank));
    faults.extend(halves(&seen.secrets));
    faults
}

/// What shows that an act outside of the database worked.
fn check(what: &str) -> String {
    format!(
        "SELECT fault ->> 'problem' AS still_wrong FROM jsonb_array_elements(raw_ops.fn_health_v1() -> 'faults') AS fault \
         WHERE fault ->> 'what' = '{what}';"
    )
}

fn names<'a>(secrets: impl IntoIterator<Item = &'a Seen>) -> String {
    let names: Vec<String> = secrets
        .into_iter()
        .map(|one| shown(&one.name, &one.shop))
        .collect();
    names.join(", ")
}

fn no_key(trouble: &KeyTrouble, secrets: &[Seen], server_user: &str) -> Fault {
    let problem = trouble.problem();
    if secrets.is_empty() {
        let fault = Fault::warning(
            "key",
            format!("{problem}; no secret is set yet, so no alert can be sent"),
        );
        return match trouble {
            KeyTrouble::NotSet => fault
                .next(format!("-- {}", trouble.act(server_user)))
                .next(format!(
                    "ALTER SYSTEM SET raw_ops.secret_key_file = '{USUAL_PATH}';"
                ))
                .next("SELECT pg_reload_conf();"),
            KeyTrouble::Gone { path } => fault
                .next(format!("-- As root: {}", master_key::make_key(path, server_user)))
                .next(check("key")),
            _ => fault
                .next(format!("-- {}", trouble.act(server_user)))
                .next(check("key")),
        };
    }
    let fault = Fault::critical("key", format!("{problem}: nothing that needs a secret is sent"));
    let fault = match trouble {
        KeyTrouble::NotSet => fault
            .next("-- Name the file of the key, where it is: ALTER SYSTEM SET raw_ops.secret_key_file = '<path>';")
            .next("SELECT pg_reload_conf();"),
        _ => fault.next(format!("-- {}", trouble.act(server_user))),
    };
    fault
        .next(format!(
            "-- Lost for good? A new key costs these, each to be set anew with fn_set_secret_v1(): {}",
            names(secrets)
        ))
        .next(check("key"))
}

/// Secrets of other keys than the one in the file.
fn another_key(have: &str, secrets: &[Seen], path: &str) -> Option<Fault> {
    let shut: Vec<&Seen> = secrets.iter().filter(|one| one.state == State::Shut).collect();
    if shut.is_empty() {
        return None;
    }
    let keys: BTreeSet<&str> = shut.iter().map(|one| one.key_id.as_str()).collect();
    let keys = keys.into_iter().collect::<Vec<_>>().join(", ");
    let names = names(shut);
    let problem = format!(
        "the file {path} holds another key ({have}) than the one that these secrets were encrypted with ({keys}): {names}"
    );
    Some(
        Fault::critical("key", problem)
            .next(format!(
                "-- Put the key {keys} back into {path} from where you keep passwords; keep what is there now aside"
            ))
            .next(format!(
                "-- Lost for good? Then the key stays, and these are set anew with fn_set_secret_v1(): {names}"
            ))
            .next(check("key")),
    )
}

/// Secrets that are there and of no use.
fn of_state(secrets: &[Seen], state: State) -> Option<Fault> {
    let found: Vec<&Seen> = secrets.iter().filter(|one| one.state == state).collect();
    if found.is_empty() {
        return None;
    }
    let why = match state {
        State::Blank => "hold nothing but blanks",
        _ => "do not open with the key they were encrypted with: their rows were moved or damaged",
    };
    let problem = format!("secrets {why}: {}", names(found.iter().copied()));
    let fault = Fault::new("secrets", Severity::Critical, problem);
    let to_set = found.iter().map(|one| statement(&one.name, &one.shop));
    Some(with_notes(fault, to_set.collect()).next(check("secrets")))
}

/// A workspace of Customer.io of which one half is set.
fn halves(secrets: &[Seen]) -> Vec<Fault> {
    let wanted: Vec<&str> = customerio::SECRETS.iter().map(|secret| secret.name).collect();
    let of_customerio = secrets.iter().filter(|one| wanted.contains(&one.name.as_str()));
    let shops: BTreeSet<&str> = of_customerio.map(|one| one.shop.as_str()).collect();
    let half = |shop: &str| {
        let is_set = |name: &str| secrets.iter().any(|one| one.name == name && one.shop == shop);
        let (set, missing): (Vec<&str>, Vec<&str>) = wanted.iter().partition(|name| is_set(name));
        let (set, missing) = (set.first()?, missing.first()?);
        let whom = match shop {
            "" => "every shop that has no workspace of its own".to_owned(),
            shop => shop.to_owned(),
        };
        let problem = format!(
            "Customer.io of {whom} is half set: {set} is there, {missing} is not; no customer of it is told"
        );
        let fault = Fault::critical("secrets", problem);
        let back = statement(set, shop).replacen("'<value>'", "null", 1);
        let notes = vec![statement(missing, shop), format!("Or take the half away: {back}")];
        Some(with_notes(fault, notes).next(check("secrets")))
    };
    shops.into_iter().filter_map(half).collect()
}

/// What a person runs with a value of their own.
fn with_notes(fault: Fault, notes: Vec<String>) -> Fault {
    notes
        .into_iter()
        .fold(fault, |fault, note| fault.next(format!("-- {note}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(name: &str, shop: &str, state: State) -> Seen {
        Seen {
            name: name.to_owned(),
            shop: shop.to_owned(),
            key_id: "aaaaaaaa".to_owned(),
            state,
        }
    }

    fn told(key: std::result::Result<&str, KeyTrouble>, secrets: Vec<Seen>) -> Vec<(String, String)> {
        let key = key.map(str::to_owned);
        let faults = find_faults(&Inspection { key, secrets }, "/k", "postgres");
        for fault in &faults {
            let statements = fault.next.iter().filter(|step| !step.starts_with("-- "));
            assert!(statements.count() <= 3, "{fault:?}");
            assert!(
                !fault
                    .next
                    .iter()
                    .any(|step| step.contains("base64 >") && !step.contains("set -C")),
                "{fault:?}"
            );
        }
        faults
            .into_iter()
            .map(|fault| (fault.problem, fault.next.join("\n")))
            .collect()
    }

    #[test]
    fn gone_unreadable_and_another_key_are_three_faults() {
        let secret = || vec![seen("slack_url_fallback", "uk.example", State::Shut)];
        let gone = KeyTrouble::Gone {
            path: "/k".to_owned(),
        };
        let (problem, next) = told(Err(gone.clone()), secret()).remove(0);
        assert!(problem.starts_with("the key file /k is gone"), "{problem}");
        assert!(
            next.contains("<copy of the key> /k") && next.contains("slack_url_fallback of uk.example"),
            "{next}"
        );
        assert!(
            !next.contains("head -c"),
            "no new key while secrets hang on the old one: {next}"
        );
        let (_, next) = told(Err(gone), Vec::new()).remove(0);
        assert!(next.contains("head -c") && next.contains("set -C"), "{next}");
        let unreadable = KeyTrouble::Unreadable {
            path: "/k".to_owned(),
            why: "no".to_owned(),
        };
        let (_, next) = told(Err(unreadable), secret()).remove(0);
        assert!(next.contains("chown postgres: /k && chmod 600 /k"), "{next}");
        let (problem, next) = told(Ok("bbbbbbbb"), secret()).remove(0);
        assert!(
            problem.contains("another key (bbbbbbbb)") && problem.contains("(aaaaaaaa)"),
            "{problem}"
        );
        assert!(next.contains("Put the key aaaaaaaa back into /k"), "{next}");
        assert_eq!(
            told(Ok("aaaaaaaa"), vec![seen("slack_url_fallback", "", State::Opens)]),
            []
        );
    }

    #[test]
    fn secrets_of_no_use_and_half_a_workspace_are_named_with_their_shop() {
        let secrets = vec![
            seen("customerio_site_id", "uk.example", State::Opens),
            seen("slack_url_ops_urgent", "", State::Blank),
            seen("slack_url_fallback", "eu.example", State::Damaged),
        ];
        let told = told(Ok("aaaaaaaa"), secrets);
        let problems: Vec<&str> = told.iter().map(|(problem, _)| problem.as_str()).collect();
        assert!(
            problems[0].contains("damaged: slack_url_fallback of eu.example"),
            "{problems:?}"
        );
        assert!(
            problems[1].contains("blanks: slack_url_ops_urgent"),
            "{problems:?}"
        );
        assert!(
            problems[2].contains("uk.example is half set: customerio_site_id"),
            "{problems:?}"
        );
        assert!(
            told[2]
                .1
                .contains("fn_set_secret_v1('customerio_api_key', '<value>', 'uk.example');")
        );
        assert!(
            told[2]
                .1
                .contains("fn_set_secret_v1('customerio_site_id', null, 'uk.example');")
        );
    }
}
