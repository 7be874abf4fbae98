// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Generates `completions/` from the definition of the command line and the option table, and tries
//! them in the shells.
//!
//! `FMOUNTAT_REGENERATE=1` writes the files anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, unreachable_pub)]
#[path = "../../src/args.rs"]
mod args;
#[allow(dead_code, unreachable_pub)]
#[path = "../../src/mount_args.rs"]
mod mount_args;
#[allow(dead_code, unreachable_pub)]
#[path = "../../src/set_args.rs"]
mod set_args;
#[allow(dead_code, unreachable_pub)]
#[path = "../../src/run_args.rs"]
mod run_args;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use fmountat::options::{Value, userspace_options};
use std::path::PathBuf;

const HEAD: &str = "\
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Made by `cargo test -p fmountat-cli --test verbs completions::`; do not edit.
";

const BASH: &str = r#"
# The words of -o: only the last one is still being written.
_fmountat_options() {
    local before=""
    [[ $1 == *,* ]] && before="${1%,*},"
    COMPREPLY=( $(compgen -P "${before}" -W "@WORDS@" -- "${1##*,}") )
    [[ -n ${COMP_TYPE} ]] && compopt -o nospace
}
"#;

const ZSH: &str = r#"
# The words of -o.
(( $+functions[_fmountat_options] )) ||
_fmountat_options() {
    compset -P '*,'
    local -a words=(@WORDS@)
    compadd -S "" -- ${(M)words:#*=}
    compadd -q -S , -- ${words:#*=}
}
"#;

const FISH: &str = r#"
# The words of -o: only the last one is still being written.
function __fmountat_options
    set -l written (commandline -ct | string replace -r '^(--options=|-o)' '')
    set -l before (string replace -r '[^,]*$' '' -- "$written")
    printf '%s\n' $before@WORDS@
end
"#;

/// Returns every option of the table and every recursive form, with `=` if it needs a value.
fn words() -> Vec<String> {
    let mut all = Vec::new();
    for word in userspace_options().iter().filter(|word| word.layer() != "refused") {
        let sign = if matches!(word.value, Value::Required(_)) { "=" } else { "" };
        all.push(format!("{}{sign}", word.name));
        all.extend(word.recursive_form());
    }
    all
}

/// Returns the command without its hidden verbs.
fn command() -> Command {
    let full = args::Cli::command();
    let shown: Vec<Command> = full.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned().collect();
    Command::new("fmountat").version("0").args(full.get_arguments().cloned()).subcommands(shown)
}

/// Returns the script in which `ours` replaces `of_clap`, the completion of `-o`, at each of its
/// `times` places.
fn script(shell: Shell, of_clap: &str, ours: &str, times: usize, function: &str) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command(), "fmountat", &mut text);
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.matches(of_clap).count(), times, "{shell}: clap_complete writes {of_clap:?} otherwise");
    let text = text.replace(of_clap, ours);
    // zsh reads what a file is for from its first line.
    let (first, rest) = text.split_at(if shell == Shell::Zsh { text.find('\n').unwrap() + 1 } else { 0 });
    let rest: Vec<&str> = rest.lines().map(str::trim_end).collect();
    let words = match shell {
        Shell::Fish => format!("{{{}}}", words().join(",")),
        _ => words().join(" "),
    };
    format!("{first}{HEAD}{}\n{}\n", function.replace("@WORDS@", &words), rest.join("\n").trim())
}

fn bash() -> String {
    let once = |name: &str| {
        let line = |what: &str| format!("                {name})\n                    {what}\n");
        (line(r#"COMPREPLY=($(compgen -f "${cur}"))"#), line(r#"_fmountat_options "${cur}""#))
    };
    let (long, our_long) = once("--options");
    let (short, our_short) = once("-o");
    let text = script(Shell::Bash, &long, &our_long, 1, BASH);
    // `-o` of other verbs takes columns: this one follows the long form directly.
    let (before, after) = text.split_at(text.find(&our_long).unwrap());
    assert!(after.contains(&short), "clap_complete writes {short:?} otherwise");
    format!("{before}{}", after.replacen(&short, &our_short, 1))
}

fn zsh() -> String {
    script(Shell::Zsh, "]:OPTIONS:_default", "]:OPTIONS:_fmountat_options", 2, ZSH)
}

fn fish() -> String {
    let of_clap = "can be repeated' -r\n";
    script(Shell::Fish, of_clap, &of_clap.replace("-r", "-x -a '(__fmountat_options)'"), 1, FISH)
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../completions")).join(name)
}

/// Returns the completions that the shell offers, sorted.
fn offered(shell: &str, arguments: &[&str]) -> Vec<String> {
    let output = std::process::Command::new(shell).args(arguments).output().unwrap();
    assert!(output.stderr.is_empty(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    // fish writes a description after a tab.
    let mut words: Vec<String> =
        text.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect();
    words.sort();
    words
}

const TRIED: [(&str, &[&str]); 6] = [
    ("fmountat mount -o ro,nosu", &["ro,nosuid"]),
    ("fmountat mount -o ro,nos", &["ro,nostrictatime", "ro,nosuid", "ro,nosymfollow"]),
    ("fmountat mount --options rrel", &["rrelatime"]),
    ("fmountat mount -o ro,bind,X-mount.su", &["ro,bind,X-mount.subdir="]),
    ("fmountat mount -o tmpcopy", &[]),
    ("fmountat a", &["apply"]),
];

fmountat_testing::cases! {
    fn the_scripts_are_up_to_date() needs [] {
        for (name, script) in [("fmountat.bash", bash()), ("fmountat.zsh", zsh()), ("fmountat.fish", fish())] {
            if std::env::var_os("FMOUNTAT_REGENERATE").is_some() {
                std::fs::write(path(name), &script).unwrap();
            }
            let there = std::fs::read_to_string(path(name)).unwrap_or_default();
            assert!(
                there == script,
                "completions/{name} is out of date: FMOUNTAT_REGENERATE=1 cargo test --test verbs completions::"
            );
        }
    }

    fn bash_completes_the_words_of_o() needs [Tool("bash")] {
        for (line, want) in TRIED {
            let try_it = format!(
                ". '{}'; COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
                 _fmountat fmountat \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; \
                 printf '%s\\n' \"${{COMPREPLY[@]}}\"",
                path("fmountat.bash").display()
            );
            let mut got = offered("bash", &["--norc", "-c", &try_it]);
            got.retain(|word| !word.is_empty());
            assert_eq!(got, want, "{line}");
        }
    }

    fn fish_completes_the_words_of_o() needs [Tool("fish")] {
        for (line, want) in TRIED {
            let try_it = format!("source '{}'; complete -C '{line}'", path("fmountat.fish").display());
            let got = offered("fish", &["--no-config", "-c", &try_it]);
            assert_eq!(got, want, "{line}");
        }
        let try_it = format!("source '{}'; complete -C 'fmountat mount -o '", path("fmountat.fish").display());
        let mut all = words();
        all.sort();
        assert_eq!(offered("fish", &["--no-config", "-c", &try_it]), all);
    }

    fn zsh_can_read_its_script() needs [Tool("zsh")] {
        let path = path("fmountat.zsh");
        let got = offered("zsh", &["-f", "-n", path.to_str().unwrap()]);
        assert_eq!(got, Vec::<String>::new());
    }
}
