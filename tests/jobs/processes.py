"""The platform as it runs: a web server and workers as real processes on a database of their own."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import psycopg
from psycopg.sql import SQL, Identifier

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
T = TypeVar("T")

# Makes a tenant, and prints what a client needs to know.
SEED = """
import json
from apps.accounts.models import Membership, Organization, Role, User
from apps.projects.authentication import hash_secret
from apps.projects.models import ApiKey, Project, Scope
from django.test import Client
organization = Organization.objects.create(name="Acme", slug="acme", quota_bytes=2**30)
project = Project.across_tenants.create(organization=organization, name="Reader", slug="reader")
user = User.objects.create_user("owner@example.com", None)
Membership.across_tenants.create(organization=organization, user=user, role=Role.OWNER)
secret = "sk_" + "s" * 40
ApiKey.across_tenants.create(project=project, name="key", kind="server", prefix=secret[:11],
    secret_hash=hash_secret(secret), scopes=list(Scope.values))
client = Client()
client.force_login(user)
print(json.dumps({"project": str(project.pk), "secret": secret, "session": client.cookies["sessionid"].value}))
"""


def until(look: Callable[[], T | None], what: str, patience_s: float = PATIENCE_S) -> T:
    """Ask again and again until the answer is true, and return it."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if answer := look():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"Waited {patience_s:g} s in vain for: {what}")


def process_table() -> Iterator[tuple[int, int, str]]:
    """(pid, pid of the parent, command line) of every process that has not ended."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if status[0] not in "ZX":
                yield int(entry.name), int(status[1]), command


def tree(root: int) -> set[int]:
    """The process and all that descend from it."""
    table = list(process_table())
    found, new = {root}, {root}
    while new:
        new = {pid for pid, parent, _ in table if parent in new} - found
        found |= new
    return found


def alive(pids: set[int]) -> set[int]:
    return pids & {pid for pid, _, _ in process_table()}


def queue_processes(worker: int, count: int = 2) -> list[int]:
    """The processes of a fresh `manage.py work` that run tasks: its sentinel starts them before all others."""
    table = list(process_table())
    for sentinel in (pid for pid, parent, _ in table if parent == worker):
        below = sorted(pid for pid, parent, _ in table if parent == sentinel)
        if len(below) == count + 2:  # and what reads the queue, and what writes results
            return below[:count]
    return []


def processes_of(job_id: str) -> set[int]:
    """The processes whose command line names the job."""
    return {pid for pid, _, command in process_table() if job_id in command}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fresh_database(url: str) -> str:
    """The address of a new, empty database on the PostgreSQL server of `url`; empty where there is none."""
    if not url.startswith("postgres"):
        return ""
    name = f"jobs_{secrets.token_hex(6)}"
    with psycopg.connect(url, dbname="postgres", autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def drop_database(url: str) -> None:
    with psycopg.connect(url, dbname="postgres", autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(urlsplit(url).path[1:])))


@dataclass
class Platform:
    """A migrated database (SQLite in `folder`, or as DATABASE_URL says), a web server, and a client with a server key.

    REDIS_URL and STORAGE_URL are passed on to it.
    """

    folder: Path
    settings: str
    debug: bool = False  # with it, static files need no collecting
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.port = free_port()
        self.environment = os.environ | {
            "DATA_DIR": str(self.folder),
            "DJANGO_SETTINGS_MODULE": self.settings,
            "BASE_URL": f"http://127.0.0.1:{self.port}",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}",
            "STATIC_HASHED": "0",
            "DEBUG": str(int(self.debug)),
        }
        self.database = fresh_database(os.environ.get("DATABASE_URL", ""))
        self.environment["DATABASE_URL"] = self.database or f"sqlite:///{self.folder / 'db.sqlite3'}"
        self.manage("migrate", "--no-input", "-v0")
        seed = json.loads(self.manage("shell", "-v0", "-c", SEED).splitlines()[-1])
        self.session = seed["session"]
        self.api = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}/api/v1/projects/{seed['project']}",
            headers={"Authorization": f"Bearer {seed['secret']}"},
            timeout=30,
        )
        self.start_web()

    def start_web(self) -> None:
        self.begin_web()
        until(self._is_up, "the web server")

    def begin_web(self) -> None:
        """Start the web server, and do not wait for it."""
        serve = ("-m", "uvicorn", "config.asgi:application", "--host", "127.0.0.1", "--port", str(self.port))
        self.web = self.start(*serve, "--log-level", "warning", "--no-access-log", "--timeout-graceful-shutdown", "2")

    def _is_up(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def start_worker(self, command: str = "work") -> subprocess.Popen[bytes]:
        return self.start("manage.py", command)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def create(self, *steps: list[Any]) -> str:
        """Make a job that plays `steps`; return its id."""
        answer = self.api.post("/scripted", json=list(steps))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.api.get(f"/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def events(self, job_id: str) -> list[dict[str, Any]]:
        body = self.api.get(f"/jobs/{job_id}/events").json()
        events: list[dict[str, Any]] = body["results"]
        assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
        assert len(events) >= body["last_sequence"]
        return events

    def wait_for(self, job_id: str, state: str) -> dict[str, Any]:
        """Wait for the job's state; fail at once where the job is over in another one."""

        def look() -> dict[str, Any] | None:
            job = self.job(job_id)
            assert job["state"] == state or not job["is_over"], job
            return job if job["state"] == state else None

        return until(look, f"job {state}")

    def wait_for_line(self, job_id: str, line: str) -> None:
        until(lambda: any(e["data"].get("message") == line for e in self.events(job_id)), f"the line {line!r}")

    def child_of(self, job_id: str) -> tuple[int, int]:
        """The process ids of the job's child, without what guards it, and of the worker that supervises it."""
        table = {pid: (parent, command) for pid, parent, command in process_table()}
        engines = [pid for pid, (_, command) in table.items() if job_id in command and " -P -m ml " in command]
        [child] = [pid for pid in engines if "bwrap" not in table[pid][1]]
        supervisor = table[child][0]
        while "manage.py" not in table[supervisor][1]:
            supervisor = table[supervisor][0]
        return child, supervisor

    def close(self) -> None:
        left = set().union(*(tree(process.pid) for process in self.started))
        for process in self.started:
            process.terminate()
        for process in self.started:
            with suppress(subprocess.TimeoutExpired):
                process.wait(15)
        for pid in alive(left):
            os.kill(pid, signal.SIGKILL)
        for process in self.started:
            process.wait(15)
        self.api.close()
        if self.database:
            drop_database(self.database)
