//! Text for clients whose encoding cannot hold all that UTF-8 can. PostgreSQL refuses to send what it cannot convert, and
//! the refusal undoes what the function has done: an answer must never be what a webhook fails for.

use pgrx::pg_sys::{self, pg_enc};
use serde_json::Value as Json;

/// The text as the client can take it: for a client of another encoding a question mark stands for each character that its
/// encoding need not have.
pub fn for_client(text: String) -> String {
    // SAFETY: reads the client's encoding.
    readable(text, unsafe { pg_sys::pg_get_client_encoding() } as pg_enc::Type)
}

/// The same for every text in a tree.
pub fn json_for_client(json: Json) -> Json {
    match json {
        Json::String(text) => Json::String(for_client(text)),
        Json::Array(elements) => elements.into_iter().map(json_for_client).collect(),
        Json::Object(members) => members
            .into_iter()
            .map(|(name, member)| (for_client(name), json_for_client(member)))
            .collect(),
        other => other,
    }
}

fn readable(text: String, encoding: pg_enc::Type) -> String {
    // SQL_ASCII takes any bytes.
    if text.is_ascii() || encoding == pg_enc::PG_UTF8 || encoding == pg_enc::PG_SQL_ASCII {
        return text;
    }
    let highest = match encoding {
        pg_enc::PG_LATIN1 => '\u{ff}',
        _ => '\u{7f}',
    };
    text.chars().map(|c| if c <= highest { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_encoding_need_not_have_becomes_a_question_mark() {
        let said = |encoding| readable("Zo\u{eb} \u{1f64f}".into(), encoding);
        assert_eq!(said(pg_enc::PG_UTF8), "Zo\u{eb} \u{1f64f}");
        assert_eq!(said(pg_enc::PG_SQL_ASCII), "Zo\u{eb} \u{1f64f}");
        assert_eq!(said(pg_enc::PG_LATIN1), "Zo\u{eb} ?");
        assert_eq!(said(pg_enc::PG_WIN1252), "Zo? ?");
    }
}
