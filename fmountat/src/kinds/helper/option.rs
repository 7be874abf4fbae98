// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writes one option so that a mount helper does not split it at the commas of its value.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Returns the option for a program of libfuse, which splits at each comma that has no backslash
/// before it, also inside quotes (fuse_opt(3), `process_real_option_group`).
pub(crate) fn for_libfuse(option: &OsStr) -> OsString {
    let mut text = Vec::with_capacity(option.len());
    let mut escaped = false;
    for byte in option.as_bytes() {
        if *byte == b',' && !escaped {
            text.push(b'\\');
        }
        text.push(*byte);
        escaped = !escaped && *byte == b'\\';
    }
    OsString::from_vec(text)
}

/// Returns the option as an element of the comma-separated list that mount(8) passes to
/// `mount.TYPE`: a value with commas is quoted.
pub(crate) fn for_list(option: &OsStr) -> OsString {
    let bytes = option.as_bytes();
    let has_comma = has_bare_comma(bytes);
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) if has_comma => {
            let (key, value) = bytes.split_at(at + 1);
            OsString::from_vec([key, b"\"", value, b"\""].concat())
        }
        _ => option.to_owned(),
    }
}

/// Reports whether the option has a comma that is neither quoted nor escaped.
fn has_bare_comma(bytes: &[u8]) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    bytes.iter().any(|byte| {
        let is_bare = *byte == b',' && !quoted && !escaped;
        quoted ^= *byte == b'"' && !escaped;
        escaped = !escaped && *byte == b'\\';
        is_bare
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_of_a_value_do_not_split_the_option() {
        for (option, libfuse, list) in [
            ("ro", "ro", "ro"),
            ("key=a", "key=a", "key=a"),
            ("key=a,suid,dev", r"key=a\,suid\,dev", r#"key="a,suid,dev""#),
            (r"key=a\,b", r"key=a\,b", r"key=a\,b"),
            (r"key=a\\,b", r"key=a\\\,b", r#"key="a\\,b""#),
            (r#"key=x"a,b""#, r#"key=x"a\,b""#, r#"key=x"a,b""#),
        ] {
            assert_eq!(for_libfuse(OsStr::new(option)), libfuse, "{option}");
            assert_eq!(for_list(OsStr::new(option)), list, "{option}");
        }
    }
}
