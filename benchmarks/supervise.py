"""What a worker costs that supervises one long job, which says a line and a metric each second.

    make bench BENCH=supervise [QUICK=1]

An hour scaled to 5 minutes: processor time and memory of the process that supervises the job, and of all processes of
the worker together, from the kernel's counters. The job's own process is not counted. Goals: less than 1 % of a core
and less than 150 MB for the one that supervises.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from benchmarks._engine import figure, table
from benchmarks._platform import is_quick, running_platform
from tests.jobs.processes import tree

TICKS = os.sysconf("SC_CLK_TCK")
STEP = [["progress", 1, 3600], ["metrics", 1, {"loss": 0.5, "accuracy": 0.9}], ["clock"], ["sleep", 1]]


def main() -> None:
    seconds = 15 if is_quick(__doc__) else 300
    with running_platform(JOB_WORKERS="1") as platform:
        worker = platform.start_worker()
        job = platform.create(["log", "info", "at work"], ["repeat", seconds + 60, STEP])
        platform.wait_for_line(job, "at work")
        child, supervisor = platform.child_of(job)
        below = tree(supervisor) - {supervisor}
        assert child in below
        of_worker = tree(worker.pid) - below
        before = {pid: cpu_s(pid) for pid in of_worker}
        started = time.monotonic()
        time.sleep(seconds)
        passed = time.monotonic() - started
        used = {pid: cpu_s(pid) - before[pid] for pid in of_worker}
        memory = {pid: memory_mb(pid) for pid in of_worker}
        platform.api.post(f"/jobs/{job}/cancel")
        platform.wait_for(job, "cancelled")
    rows = [
        ("the process that supervises", 100 * used[supervisor] / passed, memory[supervisor][0], memory[supervisor][1]),
        (
            "the whole worker",
            100 * sum(used.values()) / passed,
            *(sum(part) for part in zip(*memory.values(), strict=True)),
        ),
    ]
    table(
        [
            {"what": what, "% of a core": round(cpu, 2), "resident MB": round(rss), "own MB": round(own)}
            for what, cpu, rss, own in rows
        ]
    )
    for case, (_, cpu, rss, _own) in zip(("supervisor", "worker"), rows, strict=True):
        figure("supervise", case, "cpu", round(cpu, 2), "% of a core")
        figure("supervise", case, "memory", round(rss, 1), "MB")


def cpu_s(pid: int) -> float:
    """Seconds of processor time, without children: fields 14 and 15 of proc_pid_stat(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int) -> tuple[float, float]:
    """What is resident, and what of it no other process shares."""
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, size, _ = line.split()
        sizes[name.rstrip(":")] = int(size) / 1024
    return sizes["Rss"], sizes["Private_Clean"] + sizes["Private_Dirty"]


if __name__ == "__main__":
    main()
