"""Run as a script in front of every job's command: takes away what the plan says, then becomes the command.

    python -I -S launcher.py <descriptor to read the plan from>

It imports nothing of the platform, because it runs inside the child's process. The worker writes the plan once the
child is there; a plan that never comes means that the worker is gone. `apps.jobs.sandbox.plan.Plan` says what is in it.
"""

import ctypes
import errno
import json
import os
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_SECUREBITS, PR_SET_CHILD_SUBREAPER = 1, 24, 28, 36
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x04000000, 0x08000000, 0x10000000, 0x40000000
SECUREBITS = 0b11101011  # root is nobody special, nothing is kept over a change of user, none ambient; all locked
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF, PATH_BENEATH = 444, 445, 446, 1
CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: Any) -> int:
    """A function of libc. Raises OSError."""
    result = int(getattr(libc, name)(*arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return result


def prctl(option: int, value: int = 0, third: Any = 0) -> None:
    call("prctl", option, ctypes.c_ulong(value), third, ctypes.c_ulong(0), ctypes.c_ulong(0))


def main() -> None:
    with os.fdopen(int(sys.argv[1]), "rb") as pipe:
        if sys.platform == "linux":
            # The lease of a dead worker runs out, and the next attempt must not find this one still at work.
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        told = pipe.read()
    if not told:
        sys.exit(1)
    plan = json.loads(told)
    if plan["guarded"]:
        guard()
    if plan["cgroup"] is not None:
        os.write(plan["cgroup"], b"0")
        os.close(plan["cgroup"])
    os.umask(0o077)
    if sys.platform == "linux":
        confine(plan)
    os.chdir(plan["folder"])
    os.execve(plan["command"][0], plan["command"], plan["environment"])  # noqa: S606


def guard() -> None:
    """Fork. The parent waits for the child and ends as it ended; should the worker die, it takes all with it.

    The child and all that it starts stay in one process group, which the filter keeps them from leaving, and their
    orphans become the parent's.
    """
    signal.signal(signal.SIGHUP, lambda *_: os.killpg(0, signal.SIGKILL))
    worker = os.getppid()
    prctl(PR_SET_PDEATHSIG, signal.SIGHUP)
    if os.getppid() != worker or worker == 1:
        sys.exit(1)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    own = os.getpid()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != own:
            sys.exit(1)
        return
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for pipe in (1, 2):
        os.close(pipe)
    ended = 0
    while ended != child:
        ended, status = os.wait()
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(own, -code)
    os._exit(code if code >= 0 else 128 - code)


def confine(plan: dict[str, Any]) -> None:
    """Namespaces, limits, files, user, system calls: in the order in which each is still allowed to follow."""
    # where the machine runs out of memory, this one goes and not the worker
    Path("/proc/self/oom_score_adj").write_text("1000")
    if plan["namespaces"]:
        leave_network(as_root=plan["namespaces"] == "root")
    for name, (soft, hard) in plan["rlimits"].items():
        limit = getattr(resource, name)
        most = resource.getrlimit(limit)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(limit, (soft, hard))
    ruleset = landlock_ruleset(plan["landlock"]) if plan["landlock"] else None
    if plan["uid"] is not None:
        os.setgroups([])
        os.setresgid(plan["uid"], plan["uid"], plan["uid"])
        os.setresuid(plan["uid"], plan["uid"], plan["uid"])
    if plan["drops_capabilities"]:
        drop_capabilities()
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    if plan["dies_with_parent"]:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of user has cleared it
    if ruleset is not None:
        call("syscall", LANDLOCK_RESTRICT_SELF, ruleset, 0)
        os.close(ruleset)
    if plan["seccomp"]:
        own = struct.pack("=I", plan["own_process"]), struct.pack("=I", os.getpid())
        code = bytes.fromhex(plan["seccomp"]).replace(*own)
        buffer = ctypes.create_string_buffer(code, len(code))
        filtered = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(filtered))


def leave_network(*, as_root: bool) -> None:
    """Go into a network without any interface, with no view of the machine's shared memory."""
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
    call("unshare", flags if as_root else flags | CLONE_NEWUSER)
    if not as_root:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            Path(f"/proc/self/{name}").write_text(text)


def landlock_ruleset(rules: dict[str, Any]) -> int:
    attributes = struct.pack("=QQQ", rules["files"], rules["network"], rules["scopes"])
    ruleset = call("syscall", LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(rules["size"]), 0)
    for path, rights in rules["paths"]:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        beneath = struct.pack("=Qi", rights, descriptor)
        call("syscall", LANDLOCK_ADD_RULE, ruleset, PATH_BENEATH, beneath, 0)
        os.close(descriptor)
    return ruleset


def drop_capabilities() -> None:
    """Leave no capability, and no way to one: not even for root, should this process be root."""
    try:
        prctl(PR_SET_SECUREBITS, SECUREBITS)
        for capability in range(64):
            prctl(PR_CAPBSET_DROP, capability)
    except OSError as error:
        # Without the capability to do so there is none to drop; a number above the last one is invalid.
        if error.errno not in (errno.EINVAL, errno.EPERM):
            raise
    call("capset", struct.pack("=Ii", CAPABILITY_VERSION_3, 0), bytes(24))


if __name__ == "__main__":
    main()
