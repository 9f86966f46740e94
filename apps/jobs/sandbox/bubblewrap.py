"""The arguments of bubblewrap: a root folder of its own in which only what a job needs is mounted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from apps.jobs.sandbox.paths import ROOT_FOLDERS, has_graphics_processor

# As root, bubblewrap keeps what the launcher needs to become another user, who has no capabilities.
BECOME_ANOTHER = ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
# Where programs expect to share files whatever TMPDIR says.
SHARED = (Path("/tmp"), Path("/dev/shm"))  # noqa: S108


def arguments(
    *,
    programs: Sequence[Path],
    readable: Sequence[Path],
    in_: Path,
    writable: Sequence[Path],
    temporary: Path,
    seccomp: int,
    uid: int,
    becomes_another: bool,
) -> list[str]:
    """What stands between `bwrap` and the command. `seccomp` is the descriptor that the filter is read from.

    `temporary`, one of `writable`, stands for /tmp and /dev/shm too: what is written there counts as the job's.
    `becomes_another`: the launcher will change to `uid` for real; else `uid` is only what the child sees of itself.
    """
    given = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    given += ["--die-with-parent", "--hostname", "job", "--cap-drop", "ALL"]
    if becomes_another:
        given += BECOME_ANOTHER
    else:
        given += ["--unshare-user", "--uid", str(uid), "--gid", str(uid)]
    for folder in _folders_above([*programs, *readable, in_, *writable], mounted=[*programs, *ROOT_FOLDERS]):
        given += ["--dir", str(folder)]  # by itself, bubblewrap makes some of them for its own user alone
    for path in programs:
        given += ["--ro-bind", str(path), str(path)]
    for path in ROOT_FOLDERS:
        if path.is_symlink():
            given += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            given += ["--ro-bind", str(path), str(path)]
    given += ["--proc", "/proc", "--dev", "/dev"]
    if has_graphics_processor():
        for device in sorted(Path("/dev").glob("nvidia*")):
            given += ["--dev-bind", str(device), str(device)]
    for path in readable:
        given += ["--ro-bind", str(path), str(path)]
    given += ["--ro-bind", str(in_), str(in_)]
    for path in writable:
        given += ["--bind", str(path), str(path)]
    seen = [*programs, *readable, in_, *writable]
    for shared in SHARED:
        if not any(shared in path.parents for path in seen):  # mounting there would hide them
            given += ["--bind", str(temporary), str(shared)]
    # The root and /dev are file systems in memory, which nothing would count.
    given += ["--remount-ro", "/dev", "--remount-ro", "/"]
    return [*given, "--seccomp", str(seccomp)]


def _folders_above(paths: Sequence[Path], *, mounted: Sequence[Path]) -> list[Path]:
    """What has to be made for `paths` to be mounted there, outermost first; not what comes with `mounted`."""
    above = dict.fromkeys(parent for path in paths for parent in reversed(path.parents[:-1]))
    return [folder for folder in above if not any(other in (folder, *folder.parents) for other in mounted)]
