"""What a child and all below it use, seen from outside: in /proc and in the folders that it writes to."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
MOST_NESTED = 64  # folders in folders: looking into them takes the longer the deeper they lie
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    pid: int
    depth: int  # 0: the one that was asked for
    tasks: int
    cpu_s: float  # with that of its children that have ended
    resident_bytes: int


def tree(root: int) -> list[Process]:
    """The process `root` and all that descend from it; those that have ended are left out."""
    found, waiting = [], [(root, 0)]
    while waiting:
        pid, depth = waiting.pop()
        process = _process(pid, depth)
        if process is not None:
            found.append(process)
            waiting += [(child, depth + 1) for child in _children(pid)]
    return found


def _process(pid: int, depth: int) -> Process | None:
    try:
        # The name stands in brackets and may contain anything, so count from the last one. Fields: proc_pid_stat(5).
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] in "ZX":
        return None
    ticks = sum(int(value) for value in fields[11:15])
    return Process(pid, depth, int(fields[17]), ticks / TICKS, int(fields[21]) * PAGE)


def _children(pid: int) -> Iterator[int]:
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return
    for thread in threads:
        try:
            yield from map(int, (thread / "children").read_bytes().split())
        except FileNotFoundError:
            if thread.exists():  # a kernel without CONFIG_PROC_CHILDREN
                yield from _children_by_search(pid)
                return
        except OSError:
            continue


def _children_by_search(pid: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                yield int(entry.name)


def memory_of(processes: Iterable[Process], limit: int) -> int:
    """Bytes. Pages that processes share are told apart, which takes longer, only where `limit` seems to be passed."""
    processes = list(processes)
    total = sum(process.resident_bytes for process in processes)
    if total <= limit or len(processes) == 1:
        return total
    return sum(_proportional(process) for process in processes)


def _proportional(process: Process) -> int:
    try:
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return process.resident_bytes


def deleted_bytes(processes: Iterable[Process]) -> int:
    """What files take that no folder lists any more, but a process still has open."""
    seen: dict[tuple[int, int], int] = {}
    for process in processes:
        try:
            opened = list(Path(f"/proc/{process.pid}/fd").iterdir())
        except OSError:
            continue
        for descriptor in opened:
            try:
                found = descriptor.stat()
            except OSError:
                continue
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
                seen[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(seen.values())


@dataclass(frozen=True)
class Disk:
    bytes: int
    files: int
    is_whole: bool = True  # False: there was more than could be looked at


@dataclass
class DiskMeter:
    """Adds up folders, and rests the longer the more there is to look at, so that looking stays cheap."""

    folders: tuple[Path, ...]
    most_files: int
    share_of_time: float = 0.05
    due_at: float = field(default=0.0)

    def look(self, now: float) -> Disk | None:
        """None while it rests. `now`: monotonic seconds."""
        if now < self.due_at:
            return None
        found = disk_usage(self.folders, self.most_files)
        self.due_at = now + (time.monotonic() - now) / self.share_of_time
        return found


def disk_usage(folders: Iterable[Path], most_files: int) -> Disk:
    """What the folders and all in them take, each name counted by itself; links are not followed."""
    total = files = 0
    waiting = [(str(folder), 0) for folder in folders]
    while waiting:
        path, depth = waiting.pop()
        if depth > MOST_NESTED:
            return Disk(total, files, is_whole=False)
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    files += 1
                    if files > most_files:
                        return Disk(total, files, is_whole=False)
                    try:
                        found = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    total += found.st_blocks * 512
                    if stat.S_ISDIR(found.st_mode):
                        waiting.append((entry.path, depth + 1))
        except FileNotFoundError:
            continue
        except OSError:  # a folder closed to its owner: nobody needs that
            return Disk(total, files, is_whole=False)
    return Disk(total, files)
