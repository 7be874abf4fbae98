// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Splits option lists as mount(8) does: options, keys and values, sizes, id mappings.

use crate::vfs::idmap::IdMapping;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Splits at commas, except after a backslash or inside double quotes.
pub(crate) fn split(text: &[u8]) -> Vec<&[u8]> {
    let mut options = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'"' if !escaped => quoted = !quoted,
            b',' if !quoted && !escaped => {
                options.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        escaped = !escaped && *byte == b'\\';
    }
    options.push(&text[start..]);
    options
}

/// Reports whether a quote that is never closed has commas after it. Such commas would separate
/// nothing.
pub(crate) fn has_open_quote(text: &[u8]) -> bool {
    let last = split(text).pop().unwrap_or_default();
    // Only the last option can contain an open quote.
    let (mut open, mut escaped) = (None, false);
    for (at, byte) in last.iter().enumerate() {
        if *byte == b'"' && !escaped {
            open = if open.is_none() { Some(at) } else { None };
        }
        escaped = !escaped && *byte == b'\\';
    }
    open.and_then(|at| last.get(at..)).is_some_and(|rest| rest.contains(&b','))
}

/// Splits one element into options. containerd writes `uidmap=0:1:2,5:6:7` with commas inside the
/// value: such a range belongs to the option before it.
pub(crate) fn split_options(text: &OsStr) -> Vec<OsString> {
    let mut options: Vec<OsString> = Vec::new();
    for part in split(text.as_bytes()).into_iter().filter(|part| !part.is_empty()) {
        let part = OsStr::from_bytes(part);
        match options.last_mut() {
            Some(last) if is_id_option(last) && is_range(part) => {
                last.push(",");
                last.push(part);
            }
            _ => options.push(part.to_owned()),
        }
    }
    options
}

fn is_id_option(option: &OsStr) -> bool {
    [&b"uidmap="[..], b"gidmap="].iter().any(|key| option.as_bytes().starts_with(key))
}

fn is_range(part: &OsStr) -> bool {
    let bytes = part.as_bytes();
    bytes.contains(&b':') && bytes.iter().all(|b| b.is_ascii_digit() || *b == b':' || *b == b'-')
}

pub(crate) fn key_and_value(text: &OsStr) -> (&OsStr, Option<&OsStr>) {
    let bytes = text.as_bytes();
    match bytes.iter().position(|b| *b == b'=') {
        Some(at) => (OsStr::from_bytes(&bytes[..at]), Some(OsStr::from_bytes(&bytes[at + 1..]))),
        None => (text, None),
    }
}

/// Removes the quotes of `"a,b"`, with which mount(8) writes SELinux contexts.
pub(crate) fn unquote(value: &OsStr) -> OsString {
    match value.as_bytes() {
        [b'"', inner @ .., b'"'] => OsStr::from_bytes(inner).to_owned(),
        _ => value.to_owned(),
    }
}

/// Parses a size as mount(8) does: `4096`, `4K`, `4KiB` (times 1024), `4KB` (times 1000), up to
/// `T`. Returns bytes.
pub(crate) fn size(text: &OsStr) -> Option<u64> {
    let text = text.to_str()?;
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let (unit, step) = match text[digits..].to_ascii_lowercase().as_str() {
        "" => return Some(number),
        unit if unit.len() == 2 && unit.ends_with('b') => (unit.chars().next()?, 1000u64),
        unit if unit.len() == 1 || unit.ends_with("ib") && unit.len() == 3 => (unit.chars().next()?, 1024),
        _ => return None,
    };
    let power = 1 + u32::try_from("kmgt".find(unit)?).ok()?;
    number.checked_mul(step.checked_pow(power)?)
}

/// Parses an id range of three numbers: inner, outer and count.
pub(crate) fn id_range(text: &str) -> Result<IdMapping, String> {
    let fields: Vec<&str> = text.split(':').collect();
    let [inner, outer, count] = fields[..] else {
        return Err(format!("`{text}` is not of the form DISK:SEEN:COUNT"));
    };
    let number = |name: &str, field: &str| {
        let is_number = !field.is_empty() && field.bytes().all(|b| b.is_ascii_digit());
        let parsed = if is_number { field.parse().ok() } else { None };
        parsed.ok_or_else(|| {
            format!("{name} in `{text}` is `{field}`, which is no number from 0 to 4294967295")
        })
    };
    Ok(IdMapping {
        inner: number("DISK (containerID)", inner)?,
        outer: number("SEEN (hostID)", outer)?,
        count: number("COUNT (size)", count)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stay_with_their_word() {
        let got = split_options(OsStr::new("uidmap=0:1:2,5:6:7,ro,gidmap=0:1:-2,9:9:9,size=1"));
        assert_eq!(got, ["uidmap=0:1:2,5:6:7", "ro", "gidmap=0:1:-2,9:9:9", "size=1"]);
    }

    #[test]
    fn quotes_that_swallow_words() {
        for text in [r#"x-note="a,ro"#, r#"ro,c="a,b",d="e,f"#] {
            assert!(has_open_quote(text.as_bytes()), "{text}");
        }
        for text in ["", "ro,rw", r#"lowerdir=/a"b"#, r#"c="a,b",ro"#, r#"c=\"a,ro"#] {
            assert!(!has_open_quote(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn sizes_of_cases() {
        for (text, want) in [
            ("0", Some(0)),
            ("4096", Some(4096)),
            ("4k", Some(4096)),
            ("4KiB", Some(4096)),
            ("4KB", Some(4000)),
            ("1T", Some(1 << 40)),
            ("", None),
            ("k", None),
            ("-1", None),
            ("1x", None),
            ("1KiBx", None),
            ("99999999999999999T", None),
        ] {
            assert_eq!(size(OsStr::new(text)), want, "{text}");
        }
    }

    #[test]
    fn bad_ranges_name_the_field() {
        for (text, field) in [
            ("1:2", "form"),
            ("a:1:2", "DISK"),
            ("1:-2:3", "SEEN"),
            ("1:2:", "COUNT"),
            ("1:2:3:4", "form"),
            ("+1:2:3", "DISK"),
        ] {
            assert!(id_range(text).unwrap_err().contains(field), "{text}");
        }
        assert_eq!(id_range("0:1000:5"), Ok(IdMapping { inner: 0, outer: 1000, count: 5 }));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_split_without_panic(bytes: Vec<u8>) {
            let text = OsStr::from_bytes(&bytes);
            let _ = (split_options(text), size(text), id_range(&text.to_string_lossy()));
        }
    }
}
