# SPDX-License-Identifier: Apache-2.0 OR MIT
# Made by `cargo test -p fmountat-cli --test verbs completions::`; do not edit.

# The words of -o: only the last one is still being written.
function __fmountat_options
    set -l written (commandline -ct | string replace -r '^(--options=|-o)' '')
    set -l before (string replace -r '[^,]*$' '' -- "$written")
    printf '%s\n' $before{defaults,ro,rro,rw,rrw,nosuid,rnosuid,suid,rsuid,nodev,rnodev,dev,rdev,noexec,rnoexec,exec,rexec,noatime,rnoatime,atime,ratime,strictatime,rstrictatime,nostrictatime,rnostrictatime,relatime,rrelatime,norelatime,rnorelatime,nodiratime,rnodiratime,diratime,rdiratime,nosymfollow,rnosymfollow,symfollow,rsymfollow,sync,async,dirsync,mand,nomand,lazytime,nolazytime,private,rprivate,shared,rshared,slave,rslave,unbindable,runbindable,bind,rbind,remount,silent,loud,auto,noauto,_netdev,user,nouser,users,nousers,owner,noowner,group,nogroup,nofail,X-mount.mkdir,X-mount.subdir=,X-mount.owner=,X-mount.group=,X-mount.mode=,X-mount.idmap=,uidmap=,gidmap=,idmap,ridmap,loop,offset=,sizelimit=,sector-size=,direct-io}
end

# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_fmountat_global_optspecs
    string join \n json verbose h/help V/version
end

function __fish_fmountat_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_fmountat_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_fmountat_using_subcommand
    set -l cmd (__fish_fmountat_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c fmountat -n "__fish_fmountat_needs_command" -l json -d 'Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD'
complete -c fmountat -n "__fish_fmountat_needs_command" -l verbose -d 'Print each step on stderr: which strategy is used, and why another one could not be'
complete -c fmountat -n "__fish_fmountat_needs_command" -s h -l help -d 'Print help'
complete -c fmountat -n "__fish_fmountat_needs_command" -s V -l version -d 'Print version'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "mount" -d 'Mount one file system, bind or overlay, as mount(8) does'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "apply" -d 'Mount a set of mounts on TARGET: all of it in one step, or nothing'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "explain" -d 'Show what `apply` would do, and what would be refused; changes nothing'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "doctor" -d 'Show what this kernel, user and sandbox allow, what is used instead, and what to change'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "run" -d 'Run a command in a throw-away root: needs no privilege, leaves nothing'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "umount" -d 'Unmount: what is named and nothing else, no link followed, busy mounts tried again'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "list" -d 'The mounts as a tree'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "find" -d 'The mount that holds PATH; status 32 if there is none'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "watch" -d 'Mounts as they come and go, a line for each'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "clean" -d 'Take away what a set that was killed half way has left, where it could not be mounted in one step'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s C -d 'Relative paths start at DIR' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l into -d 'Mount into the mount namespace of a process, or of a file like /proc/PID/ns/mnt; TARGET is then a path in there' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s t -l types -d 'The file system\'s name, `bind` or `overlay`' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s o -l options -d 'Options, separated by commas; may be given several times' -x -a '(__fmountat_options)'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l compat -d 'Ignore words that have no effect, and list them, as this program\'s users expect' -r -f -a "containerd\t'Options without effect are ignored'
oci\t'As runc: options without effect are ignored, mount points are made, binds are slaves'"
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l json -d 'Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l verbose -d 'Print each step on stderr: which strategy is used, and why another one could not be'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l into -d 'Mount into the mount namespace of a process, or of a file like /proc/PID/ns/mnt; TARGET is then a path in there' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -s C -d 'Relative paths start at DIR' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l compat -d 'Ignore words that have no effect, and list them, as this program\'s users expect' -r -f -a "containerd\t'Options without effect are ignored'
oci\t'As runc: options without effect are ignored, mount points are made, binds are slaves'"
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l replace -d 'Put the set in place of the topmost mount on TARGET, without a moment between'
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l view -d 'All mounts of the list read only; an overlay\'s upperdir becomes its top layer'
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l strict -d 'Refuse a set that others could see half done, as on kernels before 6.15'
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l json -d 'Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD'
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l verbose -d 'Print each step on stderr: which strategy is used, and why another one could not be'
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand explain" -s C -d 'Relative paths start at DIR' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand explain" -l compat -d 'Ignore words that have no effect, and list them, as this program\'s users expect' -r -f -a "containerd\t'Options without effect are ignored'
oci\t'As runc: options without effect are ignored, mount points are made, binds are slaves'"
complete -c fmountat -n "__fish_fmountat_using_subcommand explain" -l replace -d 'As if the set were to replace what is mounted on TARGET'
complete -c fmountat -n "__fish_fmountat_using_subcommand explain" -l view -d 'All mounts of the list read only; an overlay\'s upperdir becomes its top layer'
complete -c fmountat -n "__fish_fmountat_using_subcommand explain" -l strict -d 'Refuse a set that others could see half done, as on kernels before 6.15'
complete -c fmountat -n "__fish_fmountat_using_subcommand explain" -l json -d 'Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD'
complete -c fmountat -n "__fish_fmountat_using_subcommand explain" -l verbose -d 'Print each step on stderr: which strategy is used, and why another one could not be'
complete -c fmountat -n "__fish_fmountat_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand doctor" -l json -d 'Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD'
complete -c fmountat -n "__fish_fmountat_using_subcommand doctor" -l verbose -d 'Print each step on stderr: which strategy is used, and why another one could not be'
complete -c fmountat -n "__fish_fmountat_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -s C -d 'Relative paths start at DIR' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l lower -d 'A layer of the root, topmost first; `/` alone is a copy of this machine\'s own system' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l bind -d 'Show SRC, writable unless OPTIONS say `rro`, at DST (or SRC) in the root' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l json -d 'Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD'
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l verbose -d 'Print each step on stderr: which strategy is used, and why another one could not be'
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -l timeout -d 'How long to try while it is busy' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -l id -d 'Exactly the mount with this id, never one on top of it: the kernel\'s unique id, or the one that mountinfo shows' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -l set -d 'Whole sets, each in one call, many together: FILE (or `-`) has what `fmountat --json apply` printed for each of them' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -s R -l recursive -d 'Everything mounted at and below TARGET, deepest first'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -s l -l lazy -d 'Out of the table now, freed when its last user is gone'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -l all -d 'All mounts of a stack at TARGET; nothing mounted there is success'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -l json -d 'Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -l verbose -d 'Print each step on stderr: which strategy is used, and why another one could not be'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -s t -l types -d 'Only mounts of these types, separated by commas; with `no` in front, all others' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -s N -l namespace -d 'Of the mount namespace of a process, of a file like /proc/PID/ns/mnt, or with this id; PATH is then a path in there' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -s o -l output -d 'Columns, separated by commas: TARGET, SOURCE, FSTYPE, OPTIONS (these without it), ID, UNIQ-ID, PARENT, MAJ:MIN, FSROOT, VFS-OPTIONS, FS-OPTIONS, PROPAGATION, OPT-FIELDS' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -l strategy -d 'The interface to read by' -r -f -a "auto\t''
statmount\t''
mountinfo\t''"
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -l real -d 'Only file systems that have data of their own, on devices or elsewhere'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -l pseudo -d 'Only the others: proc, sysfs, tmpfs, overlay, ...'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -s l -l list -d 'One after the other, not as a tree'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -l full -d 'Everything, however long: no "37 layers", nothing cut to fit the terminal'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -s n -l noheadings -d 'No line with the columns\' names'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -s v -l nofsroot -d 'Sources without the directory that a bind shows, [/DIR]'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -l json -d 'Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -l verbose -d 'Print each step on stderr: which strategy is used, and why another one could not be'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -s h -l help -d 'Print help'
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -l id -d 'The mount with this id: the kernel\'s unique id, or the one that mountinfo shows' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -s o -l output -d 'Columns, separated by commas: TARGET, SOURCE, FSTYPE, OPTIONS (these without it), ID, UNIQ-ID, PARENT, MAJ:MIN, FSROOT, VFS-OPTIONS, FS-OPTIONS, PROPAGATION, OPT-FIELDS' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -l strategy -d 'The interface to read by' -r -f -a "auto\t''
statmount\t''
mountinfo\t''"
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -l mountpoint -d 'PATH itself must be a mount point'
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -l full -d 'Everything, however long: no "37 layers", nothing cut to fit the terminal'
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -s n -l noheadings -d 'No line with the columns\' names'
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -s v -l nofsroot -d 'Sources without the directory that a bind shows, [/DIR]'
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -l json -d 'Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD'
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -l verbose -d 'Print each step on stderr: which strategy is used, and why another one could not be'
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -s h -l help -d 'Print help'
complete -c fmountat -n "__fish_fmountat_using_subcommand watch" -l count -d 'End after so many events' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand watch" -l timeout -d 'End after this time; the status is 32 if --count events have not come by then' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand watch" -s N -l namespace -d 'Of the mount namespace of a process, of a file like /proc/PID/ns/mnt, or with this id; PATH is then a path in there' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand watch" -l strategy -d 'The interface to watch by' -r -f -a "auto\t''
statmount\t''
mountinfo\t''"
complete -c fmountat -n "__fish_fmountat_using_subcommand watch" -l full -d 'Everything, however long: no "37 layers"'
complete -c fmountat -n "__fish_fmountat_using_subcommand watch" -l json -d 'Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD'
complete -c fmountat -n "__fish_fmountat_using_subcommand watch" -l verbose -d 'Print each step on stderr: which strategy is used, and why another one could not be'
complete -c fmountat -n "__fish_fmountat_using_subcommand watch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand clean" -l json -d 'Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD'
complete -c fmountat -n "__fish_fmountat_using_subcommand clean" -l verbose -d 'Print each step on stderr: which strategy is used, and why another one could not be'
complete -c fmountat -n "__fish_fmountat_using_subcommand clean" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from mount apply explain doctor run umount list find watch clean help" -f -a "mount" -d 'Mount one file system, bind or overlay, as mount(8) does'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from mount apply explain doctor run umount list find watch clean help" -f -a "apply" -d 'Mount a set of mounts on TARGET: all of it in one step, or nothing'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from mount apply explain doctor run umount list find watch clean help" -f -a "explain" -d 'Show what `apply` would do, and what would be refused; changes nothing'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from mount apply explain doctor run umount list find watch clean help" -f -a "doctor" -d 'Show what this kernel, user and sandbox allow, what is used instead, and what to change'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from mount apply explain doctor run umount list find watch clean help" -f -a "run" -d 'Run a command in a throw-away root: needs no privilege, leaves nothing'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from mount apply explain doctor run umount list find watch clean help" -f -a "umount" -d 'Unmount: what is named and nothing else, no link followed, busy mounts tried again'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from mount apply explain doctor run umount list find watch clean help" -f -a "list" -d 'The mounts as a tree'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from mount apply explain doctor run umount list find watch clean help" -f -a "find" -d 'The mount that holds PATH; status 32 if there is none'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from mount apply explain doctor run umount list find watch clean help" -f -a "watch" -d 'Mounts as they come and go, a line for each'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from mount apply explain doctor run umount list find watch clean help" -f -a "clean" -d 'Take away what a set that was killed half way has left, where it could not be mounted in one step'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from mount apply explain doctor run umount list find watch clean help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
