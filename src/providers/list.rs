//! Webhooks that are lists: each element is read for itself, so that one that is wrong harms no other.

use crate::error::Result;
use crate::json::{Field, Json};

/// One element of a list, or the only one of a webhook that is no list, and what reading it came to.
#[derive(Debug)]
pub struct Element<J, T> {
    /// Where it stands.
    pub path: String,
    pub raw: J,
    pub read: Result<T>,
}

/// Reads each element of a list for itself.
///
/// # Errors
/// Where there is none to read: the list is empty, or the first one's own error where all are wrong.
pub fn read_each<'a, J: Json<'a>, T>(
    list: &Field<'_, J>,
    what: &str,
    read: impl Fn(&Field<'_, J>) -> Result<T>,
) -> Result<Vec<Element<J, T>>> {
    let mut elements: Vec<Element<J, T>> = list
        .elements()?
        .into_iter()
        .flatten()
        .filter_map(|field| {
            Some(Element {
                path: field.path(),
                raw: field.value()?,
                read: read(&field),
            })
        })
        .collect();
    if elements.iter().any(|element| element.read.is_ok()) {
        return Ok(elements);
    }
    match elements.drain(..).next() {
        Some(Element { read: Err(error), .. }) => Err(error),
        _ => Err(list.error(format!("holds no {what}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(list: &Value) -> Result<Vec<String>> {
        let root = Field::root("dlr", list);
        let elements = read_each(&root, "message", |field| {
            let id = field.member("id");
            id.required(id.id()?)
        })?;
        let shown = elements.into_iter().map(|element| match element.read {
            Ok(id) => format!("{} is {id}", element.path),
            Err(error) => error.to_string(),
        });
        Ok(shown.collect())
    }

    #[test]
    fn each_element_is_read_for_itself() {
        assert_eq!(
            read(&json!([{"id": 1}, 17, {"id": "x"}, null, {"id": 2}])).unwrap(),
            [
                "dlr[0] is 1",
                "dlr[1].id: missing",
                "dlr[2].id: not a 64-bit integer: \"x\"",
                "dlr[3].id: missing",
                "dlr[4] is 2"
            ]
        );
    }

    #[test]
    fn a_list_without_one_that_can_be_read_is_wrong_as_a_whole() {
        let error = |list| read(&list).unwrap_err().to_string();
        assert_eq!(error(json!([{"id": 0}, {}])), "dlr[0].id: not a positive id: 0");
        assert_eq!(error(json!([])), "dlr: holds no message");
        assert_eq!(error(json!({"id": 1})), "dlr: not an array: an object");
    }
}
