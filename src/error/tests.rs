//! What an error is to those who see it.

use super::*;

fn database(code: PgSqlErrorCode) -> Error {
    Error::Database {
        code,
        message: "refused".into(),
    }
}

#[test]
fn every_sqlstate_class_has_its_category() {
    use PgSqlErrorCode::*;
    for (code, category) in [
        (ERRCODE_UNIQUE_VIOLATION, Category::ConstraintViolation),
        (ERRCODE_CHECK_VIOLATION, Category::ConstraintViolation),
        (ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, Category::MalformedPayload),
        (ERRCODE_LOCK_NOT_AVAILABLE, Category::Timeout),
        (ERRCODE_T_R_DEADLOCK_DETECTED, Category::Transient),
        (ERRCODE_T_R_SERIALIZATION_FAILURE, Category::Transient),
        (ERRCODE_CONNECTION_FAILURE, Category::Transient),
        (ERRCODE_INTERNAL_ERROR, Category::Internal),
    ] {
        assert_eq!(database(code).category(), category, "{code:?}");
    }
}

#[test]
fn what_postgresql_quotes_is_not_repeated() {
    use PgSqlErrorCode::*;
    let refused = Error::database(
        ERRCODE_INVALID_TEXT_REPRESENTATION,
        "invalid input syntax for type uuid: \"ada@example.com\"",
    );
    assert_eq!(
        refused.to_string(),
        "PostgreSQL cannot take a value: invalid text representation"
    );
    let names = "new row for relation \"orders\" violates check constraint \"no_sevens\"";
    assert_eq!(Error::database(ERRCODE_CHECK_VIOLATION, names).to_string(), names);
}

#[test]
fn a_full_disk_is_never_held_against_a_webhook() {
    use PgSqlErrorCode::*;
    for code in [
        ERRCODE_DISK_FULL,
        ERRCODE_QUERY_CANCELED,
        ERRCODE_ADMIN_SHUTDOWN,
        ERRCODE_IO_ERROR,
    ] {
        assert!(database(code).is_servers_fault(), "{code:?}");
    }
    for code in [
        ERRCODE_UNIQUE_VIOLATION,
        ERRCODE_T_R_DEADLOCK_DETECTED,
        ERRCODE_INTERNAL_ERROR,
    ] {
        assert!(!database(code).is_servers_fault(), "{code:?}");
    }
}

#[test]
fn a_refused_transition_names_the_function_to_use() {
    let refused = |from: &str| {
        Error::Transition {
            from: from.into(),
            to: "pending".into(),
        }
        .hint()
        .unwrap()
    };
    assert!(refused("dlq").contains("fn_resolve_webhook_manually_v1"));
    assert!(refused("failed").contains("process_webhook"));
    assert!(refused("success").contains("receive_webhook"));
}
