#compdef fmountat
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Made by `cargo test -p fmountat-cli --test verbs completions::`; do not edit.

# The words of -o.
(( $+functions[_fmountat_options] )) ||
_fmountat_options() {
    compset -P '*,'
    local -a words=(defaults ro rro rw rrw nosuid rnosuid suid rsuid nodev rnodev dev rdev noexec rnoexec exec rexec noatime rnoatime atime ratime strictatime rstrictatime nostrictatime rnostrictatime relatime rrelatime norelatime rnorelatime nodiratime rnodiratime diratime rdiratime nosymfollow rnosymfollow symfollow rsymfollow sync async dirsync mand nomand lazytime nolazytime noiversion private rprivate shared rshared slave rslave unbindable runbindable bind rbind remount silent loud auto noauto _netdev user nouser users nousers owner noowner group nogroup nofail X-mount.mkdir X-mount.subdir= X-mount.owner= X-mount.group= X-mount.mode= X-mount.idmap= uidmap= gidmap= idmap ridmap loop offset= sizelimit= sector-size= direct-io)
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
'--json[Print results and errors as JSON, one object per line]' \
'--verbose[Print each step on stderr, with the strategy it uses]' \
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
            (run)
_arguments "${_arguments_options[@]}" : \
'-C+[Resolve the relative paths of this command line from DIR; see --chdir]:DIR:_files' \
'*--lower=[Layer of the root, topmost first; / alone is a copy of this system]:DIR:_files' \
'(--lower)--bundle=[Root, mounts, command, environment and user of the OCI bundle DIR]:DIR:_files' \
'*--bind=[Bind SRC at DST, by default at the same absolute path; writes to it reach the host]:SRC[:DST[:OPTIONS]]:_default' \
'*--ro-bind=[The same, read-only]:SRC[:DST[:OPTIONS]]:_default' \
'*--tmpfs=[Mount an empty tmpfs on DIR]:DIR:_files' \
'--size=[Limit the changes that are kept in memory, as in 512m or 20%]:BYTES:_default' \
'(--size)--keep=[Keep the changes in DIR, and continue those that are there; see \`fmountat changes\`]:DIR:_files' \
'--chdir=[Start COMMAND in DIR, a path in the root]:DIR:_files' \
'*--setenv=[Set a variable of the environment]:NAME:_default:NAME:_default' \
'*--unsetenv=[Remove a variable from the environment]:NAME:_default' \
'--net=[Network\: the host'\''s (default), or none but a loopback interface]:WHICH:(host none)' \
'(--share-uts)--hostname=[Set the host name inside]:NAME:_default' \
'*--cap-add=[Let the command have capability CAP, as in SYS_PTRACE; ALL for all]:CAP:_default' \
'*--keep-fd=[Let the command inherit descriptor FD; without this option, only 0, 1 and 2]:FD:_default' \
'--strict[Refuse a bundle with a part that run does not do]' \
'--clearenv[Remove all variables, except those of --setenv]' \
'--root[Be user and group 0 of the namespace, in place of your own]' \
'--map-auto[Map your ranges of /etc/subuid and /etc/subgid, by newuidmap(1) and newgidmap(1)]' \
'--share-ipc[Share System V IPC and message queues with the host]' \
'--share-uts[Share the host name]' \
'--share-cgroup[Share the cgroup namespace]' \
'--share-sys[As root\: leave /proc/sys, /sys and other settings of the kernel writable]' \
'--share-terminal[Allow typing into the terminal, by ioctl(TIOCSTI)]' \
'-q[Print errors only]' \
'--quiet[Print errors only]' \
'--json[Print results and errors as JSON, one object per line]' \
'--verbose[Print each step on stderr, with the strategy it uses]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::spec -- File with the mount list in JSON, of containerd or OCI; - for stdin:_files' \
'*::command -- Command and its arguments; all words after `--`:_default' \
&& ret=0
;;
(changes)
_arguments "${_arguments_options[@]}" : \
'--json[Print results and errors as JSON, one object per line]' \
'--verbose[Print each step on stderr, with the strategy it uses]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':directory -- Directory of `run --keep`:_files' \
&& ret=0
;;
(mount)
_arguments "${_arguments_options[@]}" : \
'-C+[Resolve relative paths from DIR]:DIR:_files' \
'-N+[Mount in the namespace of process PID or of FILE (/proc/PID/ns/mnt)]:PID|FILE:_default' \
'--into=[Mount in the namespace of process PID or of FILE (/proc/PID/ns/mnt)]:PID|FILE:_default' \
'-t+[File system type, bind or overlay]:TYPE:_default' \
'--types=[File system type, bind or overlay]:TYPE:_default' \
'*-o+[Mount options, separated by commas; can be repeated]:OPTIONS:_fmountat_options' \
'*--options=[Mount options, separated by commas; can be repeated]:OPTIONS:_fmountat_options' \
'-m+[Create a missing mount point\: -o X-mount.mkdir\[=MODE\]]::MODE:_default' \
'--mkdir=[Create a missing mount point\: -o X-mount.mkdir\[=MODE\]]::MODE:_default' \
'(-U --uuid --source)-L+[Find the device by its file system label]:LABEL:_default' \
'(-U --uuid --source)--label=[Find the device by its file system label]:LABEL:_default' \
'(--source)-U+[Find the device by its file system UUID]:UUID:_default' \
'(--source)--uuid=[Find the device by its file system UUID]:UUID:_default' \
'--source=[SOURCE as an option]:SOURCE:_default' \
'--target=[TARGET as an option]:TARGET:_files' \
'--compat=[Ignore and list options that have no effect, as PROGRAM does]:PROGRAM:((containerd\:"Ignore options that have no effect"
oci\:"Like runc\: also create mount points, and give a tmpfs the mode of its directory"))' \
'-B[Mount SOURCE a second time at TARGET\: -o bind]' \
'--bind[Mount SOURCE a second time at TARGET\: -o bind]' \
'-R[Mount SOURCE and all mounts below it a second time at TARGET\: -o rbind]' \
'--rbind[Mount SOURCE and all mounts below it a second time at TARGET\: -o rbind]' \
'(-t --types -o --options -N --into)-M[Move the mount at SOURCE to TARGET]' \
'(-t --types -o --options -N --into)--move[Move the mount at SOURCE to TARGET]' \
'(-w --read-write)-r[Mount read-only\: -o ro]' \
'(-w --read-write)--read-only[Mount read-only\: -o ro]' \
'-w[Mount writable, or fail\: -o rw]' \
'--read-write[Mount writable, or fail\: -o rw]' \
'(-N --into)-f[Check the mount without mounting]' \
'(-N --into)--fake[Check the mount without mounting]' \
'-v[Print what was mounted]' \
'-n[Accepted for scripts\: mount(8) does not write /etc/mtab, and neither does fmountat]' \
'--no-mtab[Accepted for scripts\: mount(8) does not write /etc/mtab, and neither does fmountat]' \
'--make-shared[Make the mount shared; --make-rshared\: all mounts below too]' \
'--make-slave[Make the mount a slave; --make-rslave\: all mounts below too]' \
'--make-private[Make the mount private; --make-rprivate\: all mounts below too]' \
'--make-unbindable[Make the mount unbindable; --make-runbindable\: all mounts below too]' \
'--make-rshared[The same for all mounts below too]' \
'--make-rslave[The same for all mounts below too]' \
'--make-rprivate[The same for all mounts below too]' \
'--make-runbindable[The same for all mounts below too]' \
'--json[Print results and errors as JSON, one object per line]' \
'--verbose[Print each step on stderr, with the strategy it uses]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::paths -- Device (also LABEL=, UUID=, PARTLABEL=, PARTUUID=), image, directory or name; then the mount point, whose symbolic links are followed. To change a mount, TARGET alone:_files' \
&& ret=0
;;
(apply)
_arguments "${_arguments_options[@]}" : \
'(--replace)--into=[Mount in the namespace of process PID or of FILE (/proc/PID/ns/mnt)]:PID|FILE:_default' \
'(--replace --into --strict)--namespace=[Make the set the root of a new mount namespace, pinned on FILE]:FILE:_files' \
'-C+[Resolve relative paths from DIR]:DIR:_files' \
'--compat=[Ignore and list options that have no effect, as PROGRAM does]:PROGRAM:((containerd\:"Ignore options that have no effect"
oci\:"Like runc\: also create mount points, and give a tmpfs the mode of its directory"))' \
'()--bundle=[Take config.json in the OCI bundle DIR as SPEC, with its root.path as the root]:DIR:_files' \
'--replace[Replace the topmost mount on TARGET by the set]' \
'--view[Mount everything read-only; an overlay'\''s upperdir becomes its top layer]' \
'--strict[Refuse a set that other processes could see half mounted, or that is not done in full]' \
'--json[Print results and errors as JSON, one object per line]' \
'--verbose[Print each step on stderr, with the strategy it uses]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::spec -- File with the mount list in JSON, of containerd or OCI; - for stdin:_files' \
'::target -- Directory to mount on; a file if the set is one bound file:_files' \
&& ret=0
;;
(explain)
_arguments "${_arguments_options[@]}" : \
'-C+[Resolve relative paths from DIR]:DIR:_files' \
'--compat=[Ignore and list options that have no effect, as PROGRAM does]:PROGRAM:((containerd\:"Ignore options that have no effect"
oci\:"Like runc\: also create mount points, and give a tmpfs the mode of its directory"))' \
'()--bundle=[Take config.json in the OCI bundle DIR as SPEC, with its root.path as the root]:DIR:_files' \
'--replace[Explain a set that replaces the topmost mount on TARGET]' \
'--view[Mount everything read-only; an overlay'\''s upperdir becomes its top layer]' \
'--strict[Refuse a set that other processes could see half mounted, or that is not done in full]' \
'--json[Print results and errors as JSON, one object per line]' \
'--verbose[Print each step on stderr, with the strategy it uses]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::spec -- File with the mount list in JSON, of containerd or OCI; - for stdin:_files' \
':target -- Directory to mount on; a file if the set is one bound file:_files' \
&& ret=0
;;
(umount)
_arguments "${_arguments_options[@]}" : \
'-N+[Unmount in the namespace of process PID or of FILE (/proc/PID/ns/mnt)]:PID|FILE:_default' \
'--into=[Unmount in the namespace of process PID or of FILE (/proc/PID/ns/mnt)]:PID|FILE:_default' \
'--timeout=[Retry a busy mount for SECONDS]:SECONDS:_default' \
'(-R --recursive --all)*--id=[Unmount only the mount with ID, unique or as in mountinfo]:ID:_default' \
'(-R --recursive --all --id)*--set=[Unmount the sets that \`apply --json\` printed to FILE; - for stdin]:FILE:_files' \
'-R[Unmount everything at and below TARGET, deepest first]' \
'--recursive[Unmount everything at and below TARGET, deepest first]' \
'-l[Detach the mount now; the kernel frees it after its last use]' \
'--lazy[Detach the mount now; the kernel frees it after its last use]' \
'-f[Make a network or FUSE file system give up its pending requests]' \
'--force[Make a network or FUSE file system give up its pending requests]' \
'-q[Print no error for a target that is not mounted; the exit status is the same]' \
'--quiet[Print no error for a target that is not mounted; the exit status is the same]' \
'-d[Accepted for scripts\: the kernel frees a loop device of \`mount\` with its last mount]' \
'--detach-loop[Accepted for scripts\: the kernel frees a loop device of \`mount\` with its last mount]' \
'-n[Accepted for scripts\: /etc/mtab is not written]' \
'--no-mtab[Accepted for scripts\: /etc/mtab is not written]' \
'--all[Unmount all mounts stacked on TARGET; succeed if there is none]' \
'--json[Print results and errors as JSON, one object per line]' \
'--verbose[Print each step on stderr, with the strategy it uses]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::target -- Mount points, whose symbolic links are not followed; or devices and images mounted once:_files' \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
'-t+[Limit to TYPES, separated by commas; a leading \`no\` excludes them]:TYPES:_default' \
'--types=[Limit to TYPES, separated by commas; a leading \`no\` excludes them]:TYPES:_default' \
'-N+[Use the mount namespace of process PID, of FILE, or with this ID]:PID|FILE|id:ID:_default' \
'--namespace=[Use the mount namespace of process PID, of FILE, or with this ID]:PID|FILE|id:ID:_default' \
'*-o+[Columns, separated by commas, or +COLUMN to add one \[default\: TARGET,SOURCE,FSTYPE,OPTIONS\]]:COLUMNS:_default' \
'*--output=[Columns, separated by commas, or +COLUMN to add one \[default\: TARGET,SOURCE,FSTYPE,OPTIONS\]]:COLUMNS:_default' \
'--strategy=[Kernel interface for reading the mount table]:STRATEGY:(auto statmount mountinfo)' \
'(--pseudo)--real[Limit to real file systems, which have data of their own]' \
'--pseudo[Limit to pseudo file systems\: proc, sysfs, tmpfs, overlay, ...]' \
'-l[Use list format instead of a tree]' \
'--list[Use list format instead of a tree]' \
'-D[Columns of df(1)\: SOURCE,FSTYPE,SIZE,USED,AVAIL,USE%,TARGET]' \
'--df[Columns of df(1)\: SOURCE,FSTYPE,SIZE,USED,AVAIL,USE%,TARGET]' \
'(-P --pairs)-r[Print a line for each mount\: values separated by a blank, special characters as \\x20]' \
'(-P --pairs)--raw[Print a line for each mount\: values separated by a blank, special characters as \\x20]' \
'-P[Print a line for each mount\: COLUMN="VALUE"]' \
'--pairs[Print a line for each mount\: COLUMN="VALUE"]' \
'--full[Print values in full\: do not cut them or count layers]' \
'-n[Do not print the heading]' \
'--noheadings[Do not print the heading]' \
'-v[Do not print \[/DIR\] after the source of a bind mount]' \
'--nofsroot[Do not print \[/DIR\] after the source of a bind mount]' \
'--json[Print results and errors as JSON, one object per line]' \
'--verbose[Print each step on stderr, with the strategy it uses]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::path -- Limit to mounts at and below PATH, a path in the namespace of -N:_files' \
&& ret=0
;;
(find)
_arguments "${_arguments_options[@]}" : \
'(--mountpoint --id)-S+[Find the mounts of this device, image, directory, tag or source]:SOURCE:_default' \
'(--mountpoint --id)--source=[Find the mounts of this device, image, directory, tag or source]:SOURCE:_default' \
'(--mountpoint)--id=[Find the mount with this unique or mountinfo id]:ID:_default' \
'*-o+[Columns, separated by commas, or +COLUMN to add one \[default\: TARGET,SOURCE,FSTYPE,OPTIONS\]]:COLUMNS:_default' \
'*--output=[Columns, separated by commas, or +COLUMN to add one \[default\: TARGET,SOURCE,FSTYPE,OPTIONS\]]:COLUMNS:_default' \
'--strategy=[Kernel interface for reading the mount table]:STRATEGY:(auto statmount mountinfo)' \
'--mountpoint[Fail unless PATH itself is a mount point]' \
'-D[Columns of df(1)\: SOURCE,FSTYPE,SIZE,USED,AVAIL,USE%,TARGET]' \
'--df[Columns of df(1)\: SOURCE,FSTYPE,SIZE,USED,AVAIL,USE%,TARGET]' \
'(-P --pairs)-r[Print a line for each mount\: values separated by a blank, special characters as \\x20]' \
'(-P --pairs)--raw[Print a line for each mount\: values separated by a blank, special characters as \\x20]' \
'-P[Print a line for each mount\: COLUMN="VALUE"]' \
'--pairs[Print a line for each mount\: COLUMN="VALUE"]' \
'--full[Print values in full\: do not cut them or count layers]' \
'-n[Do not print the heading]' \
'--noheadings[Do not print the heading]' \
'-v[Do not print \[/DIR\] after the source of a bind mount]' \
'--nofsroot[Do not print \[/DIR\] after the source of a bind mount]' \
'--json[Print results and errors as JSON, one object per line]' \
'--verbose[Print each step on stderr, with the strategy it uses]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::path -- File or directory; symbolic links are followed:_files' \
&& ret=0
;;
(watch)
_arguments "${_arguments_options[@]}" : \
'--count=[Exit after NUMBER events]:NUMBER:_default' \
'--timeout=[Exit after SECONDS, with status 32 if --count is not reached]:SECONDS:_default' \
'-N+[Use the mount namespace of process PID, of FILE, or with this ID]:PID|FILE|id:ID:_default' \
'--namespace=[Use the mount namespace of process PID, of FILE, or with this ID]:PID|FILE|id:ID:_default' \
'--strategy=[Kernel interface for watching the mount table]:STRATEGY:(auto statmount mountinfo)' \
'--full[Print options in full\: do not count layers]' \
'--json[Print results and errors as JSON, one object per line]' \
'--verbose[Print each step on stderr, with the strategy it uses]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::path -- Limit to mounts at and below PATH, a path in the namespace of -N:_files' \
&& ret=0
;;
(doctor)
_arguments "${_arguments_options[@]}" : \
'--json[Print results and errors as JSON, one object per line]' \
'--verbose[Print each step on stderr, with the strategy it uses]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(clean)
_arguments "${_arguments_options[@]}" : \
'--json[Print results and errors as JSON, one object per line]' \
'--verbose[Print each step on stderr, with the strategy it uses]' \
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
            (run)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(changes)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
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
(doctor)
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
'run:Run a command in a throw-away root file system' \
'changes:List what the commands of \`run --keep\` have changed' \
'mount:Mount a file system, directory or image, like mount(8)' \
'apply:Mount a set of file systems on TARGET, all or nothing' \
'explain:Show what apply would do, without changing anything' \
'umount:Unmount file systems, and name the processes that keep one busy' \
'list:List mounts as a tree' \
'find:Find the mount that holds PATH' \
'watch:Print mounts, unmounts and other changes as they happen' \
'doctor:Report what this kernel, user and sandbox allow' \
'clean:Unmount and remove what a killed command left behind' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'fmountat commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__apply_commands] )) ||
_fmountat__subcmd__apply_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat apply commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__changes_commands] )) ||
_fmountat__subcmd__changes_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat changes commands' commands "$@"
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
'run:Run a command in a throw-away root file system' \
'changes:List what the commands of \`run --keep\` have changed' \
'mount:Mount a file system, directory or image, like mount(8)' \
'apply:Mount a set of file systems on TARGET, all or nothing' \
'explain:Show what apply would do, without changing anything' \
'umount:Unmount file systems, and name the processes that keep one busy' \
'list:List mounts as a tree' \
'find:Find the mount that holds PATH' \
'watch:Print mounts, unmounts and other changes as they happen' \
'doctor:Report what this kernel, user and sandbox allow' \
'clean:Unmount and remove what a killed command left behind' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'fmountat help commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__help__subcmd__apply_commands] )) ||
_fmountat__subcmd__help__subcmd__apply_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat help apply commands' commands "$@"
}
(( $+functions[_fmountat__subcmd__help__subcmd__changes_commands] )) ||
_fmountat__subcmd__help__subcmd__changes_commands() {
    local commands; commands=()
    _describe -t commands 'fmountat help changes commands' commands "$@"
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
