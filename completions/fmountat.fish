# SPDX-License-Identifier: Apache-2.0 OR MIT
# Made by `cargo test -p fmountat-cli --test verbs completions::`; do not edit.

# The words of -o: only the last one is still being written.
function __fmountat_options
    set -l written (commandline -ct | string replace -r '^(--options=|-o)' '')
    set -l before (string replace -r '[^,]*$' '' -- "$written")
    printf '%s\n' $before{defaults,ro,rro,rw,rrw,nosuid,rnosuid,suid,rsuid,nodev,rnodev,dev,rdev,noexec,rnoexec,exec,rexec,noatime,rnoatime,atime,ratime,strictatime,rstrictatime,nostrictatime,rnostrictatime,relatime,rrelatime,norelatime,rnorelatime,nodiratime,rnodiratime,diratime,rdiratime,nosymfollow,rnosymfollow,symfollow,rsymfollow,sync,async,dirsync,mand,nomand,lazytime,nolazytime,noiversion,private,rprivate,shared,rshared,slave,rslave,unbindable,runbindable,bind,rbind,remount,silent,loud,auto,noauto,_netdev,user,nouser,users,nousers,owner,noowner,group,nogroup,nofail,X-mount.mkdir,X-mount.subdir=,X-mount.owner=,X-mount.group=,X-mount.mode=,X-mount.idmap=,uidmap=,gidmap=,idmap,ridmap,loop,offset=,sizelimit=,sector-size=,direct-io}
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

complete -c fmountat -n "__fish_fmountat_needs_command" -l json -d 'Print results and errors as JSON, one object per line'
complete -c fmountat -n "__fish_fmountat_needs_command" -l verbose -d 'Print each step on stderr, with the strategy it uses'
complete -c fmountat -n "__fish_fmountat_needs_command" -s h -l help -d 'Print help'
complete -c fmountat -n "__fish_fmountat_needs_command" -s V -l version -d 'Print version'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "run" -d 'Run a command in a throw-away root file system'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "changes" -d 'List what the commands of `run --keep` have changed'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "mount" -d 'Mount a file system, directory or image, like mount(8)'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "apply" -d 'Mount a set of file systems on TARGET, all or nothing'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "explain" -d 'Show what apply would do, without changing anything'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "umount" -d 'Unmount file systems, and name the processes that keep one busy'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "list" -d 'List mounts as a tree'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "find" -d 'Find the mount that holds PATH'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "watch" -d 'Print mounts, unmounts and other changes as they happen'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "doctor" -d 'Report what this kernel, user and sandbox allow'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "clean" -d 'Unmount and remove what a killed command left behind'
complete -c fmountat -n "__fish_fmountat_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -s C -d 'Resolve the relative paths of this command line from DIR; see --chdir' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l lower -d 'Layer of the root, topmost first; / alone is a copy of this system' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l bundle -d 'Root, mounts, command, environment and user of the OCI bundle DIR' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l bind -d 'Bind SRC at DST, by default at the same absolute path; writes to it reach the host' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l ro-bind -d 'The same, read-only' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l tmpfs -d 'Mount an empty tmpfs on DIR' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l size -d 'Limit the changes that are kept in memory, as in 512m or 20%' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l keep -d 'Keep the changes in DIR, and continue those that are there; see `fmountat changes`' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l chdir -d 'Start COMMAND in DIR, a path in the root' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l setenv -d 'Set a variable of the environment' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l unsetenv -d 'Remove a variable from the environment' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l net -d 'Network: the host\'s (default), or none but a loopback interface' -r -f -a "host\t''
none\t''"
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l hostname -d 'Set the host name inside' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l cap-add -d 'Let the command have capability CAP, as in SYS_PTRACE; ALL for all' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l keep-fd -d 'Let the command inherit descriptor FD; without this option, only 0, 1 and 2' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l strict -d 'Refuse a bundle with a part that run does not do'
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l clearenv -d 'Remove all variables, except those of --setenv'
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l root -d 'Be user and group 0 of the namespace, in place of your own'
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l map-auto -d 'Map your ranges of /etc/subuid and /etc/subgid, by newuidmap(1) and newgidmap(1)'
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l share-ipc -d 'Share System V IPC and message queues with the host'
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l share-uts -d 'Share the host name'
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l share-cgroup -d 'Share the cgroup namespace'
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l share-sys -d 'As root: leave /proc/sys, /sys and other settings of the kernel writable'
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l share-terminal -d 'Allow typing into the terminal, by ioctl(TIOCSTI)'
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -s q -l quiet -d 'Print errors only'
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l json -d 'Print results and errors as JSON, one object per line'
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -l verbose -d 'Print each step on stderr, with the strategy it uses'
complete -c fmountat -n "__fish_fmountat_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand changes" -l json -d 'Print results and errors as JSON, one object per line'
complete -c fmountat -n "__fish_fmountat_using_subcommand changes" -l verbose -d 'Print each step on stderr, with the strategy it uses'
complete -c fmountat -n "__fish_fmountat_using_subcommand changes" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s C -d 'Resolve relative paths from DIR' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s N -l into -d 'Mount in the namespace of process PID or of FILE (/proc/PID/ns/mnt)' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s t -l types -d 'File system type, bind or overlay' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s o -l options -d 'Mount options, separated by commas; can be repeated' -x -a '(__fmountat_options)'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s m -l mkdir -d 'Create a missing mount point: -o X-mount.mkdir[=MODE]' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s L -l label -d 'Find the device by its file system label' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s U -l uuid -d 'Find the device by its file system UUID' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l source -d 'SOURCE as an option' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l target -d 'TARGET as an option' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l compat -d 'Ignore and list options that have no effect, as PROGRAM does' -r -f -a "containerd\t'Ignore options that have no effect'
oci\t'Like runc: also create mount points, and give a tmpfs the mode of its directory'"
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s B -l bind -d 'Mount SOURCE a second time at TARGET: -o bind'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s R -l rbind -d 'Mount SOURCE and all mounts below it a second time at TARGET: -o rbind'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s M -l move -d 'Move the mount at SOURCE to TARGET'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s r -l read-only -d 'Mount read-only: -o ro'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s w -l read-write -d 'Mount writable, or fail: -o rw'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s f -l fake -d 'Check the mount without mounting'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s v -d 'Print what was mounted'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s n -l no-mtab -d 'Accepted for scripts: mount(8) does not write /etc/mtab, and neither does fmountat'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l make-shared -d 'Make the mount shared; --make-rshared: all mounts below too'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l make-slave -d 'Make the mount a slave; --make-rslave: all mounts below too'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l make-private -d 'Make the mount private; --make-rprivate: all mounts below too'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l make-unbindable -d 'Make the mount unbindable; --make-runbindable: all mounts below too'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l make-rshared -d 'The same for all mounts below too'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l make-rslave -d 'The same for all mounts below too'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l make-rprivate -d 'The same for all mounts below too'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l make-runbindable -d 'The same for all mounts below too'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l json -d 'Print results and errors as JSON, one object per line'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -l verbose -d 'Print each step on stderr, with the strategy it uses'
complete -c fmountat -n "__fish_fmountat_using_subcommand mount" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l into -d 'Mount in the namespace of process PID or of FILE (/proc/PID/ns/mnt)' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l namespace -d 'Make the set the root of a new mount namespace, pinned on FILE' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -s C -d 'Resolve relative paths from DIR' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l compat -d 'Ignore and list options that have no effect, as PROGRAM does' -r -f -a "containerd\t'Ignore options that have no effect'
oci\t'Like runc: also create mount points, and give a tmpfs the mode of its directory'"
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l bundle -d 'Take config.json in the OCI bundle DIR as SPEC, with its root.path as the root' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l replace -d 'Replace the topmost mount on TARGET by the set'
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l view -d 'Mount everything read-only; an overlay\'s upperdir becomes its top layer'
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l strict -d 'Refuse a set that other processes could see half mounted, or that is not done in full'
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l json -d 'Print results and errors as JSON, one object per line'
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -l verbose -d 'Print each step on stderr, with the strategy it uses'
complete -c fmountat -n "__fish_fmountat_using_subcommand apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand explain" -s C -d 'Resolve relative paths from DIR' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand explain" -l compat -d 'Ignore and list options that have no effect, as PROGRAM does' -r -f -a "containerd\t'Ignore options that have no effect'
oci\t'Like runc: also create mount points, and give a tmpfs the mode of its directory'"
complete -c fmountat -n "__fish_fmountat_using_subcommand explain" -l bundle -d 'Take config.json in the OCI bundle DIR as SPEC, with its root.path as the root' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand explain" -l replace -d 'Explain a set that replaces the topmost mount on TARGET'
complete -c fmountat -n "__fish_fmountat_using_subcommand explain" -l view -d 'Mount everything read-only; an overlay\'s upperdir becomes its top layer'
complete -c fmountat -n "__fish_fmountat_using_subcommand explain" -l strict -d 'Refuse a set that other processes could see half mounted, or that is not done in full'
complete -c fmountat -n "__fish_fmountat_using_subcommand explain" -l json -d 'Print results and errors as JSON, one object per line'
complete -c fmountat -n "__fish_fmountat_using_subcommand explain" -l verbose -d 'Print each step on stderr, with the strategy it uses'
complete -c fmountat -n "__fish_fmountat_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -s N -l into -d 'Unmount in the namespace of process PID or of FILE (/proc/PID/ns/mnt)' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -l timeout -d 'Retry a busy mount for SECONDS' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -l id -d 'Unmount only the mount with ID, unique or as in mountinfo' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -l set -d 'Unmount the sets that `apply --json` printed to FILE; - for stdin' -r -F
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -s R -l recursive -d 'Unmount everything at and below TARGET, deepest first'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -s l -l lazy -d 'Detach the mount now; the kernel frees it after its last use'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -s f -l force -d 'Make a network or FUSE file system give up its pending requests'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -s q -l quiet -d 'Print no error for a target that is not mounted; the exit status is the same'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -s d -l detach-loop -d 'Accepted for scripts: the kernel frees a loop device of `mount` with its last mount'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -s n -l no-mtab -d 'Accepted for scripts: /etc/mtab is not written'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -l all -d 'Unmount all mounts stacked on TARGET; succeed if there is none'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -l json -d 'Print results and errors as JSON, one object per line'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -l verbose -d 'Print each step on stderr, with the strategy it uses'
complete -c fmountat -n "__fish_fmountat_using_subcommand umount" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -s t -l types -d 'Limit to TYPES, separated by commas; a leading `no` excludes them' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -s N -l namespace -d 'Use the mount namespace of process PID, of FILE, or with this ID' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -s o -l output -d 'Columns, separated by commas, or +COLUMN to add one [default: TARGET,SOURCE,FSTYPE,OPTIONS]' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -l strategy -d 'Kernel interface for reading the mount table' -r -f -a "auto\t''
statmount\t''
mountinfo\t''"
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -l real -d 'Limit to real file systems, which have data of their own'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -l pseudo -d 'Limit to pseudo file systems: proc, sysfs, tmpfs, overlay, ...'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -s l -l list -d 'Use list format instead of a tree'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -s D -l df -d 'Columns of df(1): SOURCE,FSTYPE,SIZE,USED,AVAIL,USE%,TARGET'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -s r -l raw -d 'Print a line for each mount: values separated by a blank, special characters as \\x20'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -s P -l pairs -d 'Print a line for each mount: COLUMN="VALUE"'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -l full -d 'Print values in full: do not cut them or count layers'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -s n -l noheadings -d 'Do not print the heading'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -s v -l nofsroot -d 'Do not print [/DIR] after the source of a bind mount'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -l json -d 'Print results and errors as JSON, one object per line'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -l verbose -d 'Print each step on stderr, with the strategy it uses'
complete -c fmountat -n "__fish_fmountat_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -s S -l source -d 'Find the mounts of this device, image, directory, tag or source' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -l id -d 'Find the mount with this unique or mountinfo id' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -s o -l output -d 'Columns, separated by commas, or +COLUMN to add one [default: TARGET,SOURCE,FSTYPE,OPTIONS]' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -l strategy -d 'Kernel interface for reading the mount table' -r -f -a "auto\t''
statmount\t''
mountinfo\t''"
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -l mountpoint -d 'Fail unless PATH itself is a mount point'
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -s D -l df -d 'Columns of df(1): SOURCE,FSTYPE,SIZE,USED,AVAIL,USE%,TARGET'
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -s r -l raw -d 'Print a line for each mount: values separated by a blank, special characters as \\x20'
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -s P -l pairs -d 'Print a line for each mount: COLUMN="VALUE"'
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -l full -d 'Print values in full: do not cut them or count layers'
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -s n -l noheadings -d 'Do not print the heading'
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -s v -l nofsroot -d 'Do not print [/DIR] after the source of a bind mount'
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -l json -d 'Print results and errors as JSON, one object per line'
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -l verbose -d 'Print each step on stderr, with the strategy it uses'
complete -c fmountat -n "__fish_fmountat_using_subcommand find" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand watch" -l count -d 'Exit after NUMBER events' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand watch" -l timeout -d 'Exit after SECONDS, with status 32 if --count is not reached' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand watch" -s N -l namespace -d 'Use the mount namespace of process PID, of FILE, or with this ID' -r
complete -c fmountat -n "__fish_fmountat_using_subcommand watch" -l strategy -d 'Kernel interface for watching the mount table' -r -f -a "auto\t''
statmount\t''
mountinfo\t''"
complete -c fmountat -n "__fish_fmountat_using_subcommand watch" -l full -d 'Print options in full: do not count layers'
complete -c fmountat -n "__fish_fmountat_using_subcommand watch" -l json -d 'Print results and errors as JSON, one object per line'
complete -c fmountat -n "__fish_fmountat_using_subcommand watch" -l verbose -d 'Print each step on stderr, with the strategy it uses'
complete -c fmountat -n "__fish_fmountat_using_subcommand watch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand doctor" -l json -d 'Print results and errors as JSON, one object per line'
complete -c fmountat -n "__fish_fmountat_using_subcommand doctor" -l verbose -d 'Print each step on stderr, with the strategy it uses'
complete -c fmountat -n "__fish_fmountat_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand clean" -l json -d 'Print results and errors as JSON, one object per line'
complete -c fmountat -n "__fish_fmountat_using_subcommand clean" -l verbose -d 'Print each step on stderr, with the strategy it uses'
complete -c fmountat -n "__fish_fmountat_using_subcommand clean" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from run changes mount apply explain umount list find watch doctor clean help" -f -a "run" -d 'Run a command in a throw-away root file system'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from run changes mount apply explain umount list find watch doctor clean help" -f -a "changes" -d 'List what the commands of `run --keep` have changed'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from run changes mount apply explain umount list find watch doctor clean help" -f -a "mount" -d 'Mount a file system, directory or image, like mount(8)'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from run changes mount apply explain umount list find watch doctor clean help" -f -a "apply" -d 'Mount a set of file systems on TARGET, all or nothing'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from run changes mount apply explain umount list find watch doctor clean help" -f -a "explain" -d 'Show what apply would do, without changing anything'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from run changes mount apply explain umount list find watch doctor clean help" -f -a "umount" -d 'Unmount file systems, and name the processes that keep one busy'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from run changes mount apply explain umount list find watch doctor clean help" -f -a "list" -d 'List mounts as a tree'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from run changes mount apply explain umount list find watch doctor clean help" -f -a "find" -d 'Find the mount that holds PATH'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from run changes mount apply explain umount list find watch doctor clean help" -f -a "watch" -d 'Print mounts, unmounts and other changes as they happen'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from run changes mount apply explain umount list find watch doctor clean help" -f -a "doctor" -d 'Report what this kernel, user and sandbox allow'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from run changes mount apply explain umount list find watch doctor clean help" -f -a "clean" -d 'Unmount and remove what a killed command left behind'
complete -c fmountat -n "__fish_fmountat_using_subcommand help; and not __fish_seen_subcommand_from run changes mount apply explain umount list find watch doctor clean help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
