// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The text of errors: names and messages of errnos, and untrusted bytes escaped for a terminal.

use rustix::io::Errno;
use std::fmt;

/// Formats untrusted bytes for a terminal: unchanged if they are printable UTF-8, otherwise as the
/// shell's `$'...'` with `\n`, `\t`, `\\`, `\'` and `\xHH`. More than 160 bytes are shortened in
/// the middle.
///
/// ```
/// assert_eq!(fmountat::text::escape(b"plain"), "plain");
/// assert_eq!(fmountat::text::escape(b"a\nb\x1b"), r"$'a\nb\x1b'");
/// ```
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    const SHOWN: usize = 160;
    if bytes.len() > SHOWN {
        let head = &bytes[..char_start(bytes, SHOWN / 2)];
        let tail = &bytes[char_start(bytes, bytes.len() - SHOWN / 4)..];
        return format!("{}...{} [{} bytes]", quoted(head), quoted(tail), bytes.len());
    }
    quoted(bytes)
}

/// Returns the start of the UTF-8 character that contains the byte at `at`; `at` itself in bytes
/// that are not UTF-8.
fn char_start(bytes: &[u8], at: usize) -> usize {
    let is_start = |at: &usize| !matches!(bytes.get(*at), Some(0x80..=0xbf));
    (at.saturating_sub(3)..=at).rev().find(is_start).unwrap_or(at)
}

/// Quotes a text with control characters or invalid UTF-8 for the shell, as an ANSI-C string of
/// bash(1) and zsh(1).
fn quoted(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => return text.to_owned(),
        _ => {}
    }
    let mut out = String::from("$'");
    let hex = |out: &mut String, bytes: &[u8]| {
        out.extend(bytes.iter().map(|byte| format!("\\x{byte:02x}")));
    };
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\\' | '\'' => out.extend(['\\', c]),
                c if c.is_control() => hex(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes()),
                c => out.push(c),
            }
        }
        hex(&mut out, chunk.invalid());
    }
    out.push('\'');
    out
}

/// Escapes control characters (`\n`, `\u{1b}`), backslashes and bytes that are not UTF-8 (`\xff`)
/// one by one, in a text of any length.
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
        assert_eq!(escape(br"it's a\b"), r"it's a\b");
        assert_eq!(escape(b"a\xff\x07"), r"$'a\xff\x07'");
        assert_eq!(escape(b"\t'\\\n\0\xc2\x85"), r"$'\t\'\\\n\x00\xc2\x85'");
        assert_eq!(escape_whole(b"a\xff\x07"), "a\\xff\\u{7}");
        assert!(escape(&[b'a'; 4096]).ends_with("[4096 bytes]"));
    }

    #[test]
    fn a_long_text_is_not_cut_within_a_character() {
        for at in 0..4 {
            let text = "x".repeat(at) + &"ä€𐍈".repeat(40);
            let shown = escape(text.as_bytes());
            assert!(!shown.contains('$') && shown.ends_with("bytes]"), "{shown}");
        }
        assert_eq!(escape(&[0x80; 200]).matches("\\x80").count(), 120);
    }

    #[test]
    fn the_shell_takes_back_what_was_escaped() {
        for bytes in [&b"a\nb\x1b"[..], b"\xff'\\\t$x", b"a\x01f\xc3\xa4\x7f9"] {
            let script = format!("printf %s {}", escape(bytes));
            let Ok(shell) = std::process::Command::new("bash").args(["-c", &script]).output() else { return };
            assert_eq!(shell.stdout, bytes, "{script}");
        }
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
