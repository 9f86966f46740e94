"""Random kills of everything that runs the platform, while short jobs are to be done; and what came of them.

Whoever calls this plays the service manager as well: a web server or worker that was killed is started again.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.jobs.processes import Platform, process_table

# The steps of a short job: some life, a file, a result.
SHORT = [["log", "info", "at work"], ["sleep", 1.0], ["progress", 1, 2], ["sleep", 1.0], ["result", {"answer": 42}]]
KINDS = ("child", "worker", "sentinel", "helper", "cluster", "web")
PATIENCE_S = 90

# Counts what is left in the database, and what the handler put into its storage.
COUNT = """
import json
from django.conf import settings
from pathlib import Path
from apps.jobs.models import Job, JobEvent
from apps.projects.models import AuditEntry
from django.db.models import Count
jobs = Job.across_tenants.all()
ends = JobEvent.across_tenants.filter(kind="state", data__state="succeeded").values_list("job").annotate(Count("pk"))
accepted = AuditEntry.across_tenants.filter(action="test.accepted").values_list("target_id").annotate(Count("pk"))
home = Path(settings.DATA_DIR) / "stored"
stored = {str(job.pk): sorted(path.name for path in (home / str(job.pk)).glob("*")) for job in jobs}
gaps = [str(job.pk) for job in jobs if job.events.count() != job.last_sequence]
print(json.dumps({"states": dict(jobs.values_list("state").annotate(Count("pk"))),
    "succeeded": {str(pk): n for pk, n in ends}, "accepted": {str(pk): n for pk, n in accepted}, "stored": stored,
    "gaps": gaps, "attempts": dict(jobs.values_list("attempts").annotate(Count("pk")))}))
"""


@dataclass
class Chaos:
    """`machines` workers of two processes each, and a web server, on `platform`."""

    platform: Platform
    machines: int = 2
    seed: int = 1
    kills: Counter[str] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.workers = [self.platform.start_worker() for _ in range(self.machines)]

    def run(self, *, jobs: int, kills: int, every_s: float) -> None:
        """Create a quarter of the jobs before the first kill, half one by one, and a quarter before the last."""
        some = jobs // 4
        wanted = [0] * some + [kills * number // (jobs - 2 * some) for number in range(jobs - 2 * some)]
        wanted += [kills - 1] * some
        done = 0
        while done < kills:
            while wanted and wanted[0] <= done:
                if not self._create():
                    break
                wanted.pop(0)
            # What was not killed yet comes sooner.
            missing = [kind for kind in KINDS if not self.kills[kind]]
            done += self._kill(self.random.choice([*missing, *missing, *KINDS]))
            self._restart()
            time.sleep(self.random.uniform(0.5, 1.5) * every_s)
        while wanted:
            if self._create():
                wanted.pop(0)
            self._restart()

    def settle(self, jobs: int) -> float:
        """Wait until all jobs are over; return how many seconds that took."""
        started = time.monotonic()
        while time.monotonic() - started < PATIENCE_S:
            self._restart()
            with suppress(httpx.HTTPError):
                found = self.platform.api.get("/jobs", params={"page_size": 200}).json()["results"]
                if len(found) == jobs and all(job["is_over"] for job in found):
                    break
            time.sleep(0.2)
        return time.monotonic() - started

    def count(self, jobs: int) -> dict[str, float]:
        """End everything that was started, and count what must not be."""
        for process in (*self.workers, self.platform.web):
            process.terminate()
        for process in (*self.workers, self.platform.web):
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
        time.sleep(1)
        orphans = self._of_platform()
        found = json.loads(self.platform.manage("shell", "-v0", "-c", COUNT).splitlines()[-1])
        return {
            "lost": jobs - found["states"].get("succeeded", 0),
            "completed_twice": sum(count > 1 for count in found["succeeded"].values()),
            "published_twice": sum(count > 1 for count in found["accepted"].values())
            + sum(len(kept) > 1 for kept in found["stored"].values()),
            "gaps": len(found["gaps"]),
            "orphans": len(orphans),
        }

    def _create(self) -> bool:
        """Whether the web server took the job: asked again with the same key otherwise, nothing would be made twice."""
        key = f"chaos-{self.seed}-{time.monotonic_ns()}"
        for _ in range(200):
            try:
                answer = self.platform.api.post("/scripted", json=SHORT, params={"key": key})
                if answer.status_code == 201:
                    return True
            except httpx.HTTPError:
                pass
            self._restart()
            time.sleep(0.1)
        return False

    def _kill(self, kind: str) -> int:
        """Kill one process of that kind, if there is any. Returns how many were killed."""
        found = self._find(kind)
        if not found:
            return 0
        with suppress(ProcessLookupError):
            os.kill(self.random.choice(found), signal.SIGKILL)
            self.kills[kind] += 1
            return 1
        return 0

    def _find(self, kind: str) -> list[int]:
        table = list(process_table())
        parents = {pid: parent for pid, parent, _ in table}
        alive = [worker.pid for worker in self.workers if worker.poll() is None]
        match kind:
            case "web":
                return [self.platform.web.pid] if self.platform.web.poll() is None else []
            case "cluster":
                return alive
            case "child":
                folder = str(self.platform.folder)
                return [pid for pid, _, command in table if folder in command and " -m ml " in command]
        sentinels = [pid for pid, parent in parents.items() if parent in alive]
        if kind == "sentinel":
            return sentinels
        below = {
            sentinel: sorted(pid for pid, parent in parents.items() if parent == sentinel) for sentinel in sentinels
        }
        # What runs tasks is started first, then what writes results, then what reads the queue.
        cut = slice(0, -2) if kind == "worker" else slice(-2, None)
        return [pid for pids in below.values() for pid in pids[cut]]

    def _restart(self) -> None:
        for index, worker in enumerate(self.workers):
            if worker.poll() is not None:
                self.workers[index] = self.platform.start_worker()
                self.restarts["worker"] += 1
        if self.platform.web.poll() is not None:
            self.platform.begin_web()
            self.restarts["web"] += 1

    def _of_platform(self) -> list[int]:
        """Processes that work for the platform or were started by what did, by their folder or environment."""
        folder = str(self.platform.folder).encode()
        found = []
        for pid, _, command in process_table():
            environment = b""
            with suppress(OSError):
                environment = Path(f"/proc/{pid}/environ").read_bytes()
            if folder in command.encode() or b"DATA_DIR=" + folder in environment:
                found.append(pid)
        return found
