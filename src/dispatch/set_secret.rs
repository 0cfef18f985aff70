//! `fn_set_secret_v1()`: an operator sets or removes a secret. Its value is in no message, no log, no session list. What waits for
//! it is sent.

use super::requesters;
use crate::audit;
use crate::config;
use crate::db::{self, Session, owner, process, schema, statements};
use crate::error::{Error, Result};
use crate::outbox::address;
use crate::outbox::receivers::SECRETS;
use crate::outbox::secrets::{self, Secret};
use crate::shop;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};

const LONGEST_SECRET: usize = 4096;

statements! {
    execute is_known_shop(shop: &str) -> bool = text
        "select exists (select from raw_ops.shops where shop_domain = $1)";
}

#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_set_secret_v1(
    p_name: Option<&str>,
    p_value: Option<&str>,
    p_shop_domain: default!(Option<&str>, "''"),
) -> Result<JsonB, ErrorReport> {
    // First of all, so that it holds whatever fails.
    process::show_instead_of_statement(c"SELECT raw_ops.fn_set_secret_v1(...); -- not shown");
    let secret = known_secret(p_name)?;
    // A variable that somebody has not set must not replace what all shops have.
    let shop = match p_shop_domain {
        Some("") => "".into(),
        Some(given) if !given.trim().is_empty() => shop::argument("p_shop_domain", Some(given))?,
        _ => {
            let problem = "is null or blank: leave it out to set the secret for all shops";
            return Err(Error::argument("p_shop_domain", problem).into());
        }
    };
    let value = p_value.map(str::trim);
    // A variable that somebody has not set must not remove what is there.
    if value == Some("") {
        return Err(Error::argument("p_value", "is blank: give the secret, or null to remove it").into());
    }
    if let Some(value) = value {
        validate(secret, value, config::allow_private_targets())?;
    }
    Ok(owner::as_table_owner(|| {
        db::session(|session| set(session, secret.name, &shop, value).map(JsonB))
    })?)
}

fn set(session: &Session, name: &str, shop: &str, value: Option<&str>) -> Result<Json> {
    schema::ensure_ready(session)?;
    db::settings::commit_durably();
    let is_known = shop.is_empty() || is_known_shop(session, shop)?.first()? == Some(true);
    // Not repeated, and not stored in clear: whoever mixes up the arguments has put the secret here.
    if !is_known && !shop.contains('.') {
        let problem = "is no shop's domain, such as example.myshopify.com";
        return Err(Error::argument("p_shop_domain", problem));
    }
    let is_set = match value {
        Some(value) => secrets::store(session, name, shop, value).map(|()| true)?,
        None => secrets::remove(session, name, shop).map(|_| false)?,
    };
    let message = if is_set { "secret.set" } else { "secret.removed" };
    let details = json!({"who": db::session_user(), "name": name});
    audit::log_act_for(session, shop, "secret", message, &details)?;
    let mut answer = json!({"success": true, "name": name, "is_set": is_set});
    if is_set {
        let sent = requesters::tell_secret_set(session)?;
        if sent > 0 {
            answer["sent_again"] = sent.into();
        }
    }
    if !shop.is_empty() {
        answer["shop_domain"] = shop.into();
    }
    if !is_known {
        answer["warning"] =
            format!("no webhook of {shop} has come yet: see raw_ops.shops for those that are known").into();
    }
    Ok(answer)
}

fn known_secret(name: Option<&str>) -> Result<Secret> {
    let known = known_secrets().find(|known| Some(known.name) == name);
    known.ok_or_else(|| {
        // Not repeated: whoever mixes up the arguments has put the secret here.
        let given = name.map_or("is null", |_| "is no secret of raw_ops");
        let names: Vec<&str> = known_secrets().map(|known| known.name).collect();
        Error::argument("p_name", format!("{given}; known: {}", names.join(", ")))
    })
}

/// Never puts the value into the message.
fn validate(secret: Secret, value: &str, allow_private: bool) -> Result<()> {
    let name = secret.name;
    if value.len() > LONGEST_SECRET || value.chars().any(char::is_control) {
        let problem = format!("{name} must be one line of at most {LONGEST_SECRET} bytes");
        return Err(Error::argument("p_value", problem));
    }
    if secret.is_url {
        address::parse(value)
            .and_then(|uri| address::ensure_allowed(&uri, allow_private))
            .map_err(|problem| Error::argument("p_value", format!("{name}: {problem}")))?;
    }
    Ok(())
}

/// Every secret an operator may set.
fn known_secrets() -> impl Iterator<Item = Secret> {
    SECRETS.into_iter().flatten().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_names_are_secrets_and_the_error_lists_them() {
        assert_eq!(
            known_secret(Some("customerio_api_key")).unwrap(),
            Secret::text("customerio_api_key")
        );
        let error = known_secret(Some("slack_url")).unwrap_err().to_string();
        assert!(error.contains("slack_url_ops_urgent"), "{error}");
    }

    #[test]
    fn a_refused_value_is_not_in_the_message() {
        let channel = known_secret(Some("slack_url_ops_alerts")).unwrap();
        for value in [
            "not a url xoxb-123",
            "https://hooks.slack.com/\nxoxb-123",
            "ftp://xoxb-123",
            "http://hooks.slack.com/services/T/B/xoxb-123",
        ] {
            let error = validate(channel, value, false).unwrap_err().to_string();
            assert!(!error.contains("xoxb"), "{error}");
        }
        assert!(validate(channel, "https://hooks.slack.com/services/T/B/X", false).is_ok());
    }
}
