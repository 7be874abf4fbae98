# SPDX-License-Identifier: Apache-2.0 OR MIT
# Made by `cargo test -p fmountat-cli --test completions`; do not edit.

# The words of -o: only the last one is still being written.
function __fmountat_options
    set -l written (commandline -ct | string replace -r '^(--options=|-o)' '')
    set -l before (string replace -r '[^,]*$' '' -- "$written")
    printf '%s\n' $before{defaults,ro,rro,rw,rrw,nosuid,rnosuid,suid,rsuid,nodev,rnodev,dev,rdev,noexec,rnoexec,exec,rexec,noatime,rnoatime,atime,ratime,strictatime,rstrictatime,nostrictatime,rnostrictatime,relatime,rrelatime,norelatime,rnorelatime,nodiratime,rnodiratime,diratime,rdiratime,nosymfollow,rnosymfollow,symfollow,rsymfollow,sync,async,dirsync,mand,nomand,lazytime,nolazytime,private,rprivate,shared,rshared,slave,rslave,unbindable,runbindable,bind,rbind,remount,silent,loud,auto,noauto,_netdev,user,nouser,users,nousers,owner,noowner,group,nogroup,nofail,X-mount.mkdir,X-mount.subdir=,X-mount.owner=,X-mount.group=,X-mount.mode=,X-mount.idmap=,uidmap=,gidmap=,idmap,ridmap,loop,offset=,sizelimit=,sector-size=,direct-io}
end

# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_fmountat_global_optspecs
    string join \n json h/help V/version
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

complete -c fmountat -n "__fish_fmountat_needs_command" -l json -d 'Print results and errors as JSON, one object each'
complete -c fmountat -n "__fish_fmountat_needs_command" -s h -l help -d 'Print help'
complete -c fmountat -n "__fish_fmountat_needs_command" -s V -l version -d 'Print version'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "mount" -d 'Mount one file system, bind or overlay, as mount(8) does'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "apply" -d 'Mount a set of mounts on TARGET: all of it in one step, or nothing'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "run" -d 'Run a command in a throw-away root: needs no privilege, leaves nothing'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "umount" -d 'Unmount'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "clean" -d 'Take away what a set that was killed half way has left, where it could not be mounted in one step'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s C -d 'Relative paths start at DIR' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l into -d 'Mount into the mount namespace of a process, or of a file like /proc/PID/ns/mnt; TARGET is then a path in there' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s t -l types -d 'The file system\'s name, `bind` or `overlay`' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s o -l options -d 'Options, separated by commas; may be given several times' -x -a '(__fmountat_options)'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l compat -d 'Ignore words that have no effect, and list them, as this program\'s users expect' -r -f -a "containerd\t'Words that have no effect where they stand are ignored'"
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l json -d 'Print results and errors as JSON, one object each'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -s C -d 'Relative paths start at DIR' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l into -d 'Mount into the mount namespace of a process, or of a file like /proc/PID/ns/mnt; TARGET is then a path in there' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l compat -d 'Ignore words that have no effect, and list them, as this program\'s users expect' -r -f -a "containerd\t'Words that have no effect where they stand are ignored'"
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l replace -d 'Put the set in place of what is mounted on TARGET, without a moment between'
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l view -d 'Mount everything to be read only; an overlay\'s upperdir becomes its top layer'
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l strict -d 'Refuse a set that others could see half done, as on kernels before 6.15'
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l json -d 'Print results and errors as JSON, one object each'
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -s C -d 'Relative paths start at DIR' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l lower -d 'A layer of the root, topmost first; `/` alone is a copy of this machine\'s own system' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l bind -d 'Show SRC, writable unless OPTIONS say `rro`, at DST (or SRC) in the root' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l json -d 'Print results and errors as JSON, one object each'
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -l timeout -d 'How long to try while it is busy' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -l id -d 'Exactly the mount with this id, never one on top of it: the kernel\'s unique id, or the one that mountinfo shows' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -l set -d 'Whole sets, each in one call, many together: FILE (or `-`) has what `fmountat --json apply` printed for each of them' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -s R -l recursive -d 'Everything mounted at and below TARGET, deepest first'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -s l -l lazy -d 'Out of the table now, freed when its last user is gone'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -l all -d 'All mounts of a stack at TARGET; nothing mounted there is success'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -l json -d 'Print results and errors as JSON, one object each'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -s h -l help -d 'Print help'
complete -c fmountat -n "__fish_fmountat_using_subcommand clean" -l json -d 'Print results and errors as JSON, one object each'
complete -c fmountat -n "__fish_fmountat_using_subcommand clean" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from mount apply run umount clean help" -f -a "mount" -d 'Mount one file system, bind or overlay, as mount(8) does'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from mount apply run umount clean help" -f -a "apply" -d 'Mount a set of mounts on TARGET: all of it in one step, or nothing'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from mount apply run umount clean help" -f -a "run" -d 'Run a command in a throw-away root: needs no privilege, leaves nothing'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from mount apply run umount clean help" -f -a "umount" -d 'Unmount'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from mount apply run umount clean help" -f -a "clean" -d 'Take away what a set that was killed half way has left, where it could not be mounted in one step'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from mount apply run umount clean help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
