"""The filter of system calls: a classic BPF program, made here because a bare machine has no libseccomp for Python.

What a job needs is wide (a whole TensorFlow), so this is a list of what it never needs: ways to reach other processes,
the network, kernel interfaces that had many holes, and ways around the limits. Format: struct sock_filter and struct
seccomp_data of Linux, Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Iterable, Iterator, Mapping

from apps.jobs.sandbox.syscalls import MACHINES, number

ALLOW = 0x7FFF0000
KILL = 0x80000000  # the whole process, with SIGSYS
_ERRNO = 0x00050000
REFUSE = _ERRNO | errno.EPERM
UNKNOWN = _ERRNO | errno.ENOSYS  # as on an older kernel, so that libraries take their other way
PRETEND = _ERRNO  # done, says the answer; nothing was

AUDIT_ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000
# Offsets in struct seccomp_data; the low half of the first argument on a little-endian machine.
NUMBER, ARCH, FIRST, SECOND = 0, 4, 16, 24
LOAD, EQUAL, ABOVE, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06

AF_UNIX = 1
# Stands for the number of the child's own process, which the launcher puts in its place.
OWN_PROCESS = 0x7EADBEEF
NEW_NAMESPACES = 0x7E020080  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, NEWTIME
TIOCSTI, TIOCLINUX = 0x5412, 0x541C

# Nothing that learns or converts a model calls one of these: whoever does is ended.
_WORST = (
    "mount umount2 pivot_root move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick mount_setattr chroot "
    "setns init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff ptrace bpf "
    "open_by_handle_at acct iopl ioperm"
)
# Libraries may try these, and go on without.
_REFUSED = (
    "socket unshare keyctl add_key request_key perf_event_open userfaultfd io_uring_setup io_uring_enter "
    "io_uring_register process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_getfd kcmp "
    "name_to_handle_at fanotify_init quotactl quotactl_fd lookup_dcookie nfsservctl uselib ustat sysfs _sysctl "
    "modify_ldt vhangup syslog sethostname setdomainname settimeofday clock_settime clock_adjtime adjtimex "
    "migrate_pages move_pages setsid setpgid mknod mknodat shmget semget msgget mq_open mq_unlink"
)
# Memory that no process has mapped: the limits would not see it. And clone by a structure that no filter can look into.
_UNKNOWN = "memfd_create memfd_secret clone3"

# Where the child shares the machine's files and processes (no bubblewrap): what Landlock does not decide about.
_ATTRIBUTES = (
    "chmod fchmod fchmodat fchmodat2 chown lchown fchown fchownat setxattr lsetxattr fsetxattr setxattrat removexattr "
    "lremovexattr fremovexattr removexattrat"
)
# Not pretended: Path.touch takes a time that could be set as a sign that the file is there.
_TIMES = "utime utimes utimensat futimesat"
_OTHERS_PRIORITY = "setpriority ioprio_set sched_setscheduler sched_setparam sched_setattr sched_setaffinity"
_SIGNALS = "rt_sigqueueinfo rt_tgsigqueueinfo tkill pidfd_send_signal"

Instruction = tuple[int, int, int, int]


def is_known_machine() -> bool:
    return platform.machine() in MACHINES


def program(*, machine: str | None = None, shares_machine: bool = False, landlock_abi: int = 0) -> bytes:
    """The filter as bytes: struct sock_filter, one after the other.

    `shares_machine`: the child sees the machine's files and processes. `landlock_abi` then says what Landlock takes
    care of; where it can't keep signals in, OWN_PROCESS is the only one that gets any.
    """
    machine = machine or platform.machine()
    rules = dict.fromkeys(_WORST.split(), KILL) | dict.fromkeys(_REFUSED.split(), REFUSE)
    rules |= dict.fromkeys(_UNKNOWN.split(), UNKNOWN)
    own_signals: tuple[str, ...] = ()
    if shares_machine:
        rules |= dict.fromkeys(_ATTRIBUTES.split(), PRETEND) | dict.fromkeys(_TIMES.split(), REFUSE)
        rules |= dict.fromkeys(_OTHERS_PRIORITY.split(), REFUSE)
        if landlock_abi < 3:
            rules["truncate"] = REFUSE
        if landlock_abi < 6:
            rules |= dict.fromkeys(_SIGNALS.split(), REFUSE)
            own_signals = ("kill", "tgkill")
    return b"".join(struct.pack("<HBBI", *step) for step in _steps(machine, rules, own_signals))


def _steps(machine: str, rules: Mapping[str, int], own_signals: Iterable[str]) -> Iterator[Instruction]:
    yield LOAD, 0, 0, ARCH
    yield EQUAL, 1, 0, AUDIT_ARCHES[machine]
    yield RETURN, 0, 0, KILL  # a 32-bit call has other numbers
    yield LOAD, 0, 0, NUMBER
    if machine == "x86_64":
        yield ABOVE, 0, 1, X32_BIT
        yield RETURN, 0, 0, KILL
    for name, answer in rules.items():
        if (call := number(name, machine)) is not None:
            yield EQUAL, 0, 1, call
            yield RETURN, 0, 0, answer
    yield from _unless(machine, "socketpair", FIRST, [AF_UNIX])
    yield from _unless(machine, "personality", FIRST, [0, 0xFFFFFFFF])
    yield from _unless(machine, "prlimit64", FIRST, [0])  # the limits of oneself
    for name in own_signals:
        yield from _unless(machine, name, FIRST, [OWN_PROCESS])
    yield from _when(machine, "ioctl", SECOND, [(EQUAL, TIOCSTI), (EQUAL, TIOCLINUX)])
    yield from _when(machine, "clone", FIRST, [(ANY_BIT, NEW_NAMESPACES)])
    yield RETURN, 0, 0, ALLOW


def _unless(machine: str, name: str, argument: int, accepted: list[int]) -> Iterator[Instruction]:
    """Refuse a call unless its argument is one of `accepted`."""
    yield EQUAL, 0, len(accepted) + 3, number(name, machine) or 0
    yield LOAD, 0, 0, argument
    for index, value in enumerate(accepted):
        yield EQUAL, len(accepted) - index, 0, value
    yield RETURN, 0, 0, REFUSE
    yield RETURN, 0, 0, ALLOW


def _when(machine: str, name: str, argument: int, conditions: list[tuple[int, int]]) -> Iterator[Instruction]:
    """Refuse a call if one of the conditions holds for its argument."""
    yield EQUAL, 0, len(conditions) + 3, number(name, machine) or 0
    yield LOAD, 0, 0, argument
    for index, (test, value) in enumerate(conditions):
        yield test, len(conditions) - index, 0, value
    yield RETURN, 0, 0, ALLOW
    yield RETURN, 0, 0, REFUSE
