// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Access to the repository: its top directory, its files, its test binaries.

use crate::command;
use crate::error::{At, Error, Result};
use std::fmt;
use std::io;
use std::path::Path;

/// Returns the top directory of the repository.
pub(crate) fn top() -> Result<&'static Path> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().ok_or_else(|| Error::new(format!("{}: it has no parent directory", here.display())))
}

/// Reads a file as text. Replaces bytes that are not valid UTF-8.
pub(crate) fn read(path: impl AsRef<Path>) -> Result<String> {
    let bytes = std::fs::read(&path).at("read", &path)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a file, or returns `None` if it does not exist.
pub(crate) fn read_if_there(path: impl AsRef<Path>) -> Result<Option<String>> {
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).at("read", &path),
    }
}

/// Writes a file. Replaces an existing one.
pub(crate) fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result {
    std::fs::write(&path, content).at("write", &path)
}

/// Creates an empty directory. Removes an existing one first.
pub(crate) fn recreate(directory: &Path) -> Result {
    remove(directory)?;
    std::fs::create_dir_all(directory).at("create", directory)
}

/// Removes a directory with its content, if it exists.
pub(crate) fn remove(directory: &Path) -> Result {
    match std::fs::remove_dir_all(directory) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e).at("remove", directory),
        _ => Ok(()),
    }
}

/// Returns the entries of a list, without comments and empty lines.
pub(crate) fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).filter(|line| !line.is_empty())
}

/// Returns the words of an environment variable; none if it is not set.
pub(crate) fn words_of(variable: &str) -> Vec<String> {
    std::env::var(variable).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// A test file, and the program that cargo has built for it and perhaps for others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TestFile {
    /// The directory of its package, in which it runs.
    pub(crate) directory: String,
    pub(crate) name: String,
    pub(crate) program: String,
    /// The argument that selects the file's cases, `NAME::`, if the program has those of several
    /// files.
    pub(crate) filter: Option<String>,
}

/// The line that `.ci/test-binaries` prints and `.ci/kernels.d/init` reads.
impl fmt::Display for TestFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filter = self.filter.as_ref().map_or_else(String::new, |filter| format!(" {filter}"));
        writeln!(f, "{} {} {}{filter}", self.directory, self.name, self.program)
    }
}

/// Builds the tests and returns their programs.
pub(crate) fn test_files() -> Result<Vec<TestFile>> {
    Ok(parse_test_files(&command::read(&mut command::new(".ci/test-binaries"))?))
}

fn parse_test_files(text: &str) -> Vec<TestFile> {
    let parse = |line: &str| {
        let mut parts = line.splitn(4, ' ').map(str::to_owned);
        let (directory, name, program) = (parts.next()?, parts.next()?, parts.next()?);
        Some(TestFile { directory, name, program, filter: parts.next() })
    };
    text.lines().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn entries_have_neither_comments_nor_blanks() {
        let text = "# a comment\nhouse   # why\n\n  set quick\n";
        assert_eq!(entries(text).collect::<Vec<_>>(), ["house", "set quick"]);
    }

    #[test]
    fn test_binaries_are_printed_as_they_are_read() {
        let text = "/r/lib set /r/target/debug/deps/sets-1 set::\n/r/cli run /r/target/debug/deps/run-2\n";
        let read = parse_test_files(text);
        assert_eq!(read.iter().map(|binary| binary.name.as_str()).collect::<Vec<_>>(), ["set", "run"]);
        assert_eq!(read[0].filter.as_deref(), Some("set::"));
        assert_eq!(read.iter().map(TestFile::to_string).collect::<String>(), text);
    }

    #[test]
    fn a_missing_file_is_no_error_but_an_unreadable_one_is() {
        let scratch = Scratch::new("missing");
        assert_eq!(read_if_there(scratch.path().join("nothing")).unwrap(), None);
        assert!(read_if_there(scratch.path()).is_err());
        let error = read(scratch.path().join("nothing")).unwrap_err();
        assert!(error.text.starts_with("read /") && error.text.contains("No such file"), "{}", error.text);
    }

    #[test]
    fn a_directory_is_made_anew() {
        let scratch = Scratch::new("recreate");
        let directory = scratch.path().join("a/b");
        recreate(&directory).unwrap();
        write(directory.join("old"), "x").unwrap();
        recreate(&directory).unwrap();
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
    }
}
