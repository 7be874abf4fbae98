// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A seccomp filter against typing into a terminal: `ioctl(TIOCSTI)` and `ioctl(TIOCLINUX)`.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::errno::result;

/// The architectures of a process, as in linux/audit.h, each with its number of ioctl(2). A process
/// of a 64-bit kernel may make 32-bit calls.
#[cfg(target_arch = "x86_64")]
const IOCTL: &[(u32, u32)] = &[(0xC000_003E, 16), (0xC000_003E, 0x4000_0202), (0x4000_0003, 54)];
#[cfg(target_arch = "x86")]
const IOCTL: &[(u32, u32)] = &[(0x4000_0003, 54)];
#[cfg(target_arch = "aarch64")]
const IOCTL: &[(u32, u32)] = &[(0xC000_00B7, 29), (0x4000_0028, 54)];
#[cfg(target_arch = "arm")]
const IOCTL: &[(u32, u32)] = &[(0x4000_0028, 54)];
#[cfg(target_arch = "riscv64")]
const IOCTL: &[(u32, u32)] = &[(0xC000_00F3, 29)];
#[cfg(target_arch = "powerpc64")]
const IOCTL: &[(u32, u32)] = &[(if cfg!(target_endian = "little") { 0xC000_0015 } else { 0x8000_0015 }, 54)];
#[cfg(target_arch = "s390x")]
const IOCTL: &[(u32, u32)] = &[(0x8000_0016, 54)];
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "x86",
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "riscv64",
    target_arch = "powerpc64",
    target_arch = "s390x"
)))]
const IOCTL: &[(u32, u32)] = &[];

/// Offsets in `struct seccomp_data`. The kernel looks at the low half of an ioctl's request only.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const REQUEST: u32 = if cfg!(target_endian = "little") { 24 } else { 28 };

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_IF: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Makes `ioctl(TIOCSTI)` and `ioctl(TIOCLINUX)` fail with `EPERM`, for the calling thread and
/// everything it starts. With them a program types into its controlling terminal, which the shell
/// of the user reads when the program has ended.
///
/// # Errors
/// [`ErrorKind::Permission`](crate::ErrorKind::Permission) without `no_new_privs` and
/// CAP_SYS_ADMIN; the errno of prctl(2).
pub fn forbid_terminal_input() -> Result<()> {
    let mut code = program();
    let program = libc::sock_fprog { len: code.len() as u16, filter: code.as_mut_ptr() };
    // SAFETY: the program and its code live until the call returns; the kernel copies them.
    let done =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program, 0, 0) };
    let failed = |e| Error::sys(Operation::ForbidTerminalInput, Syscall::Prctl, e);
    result(libc::c_long::from(done)).map(drop).map_err(failed)
}

fn program() -> Vec<libc::sock_filter> {
    let step = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
    let mut code = Vec::new();
    for (architecture, number) in IOCTL {
        code.extend([
            step(LOAD, ARCHITECTURE, 0, 0),
            step(JUMP_IF, *architecture, 0, 6),
            step(LOAD, NUMBER, 0, 0),
            step(JUMP_IF, *number, 0, 4),
            step(LOAD, REQUEST, 0, 0),
            step(JUMP_IF, libc::TIOCSTI as u32, 1, 0),
            step(JUMP_IF, libc::TIOCLINUX as u32, 0, 1),
            step(RETURN, refuse, 0, 0),
        ]);
    }
    code.push(step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0));
    code
}
