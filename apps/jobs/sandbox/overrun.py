"""Which limit a running child has passed, if any: looked at again and again, as cheaply as it can be."""

from __future__ import annotations

from dataclasses import dataclass

from apps.jobs.handlers import Folder
from apps.jobs.sandbox.cgroup import Group
from apps.jobs.sandbox.limits import MEBIBYTE, Limits
from apps.jobs.sandbox.usage import Disk, DiskMeter, deleted_bytes, memory_of, tree


@dataclass(frozen=True)
class Overrun:
    """`code` and `message` are the job's error."""

    code: str
    message: str


class Watch:
    """Measures what the child with `pid` and all below it use."""

    def __init__(self, pid: int, folder: Folder, limits: Limits, group: Group | None) -> None:
        self._pid, self._limits, self._group = pid, limits, group
        self._disk = DiskMeter((folder.out, folder.work), limits.files)
        self.is_far_from_limits = False

    def look(self, now: float) -> Overrun | None:
        limits = self._limits
        processes = tree(self._pid)
        memory = memory_of(processes, limits.memory_bytes)
        if memory > limits.memory_bytes:
            return too_much_memory(limits)
        self.is_far_from_limits = memory < limits.memory_bytes / 4
        if sum(process.tasks for process in processes) > limits.tasks + 2:
            return too_many_tasks(limits)
        if sum(process.cpu_s for process in processes) > limits.cpu_s:
            return too_much_time(limits)
        disk = self._disk.look(now)
        return self._disk_overrun(disk, deleted_bytes(processes)) if disk is not None else None

    def at_end(self, *, ended_well: bool) -> Overrun | None:
        """What is known only once the child has ended: the kernel's own count, what was written last."""
        if not ended_well and self._group is not None:
            if self._group.ran_out_of_memory:
                return too_much_memory(self._limits)
            if self._group.ran_out_of_tasks:
                return too_many_tasks(self._limits)
        return self._disk_overrun(self._disk.look(self._disk.due_at)) if ended_well else None

    def _disk_overrun(self, disk: Disk | None, deleted: int = 0) -> Overrun | None:
        if disk is None:
            return None
        if not disk.is_whole:
            return Overrun(
                "disk_limit",
                f"The job made more than {self._limits.files:,} files or folders, or some that can't be looked into.",
            )
        return too_much_disk(self._limits) if disk.bytes + deleted > self._limits.disk_bytes else None


def too_much_memory(limits: Limits) -> Overrun:
    return Overrun(
        "out_of_memory",
        f"The job needed more memory than the {_size(limits.memory_bytes)} it may have. Start it again with smaller "
        "batches, images or models.",
    )


def too_much_disk(limits: Limits) -> Overrun:
    return Overrun(
        "disk_limit",
        f"The job wrote more than it may: {_size(limits.disk_bytes)} in all, {_size(limits.file_bytes)} a file. Start "
        "it again with less data or smaller models.",
    )


def too_many_tasks(limits: Limits) -> Overrun:
    return Overrun(
        "process_limit", f"The job started more processes and threads than the {limits.tasks:,} it may have."
    )


def too_much_time(limits: Limits) -> Overrun:
    return Overrun(
        "cpu_limit",
        f"The job used more than the {limits.cpu_s:,} s of processor time it may have. Start it again with less to do.",
    )


def _size(count: int) -> str:
    return f"{count / 2**30:.3g} GiB" if count >= 2**30 else f"{count / MEBIBYTE:.3g} MiB"
