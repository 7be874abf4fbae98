// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds the shared libraries of programs by ldd(1).

use crate::command;
use crate::error::Result;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The number of programs in one call of ldd: the length of a command line is limited.
const AT_A_TIME: usize = 500;

/// Returns the libraries and the dynamic loader of these files.
///
/// Ignores scripts and static programs.
pub(crate) fn libraries_of(files: &[PathBuf]) -> Result<BTreeSet<String>> {
    let mut libraries = BTreeSet::new();
    for some in files.chunks(AT_A_TIME) {
        let listed = command::read_leniently(command::new("ldd").args(some))?;
        libraries.extend(listed.lines().filter_map(library_in).map(str::to_owned));
    }
    Ok(libraries)
}

/// Returns the path in a line `NAME => /PATH (ADDRESS)`, or `/lib... (ADDRESS)` for the loader.
fn library_in(line: &str) -> Option<&str> {
    let path = match line.split_once("=> ") {
        Some((_, path)) => path,
        None => line.strip_prefix('\t').filter(|path| path.starts_with("/lib"))?,
    };
    let (path, _) = path.split_once(' ')?;
    path.starts_with('/').then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_the_loader_are_taken() {
        let text = "/usr/bin/a:\n\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x2)\n\t\
                    libz.so => not found\n\t/lib64/ld-linux-x86-64.so.2 (0x3)\n/usr/bin/b:\n\tnot a dynamic executable\n";
        let found: Vec<_> = text.lines().filter_map(library_in).collect();
        assert_eq!(found, ["/lib/x/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
    }
}
