// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writes paths, options and names as JSON strings, without losing bytes that are not valid UTF-8.
//!
//! If a field `target` has invalid bytes, each is replaced by U+FFFD. A second field
//! `target_percent` then has the whole text, percent-encoded.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

/// A path, option or name from outside, of any length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(Cow<'a, OsStr>);

/// Borrows a text.
pub(crate) fn text<T: AsRef<OsStr> + ?Sized>(text: &T) -> Text<'_> {
    Text(Cow::Borrowed(text.as_ref()))
}

impl From<OsString> for Text<'_> {
    fn from(text: OsString) -> Self {
        Self(Cow::Owned(text))
    }
}

/// The first character of a percent-encoded text until [`json`] moves the text. A text that begins
/// with this character is percent-encoded too, so that it is not mistaken for an encoded one.
const MARK: char = '\0';

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_str() {
            Some(text) if !text.starts_with(MARK) => serializer.serialize_str(text),
            _ => serializer.serialize_str(&format!("{MARK}{}", percent(self.0.as_bytes()))),
        }
    }
}

/// Encodes all bytes except letters, digits and `-._~/`: RFC 3986, "Percent-Encoding".
fn percent(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(byte) {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

/// Decodes a text that [`percent`] encoded. Invalid bytes become U+FFFD.
fn lossy(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (number, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        bytes.extend(u8::from_str_radix(number, 16));
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Serializes a report. This can't fail: no report has a map with keys other than strings.
pub(crate) fn json(report: &impl Serialize) -> String {
    let mut value = serde_json::to_value(report).unwrap_or_default();
    move_marked(&mut value);
    value.to_string()
}

/// Moves each marked text into a field `NAME_percent`.
fn move_marked(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let mut added = Map::new();
            for (name, field) in fields.iter_mut() {
                if let Some(encoded) = take_marked(field) {
                    added.insert(format!("{name}_percent"), encoded);
                } else {
                    move_marked(field);
                }
            }
            fields.append(&mut added);
        }
        Value::Array(values) => values.iter_mut().for_each(move_marked),
        _ => {}
    }
}

/// Replaces a marked text, or each marked text of a list, by its readable form. Returns the encoded
/// text or list. In the list, null stands for a text that had no mark.
fn take_marked(value: &mut Value) -> Option<Value> {
    match value {
        Value::String(text) => {
            let encoded = text.strip_prefix(MARK)?.to_owned();
            *text = lossy(&encoded);
            Some(encoded.into())
        }
        Value::Array(values)
            if values.iter().any(|value| matches!(value, Value::String(text) if text.starts_with(MARK))) =>
        {
            Some(values.iter_mut().map(|value| take_marked(value).unwrap_or_default()).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Report<'a> {
        inner: Vec<Inner<'a>>,
        list: Vec<Text<'a>>,
        target: Text<'a>,
    }

    #[derive(Serialize)]
    struct Inner<'a> {
        source: Text<'a>,
    }

    #[test]
    fn no_byte_is_lost() {
        let odd = OsStr::from_bytes(b"/a b/\xff%");
        let plain = OsStr::new("/\u{e4}%");
        let report = Report {
            inner: vec![Inner { source: text(odd) }],
            list: vec![text(plain), text(odd)],
            target: text(odd),
        };
        let want = serde_json::json!({
            "inner": [{"source": "/a b/\u{fffd}%", "source_percent": "/a%20b/%FF%25"}],
            "list": ["/\u{e4}%", "/a b/\u{fffd}%"],
            "list_percent": [null, "/a%20b/%FF%25"],
            "target": "/a b/\u{fffd}%",
            "target_percent": "/a%20b/%FF%25",
        });
        assert_eq!(serde_json::from_str::<Value>(&json(&report)).unwrap(), want);
        let plain = Report { inner: Vec::new(), list: vec![text(plain)], target: text("") };
        assert_eq!(json(&plain), "{\"inner\":[],\"list\":[\"/\u{e4}%\"],\"target\":\"\"}");
    }
}
