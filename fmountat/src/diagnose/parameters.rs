// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The parameters of common file systems: the `fs_parameter_spec` of each, Linux 6.18.
//!
//! They are used only for hints: the kernel decides which options exist.

use crate::kinds::filesystem::FsOption;

/// A file system and its parameters.
const PARAMETERS: &[(&str, &str)] = &[
    ("bpf", "uid gid mode delegate_cmds delegate_maps delegate_progs delegate_attachs"),
    (
        "btrfs",
        "acl noacl clear_cache commit compress compress-force degraded device discard nodiscard fatal_errors flushoncommit \
         max_inline datacow nodatacow datasum nodatasum norecovery space_cache nospace_cache ssd nossd ssd_spread subvol \
         subvolid thread_pool user_subvol_rm_allowed autodefrag barrier nobarrier rescue skip_balance",
    ),
    (
        "cgroup2",
        "nsdelegate favordynmods memory_localevents memory_recursiveprot memory_hugetlb_accounting pids_localevents",
    ),
    ("devpts", "uid gid mode ptmxmode newinstance max"),
    ("erofs", "user_xattr nouser_xattr acl noacl cache_strategy dax device fsid domain_id directio fsoffset"),
    (
        "exfat",
        "uid gid umask dmask fmask allow_utime iocharset errors discard keep_last_dots sys_tz time_offset zero_size_dir",
    ),
    (
        "ext4",
        "acl noacl auto_da_alloc noauto_da_alloc barrier nobarrier block_validity noblock_validity bsddf minixdf commit \
         data data_err dax debug debug_want_extra_isize delalloc nodelalloc dioread_lock dioread_nolock discard nodiscard errors \
         grpid nogrpid bsdgroups sysvgroups i_version init_itable noinit_itable inode_readahead_blks inlinecrypt \
         journal_async_commit journal_checksum nojournal_checksum journal_dev journal_ioprio journal_path jqfmt load noload \
         lazytime nombcache max_batch_time max_dir_size_kb mb_optimize_scan min_batch_time norecovery oldalloc orlov quota \
         noquota grpquota usrquota prjquota grpjquota usrjquota resgid resuid sb stripe test_dummy_encryption user_xattr \
         nouser_xattr",
    ),
    ("fuse", "fd rootmode user_id group_id default_permissions allow_other max_read blksize subtype"),
    ("hugetlbfs", "gid min_size mode nr_inodes pagesize size uid"),
    (
        "iso9660",
        "norock nojoliet unhide showassoc cruft utf8 iocharset map session sbsector check uid gid mode dmode overriderockperm block",
    ),
    ("mqueue", ""),
    (
        "nfs",
        "vers nfsvers proto port rsize wsize timeo retrans soft hard sec addr clientaddr nolock lock actimeo noac bg fg",
    ),
    (
        "ntfs3",
        "uid gid umask dmask fmask sys_immutable discard force sparse hidden hide_dot_files windows_names showmeta acl nls iocharset \
         prealloc nocase",
    ),
    (
        "overlay",
        "lowerdir lowerdir+ datadir+ upperdir workdir default_permissions redirect_dir index uuid nfs_export userxattr xino \
         metacopy verity fsync volatile override_creds nooverride_creds",
    ),
    ("proc", "gid hidepid subset pidns"),
    ("ramfs", "mode"),
    ("squashfs", "errors threads"),
    (
        "tmpfs",
        "gid huge mode mpol nr_blocks nr_inodes size uid inode32 inode64 noswap quota usrquota grpquota \
         usrquota_block_hardlimit usrquota_inode_hardlimit grpquota_block_hardlimit grpquota_inode_hardlimit casefold \
         strict_encoding",
    ),
    (
        "vfat",
        "allow_utime check codepage debug discard dmask dos1xfloppy dots errors flush fmask gid iocharset nfs nodots \
         nonumtail quiet rodir shortname showexec sys_immutable time_offset tz uid umask uni_xlate usefree utf8",
    ),
    (
        "xfs",
        "logbufs logbsize logdev rtdev wsync noalign swalloc sunit swidth nouuid grpid nogrpid bsdgroups sysvgroups \
         allocsize norecovery inode64 inode32 largeio nolargeio filestreams quota noquota usrquota grpquota prjquota \
         uquota gquota pquota uqnoenforce gqnoenforce pqnoenforce qnoenforce discard nodiscard dax lifetime max_atomic_write",
    ),
];

/// The values of options, where the kernel does not report them for a bad one.
const VALUES: &[(&str, &str, &str)] = &[
    ("bpf", "delegate_attachs", "names of attach types joined by `:`, a bit mask, or `any`"),
    ("bpf", "delegate_cmds", "names of bpf(2) commands joined by `:`, a bit mask, or `any`"),
    ("bpf", "delegate_maps", "names of map types joined by `:`, a bit mask, or `any`"),
    ("bpf", "delegate_progs", "names of program types joined by `:`, a bit mask, or `any`"),
    ("bpf", "mode", "an octal mode: 0755"),
    ("btrfs", "commit", "seconds"),
    ("btrfs", "compress", "zlib[:1-9], lzo, zstd[:-15-15] or no"),
    ("btrfs", "compress-force", "zlib[:1-9], lzo, zstd[:-15-15] or no"),
    ("btrfs", "discard", "sync or async"),
    ("btrfs", "fatal_errors", "bug or panic"),
    ("btrfs", "rescue", "usebackuproot, nologreplay, ignorebadroots, ignoredatacsums or all, joined by `:`"),
    ("btrfs", "space_cache", "v1 or v2"),
    ("btrfs", "subvolid", "the number of a subvolume, as `btrfs subvolume list` shows it"),
    ("devpts", "max", "the number of terminals: 0 to 1048576"),
    ("devpts", "mode", "an octal mode: 0620"),
    ("devpts", "ptmxmode", "an octal mode: 0666"),
    ("erofs", "cache_strategy", "disabled, readahead or readaround"),
    ("erofs", "dax", "always or never"),
    ("ext4", "data", "journal, ordered or writeback"),
    ("ext4", "data_err", "abort or ignore"),
    ("ext4", "dax", "always, never or inode"),
    ("ext4", "errors", "continue, panic or remount-ro"),
    ("ext4", "inode_readahead_blks", "a power of two up to 1073741824, or 0"),
    ("ext4", "journal_ioprio", "0 to 7"),
    ("ext4", "jqfmt", "vfsold, vfsv0 or vfsv1"),
    ("ext4", "mb_optimize_scan", "0 or 1"),
    ("ext4", "test_dummy_encryption", "v1 or v2"),
    ("hugetlbfs", "mode", "an octal mode: 0755"),
    ("hugetlbfs", "pagesize", "the page sizes that /sys/kernel/mm/hugepages lists: 2M"),
    ("overlay", "fsync", "volatile, auto or strict"),
    ("overlay", "index", "on or off"),
    ("overlay", "metacopy", "on or off"),
    ("overlay", "nfs_export", "on or off"),
    ("overlay", "redirect_dir", "on, off, follow or nofollow"),
    ("overlay", "uuid", "on, off, null or auto"),
    ("overlay", "verity", "on, off or require"),
    ("overlay", "xino", "on, off or auto"),
    ("proc", "hidepid", "0, 1, 2, 4, off, noaccess, invisible or ptraceable"),
    ("proc", "subset", "pid"),
    ("ramfs", "mode", "an octal mode: 0755"),
    ("squashfs", "errors", "continue or panic"),
    ("squashfs", "threads", "single, multi, percpu, or a number up to twice the processors"),
    ("tmpfs", "huge", "never, always, within_size or advise"),
    ("tmpfs", "mode", "an octal mode: 1777"),
    ("tmpfs", "mpol", "default, prefer:NODE, bind:NODES, interleave:NODES or local"),
    ("tmpfs", "nr_blocks", "a number, with k, m or g"),
    ("tmpfs", "nr_inodes", "a number, with k, m or g"),
    ("tmpfs", "size", "bytes, with k, m or g, or a percentage of the memory: 50%"),
    ("vfat", "errors", "continue, panic or remount-ro"),
    ("vfat", "shortname", "lower, win95, winnt or mixed"),
    ("xfs", "allocsize", "a power of two from the page size to 1 GiB: 64k"),
    ("xfs", "logbsize", "16k, 32k, 64k, 128k or 256k"),
    ("xfs", "logbufs", "2 to 8"),
];

/// Returns the values that an option of a file system takes, in words.
pub(crate) fn values(fstype: &str, key: &str) -> Option<&'static str> {
    let name = canonical(fstype);
    VALUES.iter().find(|(known, option, _)| *known == name && *option == key).map(|(_, _, values)| *values)
}

/// Returns the name under which the tables have a file system.
fn canonical(fstype: &str) -> &str {
    match fstype {
        "ext2" | "ext3" => "ext4",
        "msdos" => "vfat",
        name => name,
    }
}

/// Returns the names of the file systems.
pub(crate) fn filesystems() -> impl Iterator<Item = &'static str> {
    PARAMETERS.iter().map(|(name, _)| *name)
}

/// Returns the parameters of a file system, or `None` if it is not in the table.
pub(crate) fn of(fstype: &str) -> Option<impl Iterator<Item = &'static str>> {
    let name = canonical(fstype);
    let (_, parameters) = PARAMETERS.iter().find(|(known, _)| *known == name)?;
    Some(parameters.split_whitespace())
}

/// Returns the first option that the file system lacks, if the file system is in the table.
pub(crate) fn unknown<'a>(fstype: &str, options: &'a [FsOption]) -> Option<&'a FsOption> {
    let known: Vec<&str> = of(fstype)?.collect();
    options.iter().find(|option| !known.iter().any(|name| option.key == **name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_belong_to_parameters() {
        assert!(VALUES.is_sorted());
        for (fstype, key, _) in VALUES {
            assert!(of(fstype).unwrap().any(|name| name == *key), "{fstype} {key}");
        }
        assert_eq!(values("ext3", "jqfmt"), Some("vfsold, vfsv0 or vfsv1"));
    }

    #[test]
    fn the_table_is_sorted_and_has_no_parameter_twice() {
        assert!(filesystems().is_sorted());
        for name in filesystems() {
            let all: Vec<_> = of(name).unwrap().collect();
            let distinct: std::collections::HashSet<_> = all.iter().collect();
            assert_eq!(all.len(), distinct.len(), "{name}");
        }
        assert!(of("ext3").unwrap().any(|name| name == "errors") && of("nosuch").is_none());
    }
}
