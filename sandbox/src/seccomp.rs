//! System calls that no agent needs: to mount, to look into other processes, to change the machine,
//! to make namespaces with rights of their own, to type into a terminal.

use crate::error::{Error, Result};
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;

/// Refused with `EPERM`.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
];
/// Answered as if the kernel did not have them, so that programs take the older call: `clone3`
/// hands its flags over in memory, where a filter cannot look, and `io_uring` makes calls that no
/// filter sees.
const ABSENT: &[libc::c_long] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];
/// Flags of `clone` that make a namespace.
const NAMESPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;
/// Requests of `ioctl` that type into a terminal: TIOCSTI and TIOCLINUX.
const TYPING: [u64; 2] = [0x5412, 0x541C];

/// Families of sockets that programs need. All others, such as those between a virtual machine and
/// its host (vsock), pass by the network namespace or have had holes of their own.
const SOCKETS: [libc::c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Filters the system calls of this thread and of all it starts.
pub(crate) fn close() -> Result<()> {
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    refused.insert(libc::SYS_clone, namespaces()?);
    refused.insert(libc::SYS_ioctl, TYPING.into_iter().map(typing).collect::<Result<_>>()?);
    #[cfg(target_arch = "x86_64")]
    close_x32()?;
    apply(refused, libc::EPERM)?;
    let other = [libc::SYS_socket, libc::SYS_socketpair].map(|call| Ok((call, other_sockets()?)));
    apply(other.into_iter().collect::<Result<_>>()?, libc::EAFNOSUPPORT)?;
    apply(ABSENT.iter().map(|call| (*call, Vec::new())).collect(), libc::ENOSYS)
}

/// The x32 interface has numbers of its own for the calls above, which the filters do not know.
#[cfg(target_arch = "x86_64")]
fn close_x32() -> Result<()> {
    const X32_BIT: u32 = 0x4000_0000;
    let step = |code: u32, jt, jf, k| seccompiler::sock_filter {
        code: u16::try_from(code).unwrap_or_default(),
        jt,
        jf,
        k,
    };
    let program: [seccompiler::sock_filter; 4] = [
        // The number of the call is the first word of what the filter is given.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 0, 1, X32_BIT),
        step(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned(),
        ),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    seccompiler::apply_filter(&program).map_err(|error| Error::refused("seccomp", error))
}

/// One rule a flag: each of them alone is enough.
fn namespaces() -> Result<Vec<SeccompRule>> {
    let bits = (0..i32::BITS).map(|bit| 1_u64 << bit);
    let all = u64::from(NAMESPACES.cast_unsigned());
    bits.filter(|bit| all & bit != 0)
        .map(|bit| rule(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(bit), bit))
        .collect()
}

/// One rule with all conditions: none of the families.
fn other_sockets() -> Result<Vec<SeccompRule>> {
    let refused = |error| Error::refused("seccomp", error);
    let is_other = |family: libc::c_int| {
        let value = u64::from(family.cast_unsigned());
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
    };
    let conditions = SOCKETS.into_iter().map(is_other).collect::<std::result::Result<_, _>>();
    let rule = conditions.and_then(SeccompRule::new);
    rule.map(|rule| vec![rule]).map_err(refused)
}

fn typing(request: u64) -> Result<SeccompRule> {
    // The kernel looks at the lower half of the request alone.
    rule(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, request)
}

fn rule(
    argument: u8,
    length: SeccompCmpArgLen,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompRule> {
    SeccompCondition::new(argument, length, operator, value)
        .and_then(|condition| SeccompRule::new(vec![condition]))
        .map_err(|error| Error::refused("seccomp", error))
}

fn apply(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: libc::c_int) -> Result<()> {
    let refused = |error: &dyn std::fmt::Display| Error::refused("seccomp", error);
    let architecture = std::env::consts::ARCH.try_into().map_err(|error| refused(&error))?;
    let answer = SeccompAction::Errno(errno.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, architecture)
        .map_err(|error| refused(&error))?;
    let program: seccompiler::BpfProgram = filter.try_into().map_err(|error| {
        let error: seccompiler::BackendError = error;
        refused(&error)
    })?;
    seccompiler::apply_filter(&program).map_err(|error| refused(&error))
}
