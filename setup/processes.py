"""Which processes of this machine belong together."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """One row of the process table."""

    pid: int
    parent: int
    group: int


def process_table() -> Iterator[Process]:
    """Yield every process that has not ended yet."""
    if Path("/proc/self/stat").exists():
        yield from _from_proc()
    else:
        command = ["ps", "-axo", "pid=,ppid=,pgid=,state="]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listing:
            rows = listing.communicate()[0].splitlines()
        for row in rows:
            pid, parent, group, state = row.split()
            if not state.startswith("Z") and int(pid) != listing.pid:
                yield Process(int(pid), int(parent), int(group))


def _from_proc() -> Iterator[Process]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            stat = (folder / "stat").read_text(errors="replace")
        except OSError:
            continue  # it ended while we looked
        # The command's name stands in brackets and may contain anything, so count from the last one.
        state, parent, group = stat[stat.rindex(")") + 2 :].split()[:3]
        if state not in "ZX":
            yield Process(int(folder.name), int(parent), int(group))


def belonging_to(root: int, groups: Collection[int] = ()) -> set[int]:
    """Return the ids of all descendants of process `root` and of all members of the process groups, without `root`."""
    table = [process for process in process_table() if process.pid != root]
    found = {process.pid for process in table if process.group in groups}
    parents = found | {root}
    while parents:
        parents = {process.pid for process in table if process.parent in parents} - found
        found |= parents
    return found
