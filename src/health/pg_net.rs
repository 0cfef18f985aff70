//! pg_net that is installed and cannot send.

use super::sight::Sight;
use crate::config::{self, Carrier};
use crate::db::{self, Session};
use crate::monitoring::Fault;
use crate::outbox::carriers::pg_net_use::{self, Hindrance};

/// What keeps an installed pg_net from sending. Asked with the rights of the function's owner.
pub fn fault(session: &Session, sight: &Sight) -> Option<Fault> {
    if config::carrier() == Carrier::Builtin {
        return None;
    }
    let hindrance = sight.ask(session, "pg_net", pg_net_use::hindrance).flatten()?;
    let must = config::carrier() == Carrier::PgNet;
    let fault = fault_of(&hindrance, must, &db::current_database());
    Some(match &hindrance {
        Hindrance::NoRights { granter, .. } => fault.by(std::slice::from_ref(granter)),
        _ => fault.by(&[db::owner::superuser()]),
    })
}

/// `must`: `raw_ops.carrier` names pg_net; otherwise the built-in sender sends meanwhile. Pure.
fn fault_of(hindrance: &Hindrance, must: bool, database: &str) -> Fault {
    let why = match hindrance {
        Hindrance::NotPreloaded => {
            "pg_net is installed but not preloaded, so that it has no worker".to_owned()
        }
        Hindrance::OtherDatabase(other) => {
            format!("pg_net's worker serves the database {other}, not {database} (pg_net.database_name)")
        }
        Hindrance::NoRights { owner, .. } => format!("role {owner} may not use pg_net"),
    };
    let fault = match must {
        true => Fault::critical(
            "pg_net",
            format!("{why}: nothing is sent, raw_ops.carrier is pg_net"),
        ),
        false => Fault::warning(
            "pg_net",
            format!("{why}: the built-in sender sends, raw_ops.carrier is auto"),
        ),
    };
    match hindrance {
        Hindrance::NoRights { grants, .. } => grants.iter().fold(fault, |fault, grant| fault.next(grant)),
        Hindrance::OtherDatabase(_) => fault
            .next(format!("ALTER SYSTEM SET pg_net.database_name = {};", db::literal(database)))
            .next("SELECT pg_reload_conf();")
            .next("SELECT net.worker_restart();")
            .next("-- Its worker serves one database only. To let the built-in sender do it: ALTER SYSTEM SET raw_ops.carrier = 'builtin';"),
        Hindrance::NotPreloaded => fault
            .next("ALTER SYSTEM SET raw_ops.carrier = 'builtin';")
            .next("SELECT pg_reload_conf();")
            .next(format!(
                "-- Or let pg_net send: add pg_net to shared_preload_libraries and set pg_net.database_name = {} in postgresql.conf, then \
                 restart the server",
                db::literal(database)
            )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hindrance_has_its_statements_and_is_grave_only_where_pg_net_must_send() {
        let no_rights = Hindrance::NoRights {
            owner: "shop_owner".to_owned(),
            grants: vec!["GRANT USAGE ON SCHEMA net TO shop_owner;".to_owned()],
            granter: "postgres".to_owned(),
        };
        let cases = [
            (
                Hindrance::NotPreloaded,
                "ALTER SYSTEM SET raw_ops.carrier = 'builtin';",
            ),
            (
                Hindrance::OtherDatabase("other".to_owned()),
                "ALTER SYSTEM SET pg_net.database_name = 'shop';",
            ),
            (no_rights, "GRANT USAGE ON SCHEMA net TO shop_owner;"),
        ];
        for (hindrance, first) in cases {
            let severity = |must| fault_of(&hindrance, must, "shop").severity;
            assert!(severity(true) > severity(false), "{hindrance:?}");
            assert_eq!(fault_of(&hindrance, true, "shop").next[0], first);
        }
    }
}
