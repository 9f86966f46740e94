"""How fast jobs come from the queue into a process of their own, beside what django-q2 alone does in the same run.

    make bench BENCH=queue [QUICK=1]
    DATABASE_URL=postgres://… make bench BENCH=queue

One worker of two processes. `idle`: from the service that makes a job to the first line of its child (for django-q2: to
the function's first line), 50 times (QUICK: 5), one at a time. `1,000 queued`: the same for one job of an organization
while another has 1,000 empty jobs in the line (QUICK: 30). `empty`: jobs a second that do nothing, each a sandboxed
process with its events and a result taken over; for django-q2 a call of a function that returns. `ratio` is ours to
django-q2's: of the median times, and of the rates.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._engine import figure, table
from benchmarks._platform import database_name, is_quick, running_platform
from tests.jobs.processes import Platform, tree, until

STAMPED: list[list[Any]] = [["clock"], ["result", {"answer": 42}]]
EMPTY: list[list[Any]] = [["result", {"answer": 42}]]

# Makes many jobs of an organization at once, and prints the time.
MANY = """
import sys, time
from apps.accounts.models import Organization, Role
from apps.jobs.models import Job
from apps.jobs.services import create_job
from apps.projects.access import Access
from apps.projects.models import Project
organization, _ = Organization.objects.get_or_create(slug="many", defaults={{"name": "Many", "quota_bytes": 2**30}})
project = Project.across_tenants.filter(organization=organization).first() or Project.across_tenants.create(
    organization=organization, name="P", slug="p")
access = Access(None, organization, Role.DEVELOPER, project)
for _ in range({count}):
    create_job(access=access, kind=Job.Kind.CHECK, title="Empty", payload={{"steps": {steps}}})
"""
# When the jobs of that organization began and ended.
SPAN = """
import json
from django.db.models import Max, Min
from apps.jobs.models import Job
jobs = Job.across_tenants.filter(project__slug="p")
span = jobs.filter(state="succeeded").aggregate(first=Min("started_at"), last=Max("finished_at"))
print(json.dumps({"left": jobs.unfinished().count(), "done": jobs.filter(state="succeeded").count(),
    "seconds": (span["last"] - span["first"]).total_seconds() if span["last"] else 0}))
"""
BARE = """
import json, time
from pathlib import Path
from django_q.tasks import async_task
from django_q.models import OrmQ
mark = Path({mark!r})
waits = []
def lines(): return mark.read_text().splitlines() if mark.exists() else []
for number in range({count}):
    made = time.time()
    async_task("benchmarks.queue.stamp", str(mark), save=False)
    while len(lines()) <= number: time.sleep(0.01)
    waits.append(float(lines()[number]) - made)
    time.sleep(0.1 + number % 5 / 10)
mark.unlink()
for number in range({many}): async_task("benchmarks.queue.stamp", str(mark), save=False)
made = time.time()
async_task("benchmarks.queue.stamp", str(mark) + "-last", save=False)
while not Path(str(mark) + "-last").exists(): time.sleep(0.02)
times = [float(line) for line in lines()]
print(json.dumps({{"waits": waits, "rate": len(times) / (max(times) - min(times)),
    "behind": float(Path(str(mark) + "-last").read_text()) - made}}))
"""


def stamp(path: str) -> None:
    """What django-q2 alone runs: say when."""
    with Path(path).open("a") as file:
        file.write(f"{time.time()}\n")


def main() -> None:
    rounds, many = (5, 30) if is_quick(__doc__) else (50, 1000)
    with running_platform(JOB_WORKERS="2") as platform:
        with worker(platform, "work"):
            idle = [wait_of(platform, number) for number in range(rounds)]
            platform.manage("shell", "-v0", "-c", MANY.format(count=many, steps=EMPTY))
            behind = [wait_of(platform, number) for number in range(min(rounds, 10))]
            rate = until(lambda: rate_of(platform), "all jobs done", 3600)
        with worker(platform, "qcluster"):
            code = BARE.format(mark=str(platform.folder / "mark"), count=rounds, many=many)
            bare = json.loads(platform.manage("shell", "-v0", "-c", code).splitlines()[-1])
    report(idle, behind, rate, bare, many)


def report(idle: list[float], behind: list[float], rate: float, bare: dict[str, Any], many: int) -> None:
    rows: list[dict[str, Any]] = []
    medians: dict[tuple[str, str], float] = {}
    for name, case, waits in (
        ("ours", "idle", idle),
        ("ours", f"{many:,} queued", behind),
        ("django-q2", "idle", bare["waits"]),
        ("django-q2", f"{many:,} queued", [bare["behind"]]),
    ):
        p50, p95 = (1000 * float(value) for value in np.percentile(np.asarray(waits), [50, 95]))
        medians[name, case] = p50
        rows.append({"what": name, "case": case, "p50 ms": round(p50), "p95 ms": round(p95), "jobs": len(list(waits))})
    table(rows)
    where = database_name()
    for row in rows[:2]:
        case = f"{row['case']}, {where}"
        figure("queue", case, "p50_ms", row["p50 ms"], "ms")
        figure("queue", case, "p95_ms", row["p95 ms"], "ms")
        figure("queue", case, "ratio", round(medians["ours", row["case"]] / medians["django-q2", row["case"]], 3), "x")
    figure("queue", f"empty, {where}", "rate", round(rate, 2), "jobs/s")
    figure("queue", f"empty, {where}", "bare_rate", round(float(bare["rate"]), 1), "jobs/s")
    figure("queue", f"empty, {where}", "ratio", round(rate / float(bare["rate"]), 4), "x")


def wait_of(platform: Platform, number: int) -> float:
    """Seconds from making a job to the first line of its child."""
    made = time.time()
    job = platform.create(*STAMPED)
    platform.wait_for(job, "succeeded")
    [said] = [
        event["data"]["message"] for event in platform.events(job) if "clock" in str(event["data"].get("message"))
    ]
    time.sleep(0.1 + number % 5 / 10)  # at different moments of the worker's looking
    return float(said.split()[1]) - made


def rate_of(platform: Platform) -> float | None:
    time.sleep(2)
    found = json.loads(platform.manage("shell", "-v0", "-c", SPAN).splitlines()[-1])
    return None if found["left"] else found["done"] / found["seconds"]


@contextmanager
def worker(platform: Platform, command: str) -> Iterator[subprocess.Popen[bytes]]:
    process = platform.start_worker(command)
    until(lambda: len(tree(process.pid)) >= 6, "the worker's processes")
    time.sleep(2)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    main()
