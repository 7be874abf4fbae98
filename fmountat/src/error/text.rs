// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The text of errors: names and messages of errnos, and untrusted bytes escaped for a terminal.

use rustix::io::Errno;
use std::fmt;

/// Escapes untrusted bytes for a terminal: control characters as `\n` or `\u{1b}`, invalid UTF-8 as
/// `\xff`. Shortens more than 160 bytes in the middle.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    const SHOWN: usize = 160;
    if bytes.len() > SHOWN {
        let (head, tail) = (&bytes[..SHOWN / 2], &bytes[bytes.len() - SHOWN / 4..]);
        return format!("{}...{} [{} bytes]", escape(head), escape(tail), bytes.len());
    }
    escape_whole(bytes)
}

/// Escapes bytes as [`escape`] does, without shortening.
#[must_use]
pub fn escape_whole(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\0' => out.push_str("\\0"),
                '\\' => out.push_str("\\\\"),
                c if c.is_control() => out.extend(c.escape_default()),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// Escapes the control characters of a text whose paths are escaped already.
pub(crate) fn escape_controls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// The width of the narrowest usual terminal, in columns.
const WIDTH: usize = 80;

/// Writes `text` wrapped at 80 columns, as [`Explanation`](crate::explain::Explanation) does. The
/// first line begins with `first` and the others with `next`.
///
/// # Errors
/// Those of the writer.
pub fn wrapped(f: &mut impl fmt::Write, first: &str, next: &str, text: &str) -> fmt::Result {
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in text.split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(f, "{}", line.trim_end())?;
            line = next.to_owned();
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    writeln!(f, "{}", line.trim_end())
}

pub(crate) fn errno_text(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_lowercase(),
        None => text,
    }
}

/// Returns `ENOENT` for 2: the name from errno(3), or `errno N` for a number without one.
pub(crate) fn errno_name(errno: Errno) -> String {
    let number = errno.raw_os_error();
    match nix::errno::Errno::from_raw(number) {
        nix::errno::Errno::UnknownErrno => format!("errno {number}"),
        named => format!("{named:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_keeps_text_and_escapes_the_rest() {
        assert_eq!(escape("käse".as_bytes()), "käse");
        assert_eq!(escape(b"a\xff\x07"), "a\\xff\\u{7}");
        assert!(escape(&[b'a'; 4096]).ends_with("[4096 bytes]"));
    }

    #[test]
    fn numbers_have_the_names_of_errno_3() {
        let names = [
            (Errno::NOENT, "ENOENT"),
            (Errno::TOOBIG, "E2BIG"),
            (Errno::AGAIN, "EAGAIN"),
            (Errno::OPNOTSUPP, "EOPNOTSUPP"),
            (Errno::HOSTUNREACH, "EHOSTUNREACH"),
            (Errno::from_raw_os_error(524), "errno 524"),
        ];
        for (errno, name) in names {
            assert_eq!(errno_name(errno), name);
        }
    }
}
