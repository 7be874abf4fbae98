# SPDX-License-Identifier: Apache-2.0 OR MIT
# Completes the verbs of fmountat and the words of `mount -o`. Made from the option table by `cargo test --test house`.
_fmountat() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    if [[ $before == -o || $before == --options ]]; then
        local done_words= last=$current
        if [[ $current == *,* ]]; then
            done_words=${current%,*},
            last=${current##*,}
        fi
        local words='X-mount.group= X-mount.idmap= X-mount.mkdir X-mount.mode= X-mount.owner= X-mount.subdir= _netdev async atime auto bind defaults dev diratime direct-io dirsync exec gidmap= group idmap lazytime loop loud mand noatime noauto nodev nodiratime noexec nofail nogroup nolazytime nomand noowner norelatime nostrictatime nosuid nosymfollow nouser nousers offset= owner private ratime rbind rdev rdiratime relatime remount rexec ridmap rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw sector-size= shared silent sizelimit= slave strictatime suid symfollow sync uidmap= unbindable user users'
        mapfile -t COMPREPLY < <(compgen -P "$done_words" -W "$words" -- "$last")
        [[ $(type -t compopt) == builtin ]] && compopt -o nospace 2> /dev/null
    elif ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W 'mount apply run umount help' -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}
complete -F _fmountat fmountat
