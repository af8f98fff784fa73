//! A seccomp filter that reports attempts to open and to start files, and lets them pass: `seccomp(2)`,
//! `seccomp_unotify(2)`. The only place of the engine with system calls that no safe wrapper exists for.

use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use libc::{c_int, c_long, c_ulong, seccomp_notif, seccomp_notif_resp, sock_filter, sock_fprog};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long to wait for an attempt before looking whether the watch is over.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_00B7;

/// `SECCOMP_IOCTL_NOTIF_RECV` and `SECCOMP_IOCTL_NOTIF_SEND`: `_IOWR('!', 0, ..)` and `_IOWR('!', 1, ..)` of linux/seccomp.h.
const RECEIVE: c_ulong = request(0, size_of::<seccomp_notif>());
const SEND: c_ulong = request(1, size_of::<seccomp_notif_resp>());

const fn request(number: c_ulong, size: usize) -> c_ulong {
    3 << 30 | (size as c_ulong) << 16 | (b'!' as c_ulong) << 8 | number
}

/// A system call that is reported, and where its arguments are.
struct Call {
    number: c_long,
    /// Argument with the folder that a relative path starts from.
    folder: Option<usize>,
    /// Argument with the address of the path.
    path: usize,
    flags: Flags,
}

#[derive(Clone, Copy)]
enum Flags {
    /// In this argument.
    At(usize),
    /// It creates a file.
    Create,
    /// It only reads: a program that is started, or a call whose flags lie elsewhere.
    Read,
}

const CALLS: &[Call] = &[
    Call { number: libc::SYS_openat, folder: Some(0), path: 1, flags: Flags::At(2) },
    Call { number: libc::SYS_openat2, folder: Some(0), path: 1, flags: Flags::Read },
    Call { number: libc::SYS_execve, folder: None, path: 0, flags: Flags::Read },
    Call { number: libc::SYS_execveat, folder: Some(0), path: 1, flags: Flags::Read },
    #[cfg(target_arch = "x86_64")]
    Call { number: libc::SYS_open, folder: None, path: 0, flags: Flags::At(1) },
    #[cfg(target_arch = "x86_64")]
    Call { number: libc::SYS_creat, folder: None, path: 0, flags: Flags::Create },
];

/// An attempt of a process to open or start a file.
pub(super) struct Attempt {
    /// The thread that waits for the answer.
    pub(super) process: u32,
    /// Descriptor of the folder that a relative path starts from; none for its current folder.
    pub(super) folder: Option<i32>,
    /// Address of the path in its memory.
    pub(super) path: u64,
    /// Whether it wants to write.
    pub(super) write: bool,
    /// Whether it creates the file if there is none.
    pub(super) creates: bool,
}

/// Puts the filter on the calling thread and all that it starts. The thread must have given up privileges before
/// (`no_new_privs`), and somebody has to answer: see [`go_on`].
///
/// # Errors
/// If the kernel knows no such filters, or somebody listens already.
pub(super) fn install() -> std::io::Result<OwnedFd> {
    let mut filter = filter();
    let program = sock_fprog { len: u16::try_from(filter.len()).unwrap_or(0), filter: filter.as_mut_ptr() };
    #[expect(
        unsafe_code,
        reason = "seccomp has no wrapper in libc or rustix; pointer and length are those of a live vector"
    )]
    // SAFETY: the kernel reads `program`, which points to `filter`; both live until the call returns.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            c_long::from(libc::SECCOMP_SET_MODE_FILTER),
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    let descriptor = c_int::try_from(answer).ok().filter(|descriptor| *descriptor >= 0);
    let descriptor = descriptor.ok_or_else(std::io::Error::last_os_error)?;
    #[expect(unsafe_code, reason = "the descriptor has just been made by the kernel for us")]
    // SAFETY: nobody else knows this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Reports the calls of [`CALLS`], lets all others pass unreported.
fn filter() -> Vec<sock_filter> {
    let statement = |code: u32, k: u32| sock_filter { code: u16::try_from(code).unwrap_or(0), jt: 0, jf: 0, k };
    let jump = |k: u32, jt: u8, jf: u8| sock_filter {
        code: u16::try_from(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K).unwrap_or(0),
        jt,
        jf,
        k,
    };
    let load = |offset: u32| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset);
    let answer = |k: u32| statement(libc::BPF_RET | libc::BPF_K, k);
    // Of struct seccomp_data: the number of the call is at 0, the architecture at 4.
    let mut program = vec![load(4), jump(ARCHITECTURE, 1, 0), answer(libc::SECCOMP_RET_ALLOW), load(0)];
    for (at, call) in CALLS.iter().enumerate() {
        // To the report behind the last comparison and the pass.
        let rest = u8::try_from(CALLS.len() - at).unwrap_or(0);
        program.push(jump(u32::try_from(call.number).unwrap_or(u32::MAX), rest, 0));
    }
    program.push(answer(libc::SECCOMP_RET_ALLOW));
    program.push(answer(libc::SECCOMP_RET_USER_NOTIF));
    program
}

/// The next attempt with the number to answer it by; `Some(None)` if there was none for a while, `None` when nobody is left who
/// could try.
pub(super) fn next(listener: &OwnedFd) -> Option<Option<(u64, Attempt)>> {
    let mut wanted = [PollFd::new(listener, PollFlags::IN)];
    if !poll(&mut wanted, Some(&PATIENCE)).is_ok_and(|ready| ready > 0) {
        return Some(None);
    }
    if !wanted[0].revents().contains(PollFlags::IN) {
        return None;
    }
    let mut notice = empty_notice();
    #[expect(unsafe_code, reason = "the request takes a struct of exactly this type, zeroed, and fills it")]
    // SAFETY: `notice` is a zeroed `seccomp_notif`, as the kernel demands; it lives until the call returns.
    let answer = unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE as _, &raw mut notice) };
    // The process may have died in between: then there is nothing to tell.
    Some((answer == 0).then(|| attempt(&notice)).flatten())
}

fn empty_notice() -> seccomp_notif {
    let data = libc::seccomp_data { nr: 0, arch: 0, instruction_pointer: 0, args: [0; 6] };
    seccomp_notif { id: 0, pid: 0, flags: 0, data }
}

fn attempt(notice: &seccomp_notif) -> Option<(u64, Attempt)> {
    let arguments = notice.data.args;
    // Registers hold descriptors and flags in their lower halves.
    let low = |at: usize| {
        let bytes = arguments[at].to_le_bytes();
        i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    };
    let call = CALLS.iter().find(|call| call.number == c_long::from(notice.data.nr));
    let Some(call) = call else {
        // Cannot be: the filter reports nothing else. Answered all the same, so that nobody waits.
        return Some((notice.id, Attempt { process: notice.pid, folder: None, path: 0, write: false, creates: false }));
    };
    let (write, creates) = match call.flags {
        Flags::Read => (false, false),
        Flags::Create => (true, true),
        Flags::At(at) => (low(at) & libc::O_ACCMODE != libc::O_RDONLY, low(at) & libc::O_CREAT != 0),
    };
    let folder = call.folder.map(low).filter(|folder| *folder != libc::AT_FDCWD);
    Some((notice.id, Attempt { process: notice.pid, folder, path: arguments[call.path], write, creates }))
}

/// Lets the attempt with this number go on as if nobody had listened.
pub(super) fn go_on(listener: &OwnedFd, number: u64) {
    let mut answer = seccomp_notif_resp {
        id: number,
        val: 0,
        error: 0,
        flags: u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or(1),
    };
    #[expect(unsafe_code, reason = "the request takes a struct of exactly this type")]
    // SAFETY: `answer` lives until the call returns. That the process has died meanwhile is no error for us.
    unsafe {
        libc::ioctl(listener.as_raw_fd(), SEND as _, &raw mut answer);
    }
}
