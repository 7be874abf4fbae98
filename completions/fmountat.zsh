#compdef fmountat
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Made by `cargo test -p fmountat-cli --test verbs completions::`; do not edit.

# The words of -o.
(( $+functions[_fmountat_options] )) ||
_fmountat_options() {
    compset -P '*,'
    local -a words=(defaults ro rro rw rrw nosuid rnosuid suid rsuid nodev rnodev dev rdev noexec rnoexec exec rexec noatime rnoatime atime ratime strictatime rstrictatime nostrictatime rnostrictatime relatime rrelatime norelatime rnorelatime nodiratime rnodiratime diratime rdiratime nosymfollow rnosymfollow symfollow rsymfollow sync async dirsync mand nomand lazytime nolazytime private rprivate shared rshared slave rslave unbindable runbindable bind rbind remount silent loud auto noauto _netdev user nouser users nousers owner noowner group nogroup nofail X-mount.mkdir X-mount.subdir= X-mount.owner= X-mount.group= X-mount.mode= X-mount.idmap= uidmap= gidmap= idmap ridmap loop offset= sizelimit= sector-size= direct-io)
    compadd -S "" -- ${(M)words:#*=}
    compadd -q -S , -- ${words:#*=}
}

autoload -U is-at-least

_fmountat() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'--json[Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD]' \
'--verbose[Print each step on stderr\: which strategy is used, and why another one could not be]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_fmountat_commands" \
"*::: :->fmountat" \
&& ret=0
    case $state in
    (fmountat)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:fmountat-command-$line[1]:"
        case $line[1] in
            (mount)
_arguments "${_arguments_options[@]}" : \
'-C+[Relative paths start at DIR]:DIR:_files' \
'--into=[Mount into the mount namespace of a process, or of a file like /proc/PID/ns/mnt; TARGET is then a path in there]:PID|FILE:_default' \
'-t+[The file system'\''s name, \`bind\` or \`overlay\`]:TYPE:_default' \
'--types=[The file system'\''s name, \`bind\` or \`overlay\`]:TYPE:_default' \
'*-o+[Options, separated by commas; may be given several times]:OPTIONS:_fmountat_options' \
'*--options=[Options, separated by commas; may be given several times]:OPTIONS:_fmountat_options' \
'--compat=[Ignore words that have no effect, and list them, as this program'\''s users expect]:PROGRAM:((containerd\:"Options without effect are ignored"
oci\:"As runc\: options without effect are ignored, mount points are made, binds are slaves"))' \
'--json[Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD]' \
'--verbose[Print each step on stderr\: which strategy is used, and why another one could not be]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::source -- What to mount; not needed to change a mount (`-o remount`, `-o shared`, ...):_files' \
':target -- Where; a symbolic link is followed:_files' \
&& ret=0
;;
(apply)
_arguments "${_arguments_options[@]}" : \
'(--replace)--into=[Mount into the mount namespace of a process, or of a file like /proc/PID/ns/mnt; TARGET is then a path in there]:PID|FILE:_default' \
'-C+[Relative paths start at DIR]:DIR:_files' \
'--compat=[Ignore words that have no effect, and list them, as this program'\''s users expect]:PROGRAM:((containerd\:"Options without effect are ignored"
oci\:"As runc\: options without effect are ignored, mount points are made, binds are slaves"))' \
'--replace[Put the set in place of the topmost mount on TARGET, without a moment between]' \
'--view[All mounts of the list read only; an overlay'\''s upperdir becomes its top layer]' \
'--strict[Refuse a set that others could see half done, as on kernels before 6.15]' \
'--json[Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD]' \
'--verbose[Print each step on stderr\: which strategy is used, and why another one could not be]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':spec -- The mount list\: a file with JSON as containerd or OCI write it, or `-`:_files' \
':target -- Where\: a directory, or a file for a set that is one bound file:_files' \
&& ret=0
;;
(explain)
_arguments "${_arguments_options[@]}" : \
'-C+[Relative paths start at DIR]:DIR:_files' \
'--compat=[Ignore words that have no effect, and list them, as this program'\''s users expect]:PROGRAM:((containerd\:"Options without effect are ignored"
oci\:"As runc\: options without effect are ignored, mount points are made, binds are slaves"))' \
'--replace[As if the set were to replace what is mounted on TARGET]' \
'--view[All mounts of the list read only; an overlay'\''s upperdir becomes its top layer]' \
'--strict[Refuse a set that others could see half done, as on kernels before 6.15]' \
'--json[Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD]' \
'--verbose[Print each step on stderr\: which strategy is used, and why another one could not be]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':spec -- The mount list\: a file with JSON as containerd or OCI write it, or `-`:_files' \
':target -- Where\: a directory, or a file for a set that is one bound file:_files' \
&& ret=0
;;
(doctor)
_arguments "${_arguments_options[@]}" : \
'--json[Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD]' \
'--verbose[Print each step on stderr\: which strategy is used, and why another one could not be]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(run)
_arguments "${_arguments_options[@]}" : \
'-C+[Relative paths start at DIR]:DIR:_files' \
'*--lower=[A layer of the root, topmost first; \`/\` alone is a copy of this machine'\''s own system]:DIR:_files' \
'*--bind=[Show SRC, writable unless OPTIONS say \`rro\`, at DST (or SRC) in the root]:SRC[:DST[:OPTIONS]]:_default' \
'--json[Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD]' \
'--verbose[Print each step on stderr\: which strategy is used, and why another one could not be]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::spec -- The mount list\: a file with JSON as containerd or OCI write it, or `-`:_files' \
'*::command -- The command and its arguments:_default' \
&& ret=0
;;
(umount)
_arguments "${_arguments_options[@]}" : \
'--timeout=[How long to try while it is busy]:SECONDS:_default' \
'(-R --recursive --all)*--id=[Exactly the mount with this id, never one on top of it\: the kernel'\''s unique id, or the one that mountinfo shows]:ID:_default' \
'(-R --recursive --all --id)*--set=[Whole sets, each in one call, many together\: FILE (or \`-\`) has what \`fmountat --json apply\` printed for each of them]:FILE:_files' \
'-R[Everything mounted at and below TARGET, deepest first]' \
'--recursive[Everything mounted at and below TARGET, deepest first]' \
'-l[Out of the table now, freed when its last user is gone]' \
'--lazy[Out of the table now, freed when its last user is gone]' \
'--all[All mounts of a stack at TARGET; nothing mounted there is success]' \
'--json[Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD]' \
'--verbose[Print each step on stderr\: which strategy is used, and why another one could not be]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::target -- Mount points; a symbolic link is not followed:_files' \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
'-t+[Only mounts of these types, separated by commas; with \`no\` in front, all others]:TYPES:_default' \
'--types=[Only mounts of these types, separated by commas; with \`no\` in front, all others]:TYPES:_default' \
'-N+[Of the mount namespace of a process, of a file like /proc/PID/ns/mnt, or with this id; PATH is then a path in there]:PID|FILE|id:ID:_default' \
'--namespace=[Of the mount namespace of a process, of a file like /proc/PID/ns/mnt, or with this id; PATH is then a path in there]:PID|FILE|id:ID:_default' \
'*-o+[Columns, separated by commas\: TARGET, SOURCE, FSTYPE, OPTIONS (these without it), ID, UNIQ-ID, PARENT, MAJ\:MIN, FSROOT, VFS-OPTIONS, FS-OPTIONS, PROPAGATION, OPT-FIELDS]:COLUMNS:_default' \
'*--output=[Columns, separated by commas\: TARGET, SOURCE, FSTYPE, OPTIONS (these without it), ID, UNIQ-ID, PARENT, MAJ\:MIN, FSROOT, VFS-OPTIONS, FS-OPTIONS, PROPAGATION, OPT-FIELDS]:COLUMNS:_default' \
'--strategy=[The interface to read by]:STRATEGY:(auto statmount mountinfo)' \
'(--pseudo)--real[Only file systems that have data of their own, on devices or elsewhere]' \
'--pseudo[Only the others\: proc, sysfs, tmpfs, overlay, ...]' \
'-l[One after the other, not as a tree]' \
'--list[One after the other, not as a tree]' \
'--full[Everything, however long\: no "37 layers", nothing cut to fit the terminal]' \
'-n[No line with the columns'\'' names]' \
'--noheadings[No line with the columns'\'' names]' \
'-v[Sources without the directory that a bind shows, \[/DIR\]]' \
'--nofsroot[Sources without the directory that a bind shows, \[/DIR\]]' \
'--json[Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD]' \
'--verbose[Print each step on stderr\: which strategy is used, and why another one could not be]' \
'-h[Print help]' \
'--help[Print help]' \
'::path -- Only what is mounted at PATH and below it:_files' \
&& ret=0
;;
(find)
_arguments "${_arguments_options[@]}" : \
'(--mountpoint)--id=[The mount with this id\: the kernel'\''s unique id, or the one that mountinfo shows]:ID:_default' \
'*-o+[Columns, separated by commas\: TARGET, SOURCE, FSTYPE, OPTIONS (these without it), ID, UNIQ-ID, PARENT, MAJ\:MIN, FSROOT, VFS-OPTIONS, FS-OPTIONS, PROPAGATION, OPT-FIELDS]:COLUMNS:_default' \
'*--output=[Columns, separated by commas\: TARGET, SOURCE, FSTYPE, OPTIONS (these without it), ID, UNIQ-ID, PARENT, MAJ\:MIN, FSROOT, VFS-OPTIONS, FS-OPTIONS, PROPAGATION, OPT-FIELDS]:COLUMNS:_default' \
'--strategy=[The interface to read by]:STRATEGY:(auto statmount mountinfo)' \
'--mountpoint[PATH itself must be a mount point]' \
'--full[Everything, however long\: no "37 layers", nothing cut to fit the terminal]' \
'-n[No line with the columns'\'' names]' \
'--noheadings[No line with the columns'\'' names]' \
'-v[Sources without the directory that a bind shows, \[/DIR\]]' \
'--nofsroot[Sources without the directory that a bind shows, \[/DIR\]]' \
'--json[Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD]' \
'--verbose[Print each step on stderr\: which strategy is used, and why another one could not be]' \
'-h[Print help]' \
'--help[Print help]' \
'::path -- A file or directory; symbolic links are followed:_files' \
&& ret=0
;;
(watch)
_arguments "${_arguments_options[@]}" : \
'--count=[End after so many events]:NUMBER:_default' \
'--timeout=[End after this time; the status is 32 if --count events have not come by then]:SECONDS:_default' \
'-N+[Of the mount namespace of a process, of a file like /proc/PID/ns/mnt, or with this id; PATH is then a path in there]:PID|FILE|id:ID:_default' \
'--namespace=[Of the mount namespace of a process, of a file like /proc/PID/ns/mnt, or with this id; PATH is then a path in there]:PID|FILE|id:ID:_default' \
'--strategy=[The interface to watch by]:STRATEGY:(auto statmount mountinfo)' \
'--full[Everything, however long\: no "37 layers"]' \
'--json[Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD]' \
'--verbose[Print each step on stderr\: which strategy is used, and why another one could not be]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::path -- Only what is mounted at PATH and below it; not what was gone before it could be seen where:_files' \
&& ret=0
;;
(clean)
_arguments "${_arguments_options[@]}" : \
'--json[Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD]' \
'--verbose[Print each step on stderr\: which strategy is used, and why another one could not be]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_fmountat__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:fmountat-help-command-$line[1]:"
        case $line[1] in
            (mount)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(apply)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(explain)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(doctor)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(run)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(umount)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(find)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(watch)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(clean)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
}

(( $+functions[_fmountat_commands] )) ||
_fmountat_commands() {
    local commands; commands=(
'mount:Mount one file system, bind or overlay, as mount(8) does' \
'apply:Mount a set of mounts on TARGET\: all of it in one step, or nothing' \
'explain:Show what \`apply\` would do, and what would be refused; changes nothing' \
'doctor:Show what this kernel, user and sandbox allow, what is used instead, and what to change' \
'run:Run a command in a throw-away root\: needs no privilege, leaves nothing' \
'umount:Unmount\: what is named and nothing else, no link followed, busy mounts tried again' \
'list:The mounts as a tree' \
'find:The mount that holds PATH; status 32 if there is none' \
'watch:Mounts as they come and go, a line for each' \
'clean:Take away what a set that was killed half way has left, where it could not be mounted in one step' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'fmountat commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__apply_commands] )) ||
_fmountat__subcmd__apply_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat apply commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__clean_commands] )) ||
_fmountat__subcmd__clean_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat clean commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__doctor_commands] )) ||
_fmountat__subcmd__doctor_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat doctor commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__explain_commands] )) ||
_fmountat__subcmd__explain_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat explain commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__find_commands] )) ||
_fmountat__subcmd__find_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat find commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__help_commands] )) ||
_fmountat__subcmd__help_commands() {
    local commands; commands=(
'mount:Mount one file system, bind or overlay, as mount(8) does' \
'apply:Mount a set of mounts on TARGET\: all of it in one step, or nothing' \
'explain:Show what \`apply\` would do, and what would be refused; changes nothing' \
'doctor:Show what this kernel, user and sandbox allow, what is used instead, and what to change' \
'run:Run a command in a throw-away root\: needs no privilege, leaves nothing' \
'umount:Unmount\: what is named and nothing else, no link followed, busy mounts tried again' \
'list:The mounts as a tree' \
'find:The mount that holds PATH; status 32 if there is none' \
'watch:Mounts as they come and go, a line for each' \
'clean:Take away what a set that was killed half way has left, where it could not be mounted in one step' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'fmountat help commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__help__subcmd__apply_commands] )) ||
_fmountat__subcmd__help__subcmd__apply_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat help apply commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__help__subcmd__clean_commands] )) ||
_fmountat__subcmd__help__subcmd__clean_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat help clean commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__help__subcmd__doctor_commands] )) ||
_fmountat__subcmd__help__subcmd__doctor_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat help doctor commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__help__subcmd__explain_commands] )) ||
_fmountat__subcmd__help__subcmd__explain_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat help explain commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__help__subcmd__find_commands] )) ||
_fmountat__subcmd__help__subcmd__find_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat help find commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__help__subcmd__help_commands] )) ||
_fmountat__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat help help commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__help__subcmd__list_commands] )) ||
_fmountat__subcmd__help__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat help list commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__help__subcmd__mount_commands] )) ||
_fmountat__subcmd__help__subcmd__mount_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat help mount commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__help__subcmd__run_commands] )) ||
_fmountat__subcmd__help__subcmd__run_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat help run commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__help__subcmd__umount_commands] )) ||
_fmountat__subcmd__help__subcmd__umount_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat help umount commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__help__subcmd__watch_commands] )) ||
_fmountat__subcmd__help__subcmd__watch_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat help watch commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__list_commands] )) ||
_fmountat__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat list commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__mount_commands] )) ||
_fmountat__subcmd__mount_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat mount commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__run_commands] )) ||
_fmountat__subcmd__run_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat run commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__umount_commands] )) ||
_fmountat__subcmd__umount_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat umount commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__watch_commands] )) ||
_fmountat__subcmd__watch_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat watch commands' commands "$@"
}

if [ "$funcstack[1]" = "_fmountat" ]; then
    _fmountat "$@"
else
    compdef _fmountat fmountat
fi
