// SPDX-License-Identifier: GPL-2.0-only

//! Printing of keys, values and changes.

use base64::prelude::{Engine, BASE64_STANDARD};
use serde_json::{Map, Value};
use tools::moddb::{Action, Change, Entry};

/// Returns bytes as printable ASCII, with all other bytes and backslashes escaped.
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'\\' => text.push_str(r"\\"),
            b' '..=b'~' => text.push(byte.into()),
            _ => text.push_str(&format!(r"\x{byte:02x}")),
        }
    }
    text
}

/// Returns the line of an entry, without a newline.
pub fn entry_line(entry: &Entry, json: bool) -> String {
    if json {
        let mut object = Map::new();
        insert(&mut object, "key", &entry.key);
        if let Some(value) = &entry.value {
            insert(&mut object, "value", value);
        }
        return Value::from(object).to_string();
    }
    match &entry.value {
        Some(value) => format!("{}\t{}", escaped(&entry.key), escaped(value)),
        None => escaped(&entry.key),
    }
}

/// Returns the line of a change, without a newline.
pub fn change_line(change: &Change, json: bool) -> String {
    let (action, length) = match change.action {
        Action::Set(length) => ("set", Some(length)),
        Action::Del => ("del", None),
        Action::Flush => ("flush", None),
    };
    if json {
        let mut object = Map::new();
        object.insert("action".into(), action.into());
        if let Some(key) = &change.key {
            insert(&mut object, "key", key);
        }
        if let Some(length) = length {
            object.insert("value_len".into(), length.into());
        }
        return Value::from(object).to_string();
    }
    let key = change.key.as_deref().map(escaped);
    let length = length.map(|length| length.to_string());
    let words = [Some(action.to_owned()), key, length];
    words.into_iter().flatten().collect::<Vec<_>>().join("\t")
}

/// Inserts bytes as text if they are valid UTF-8, else in base64.
fn insert(object: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.to_owned(), text.into()),
        Err(_) => object.insert(
            format!("{name}_base64"),
            BASE64_STANDARD.encode(bytes).into(),
        ),
    };
}

#[cfg(test)]
mod tests {
    use super::{change_line, entry_line, escaped};
    use tools::moddb::{Action, Change, Entry};

    #[test]
    fn any_bytes_are_printed() {
        assert_eq!(escaped(b"a b\\\t\n\0\xff~"), r"a b\\\x09\x0a\x00\xff~");
        let entry = Entry::pair(*b"k", *b"\xff");
        assert_eq!(entry_line(&entry, false), "k\t\\xff");
        assert_eq!(
            entry_line(&entry, true),
            r#"{"key":"k","value_base64":"/w=="}"#
        );
        assert_eq!(
            entry_line(&Entry::key(*b"\xc3\xbc\n"), true),
            r#"{"key":"ü\n"}"#
        );
    }

    #[test]
    fn changes_are_printed() {
        let change = |key: Option<&[u8]>, action| Change {
            key: key.map(Vec::from),
            action,
        };
        let set = change(Some(b"k"), Action::Set(3));
        assert_eq!(change_line(&set, false), "set\tk\t3");
        assert_eq!(
            change_line(&set, true),
            r#"{"action":"set","key":"k","value_len":3}"#
        );
        assert_eq!(
            change_line(&change(Some(b"k"), Action::Del), false),
            "del\tk"
        );
        assert_eq!(
            change_line(&change(None, Action::Flush), true),
            r#"{"action":"flush"}"#
        );
    }
}
