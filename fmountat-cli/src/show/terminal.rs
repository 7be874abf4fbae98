// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The properties of the terminal on stdout.

use rustix::termios::{isatty, tcgetwinsize};

/// Holds width, colours and character set. If stdout is no terminal, nothing is cut or coloured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    pub(crate) width: Option<usize>,
    pub(crate) colour: bool,
    pub(crate) utf8: bool,
}

impl Terminal {
    pub(crate) fn of_stdout() -> Self {
        let is_terminal = isatty(std::io::stdout());
        Self {
            width: is_terminal.then(width),
            colour: is_terminal && variable("NO_COLOR").is_empty() && variable("TERM") != "dumb",
            utf8: is_utf8(),
        }
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn width() -> usize {
    const UNKNOWN: usize = 80;
    let reported = tcgetwinsize(std::io::stdout()).map_or(0, |size| usize::from(size.ws_col));
    let wanted = variable("COLUMNS").parse().unwrap_or(reported);
    if wanted == 0 { UNKNOWN } else { wanted }
}

/// Returns whether the locale, found as in locale(7), is UTF-8. Without a locale it is assumed to
/// be.
fn is_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().map(variable).find(|value| !value.is_empty());
    set.is_none_or(|locale| ["utf-8", "utf8"].iter().any(|utf8| locale.to_lowercase().contains(utf8)))
}
