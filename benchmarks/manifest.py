"""How many devices one server process answers: manifests (200 and 304) and batches of events.

    make bench BENCH=manifest [QUICK=1]

One uvicorn process on SQLite and local files in a folder of its own, 16 connections from a second process on the same
machine. Every case is warmed up, then measured for 5 seconds (QUICK: 1). Prints a table, then one JSON line a figure.
The server's processor time an answer is the figure that other work on the machine disturbs least.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[1]
CONNECTIONS = 16
EVENTS = 100
KEY = "dk_benchmark"


@dataclass(frozen=True)
class Figures:
    """Of one case: answers a second; in milliseconds the server's processor time an answer, and how long one took."""

    rate: float
    cpu: float
    p50: float
    p95: float


def main() -> None:
    parser = argparse.ArgumentParser(description="How many devices one server process answers.")
    parser.add_argument("--data", type=Path, help="not used: this benchmark makes its own data")
    parser.add_argument("--quick", action="store_true", help="one second a case instead of five")
    seconds = 1.0 if parser.parse_args().quick else 5.0
    with tempfile.TemporaryDirectory() as folder, _served(Path(folder)) as (server, port, version):
        query = "/api/device/v1/manifest?app_version=2.3.0&platform=linux&runtime_version=2.20.0&installation="
        etag = _etag_of(f"http://127.0.0.1:{port}{query}{uuid4()}")
        cases: list[tuple[str, int, Callable[[], Callable[[], bytes]], int]] = [
            ("manifest 304, device seen this minute", 304, lambda: _manifests(query, etag, new=False), 1),
            ("manifest 200, device seen this minute", 200, lambda: _manifests(query, "", new=False), 1),
            ("manifest 304, device not seen this minute", 304, lambda: _manifests(query, etag, new=True), 1),
            (f"events, batches of {EVENTS}", 202, lambda: _batches(version), EVENTS),
        ]
        rows = [(name, times, _measure(server, port, status, make, seconds)) for name, status, make, times in cases]
    _show(rows)


# --- What is asked ---------------------------------------------------------------------------------------------------


def _manifests(query: str, etag: str, *, new: bool) -> Callable[[], bytes]:
    condition = f"If-None-Match: {etag}\r\n" if etag else ""
    device = str(uuid4())

    def request() -> bytes:
        return _request("GET", query + (str(uuid4()) if new else device), condition)

    return request


def _batches(version: str) -> Callable[[], bytes]:
    device, now = str(uuid4()), datetime.now(UTC).isoformat()
    data = {"latency_ms": 0.25, "label": "7", "score": 0.93}

    def request() -> bytes:
        about = {"type": "inferred", "model": "digits", "version": version, "occurred_at": now, "data": data}
        events = [{"id": str(uuid4()), **about} for _ in range(EVENTS)]
        body = json.dumps({"installation": device, "events": events}).encode()
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return _request("POST", "/api/device/v1/events", length) + body

    return request


def _request(method: str, path: str, headers: str) -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n{headers}\r\n".encode()


# --- Asking ----------------------------------------------------------------------------------------------------------


def _measure(server: int, port: int, status: int, make: Callable[[], Callable[[], bytes]], seconds: float) -> Figures:
    """In a process of its own, so that the asking costs the server as little as two cores allow."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=lambda: there.send(asyncio.run(_ask(port, status, make, seconds))))
    used = _processor_seconds(server)
    process.start()
    try:
        if not here.poll(seconds + 30):
            raise SystemExit(f"the server did not answer with {status} in {seconds + 30:g} seconds")
        warm_up, latencies = here.recv()
    finally:
        process.terminate()
        process.join()
    used = _processor_seconds(server) - used
    latencies.sort()
    return Figures(
        rate=len(latencies) / seconds,
        cpu=used / (warm_up + len(latencies)) * 1000,
        p50=latencies[len(latencies) // 2] * 1000,
        p95=latencies[len(latencies) * 95 // 100] * 1000,
    )


def _processor_seconds(process: int) -> float:
    """User and system time of a process so far (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _ask(
    port: int, status: int, make: Callable[[], Callable[[], bytes]], seconds: float
) -> tuple[int, list[float]]:
    """How many answers the warm-up had, and the seconds until each one after it, over all connections."""
    begin = time.perf_counter() + min(1.0, seconds)
    conversations = (_converse(port, status, make(), begin, begin + seconds) for _ in range(CONNECTIONS))
    answers = await asyncio.gather(*conversations)
    return sum(early for early, _ in answers), [latency for _, measured in answers for latency in measured]


async def _converse(
    port: int, status: int, request: Callable[[], bytes], begin: float, end: float
) -> tuple[int, list[float]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    early, latencies = 0, []
    while (asked := time.perf_counter()) < end:
        writer.write(request())
        head = await reader.readuntil(b"\r\n\r\n")
        if int(head[9:12]) != status:
            raise SystemExit(f"expected {status}, received {head.decode()}")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
        if asked >= begin:
            latencies.append(time.perf_counter() - asked)
        else:
            early += 1
    writer.close()
    return early, latencies


def _etag_of(url: str) -> str:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.headers["ETag"])


# --- Serving ---------------------------------------------------------------------------------------------------------


@contextmanager
def _served(folder: Path) -> Iterator[tuple[int, int, str]]:
    """A server with one published version: its process, its port and the version's id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    services = {"DATABASE_URL", "REDIS_URL", "STORAGE_URL", "SECRET_KEY"}
    environment = {name: value for name, value in os.environ.items() if name not in services}
    environment |= {"DATA_DIR": str(folder), "DEBUG": "0", "BASE_URL": f"http://127.0.0.1:{port}"}
    environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "platform")]), "LOG_LEVEL": "ERROR"}
    environment |= {"DEVICE_REQUESTS_PER_MINUTE": "0"}  # one machine asks here for a whole fleet
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
    publish = [sys.executable, "-c", "from benchmarks.manifest import publish_one; publish_one()"]
    version = subprocess.run(publish, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--port", str(port), "--lifespan", "off"]
    server = subprocess.Popen([*command, "--log-level", "warning", "--no-access-log"], cwd=ROOT, env=environment)
    try:
        _wait_ready(server, port)
        yield server.pid, port, version.strip()
    finally:
        server.terminate()
        server.wait(10)


def publish_one() -> None:
    """Make an organization, a project, a device key and a published version; print the version's id."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from django.core.files.base import ContentFile

    from apps.accounts.models import Membership, Organization, Role, User
    from apps.delivery.services import publish
    from apps.models.models import Artifact, ModelVersion, RegisteredModel
    from apps.projects.access import Access
    from apps.projects.authentication import hash_secret
    from apps.projects.models import ApiKey, Project
    from apps.projects.storage import storage

    user = User.objects.create_user("bench@example.com")
    organization = Organization.objects.create(name="Bench", slug="bench", quota_bytes=2**30)
    Membership.across_tenants.create(organization=organization, user=user, role=Role.OWNER)
    project = Project.across_tenants.create(organization=organization, name="Bench", slug="bench")
    ApiKey.across_tenants.create(project=project, name="device", kind="device", secret_hash=hash_secret(KEY))
    model = RegisteredModel.across_tenants.create(project=project, name="Digits", slug="digits")
    version = ModelVersion.across_tenants.create(
        project=project, model=model, number=1, state="ready", origin="uploaded", min_runtime="2.17.0"
    )
    key = storage().save("bench/model.tflite", ContentFile(b"\0" * 50_000))
    file: dict[str, Any] = {"filename": "model.tflite", "storage_key": key, "bytes": 50_000, "sha256": "0" * 64}
    Artifact.across_tenants.create(project=project, version=version, kind="tflite", **file)
    publish(access=Access(user, organization, Role.OWNER, project), model=model, version=version)
    print(version.pk)


def _wait_ready(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not start within 60 seconds")


# --- Showing ---------------------------------------------------------------------------------------------------------


def _show(rows: list[tuple[str, int, Figures]]) -> None:
    print(f"{'case':44} {'answers/s':>10} {'events/s':>10} {'cpu ms':>8} {'p50 ms':>8} {'p95 ms':>8}")
    for name, times, figures in rows:
        events = f"{figures.rate * times:,.0f}" if times > 1 else ""
        print(f"{name:44} {figures.rate:10,.0f} {events:>10} {figures.cpu:8.2f} {figures.p50:8.1f} {figures.p95:8.1f}")
    for name, times, figures in rows:
        _figure(name, "answers", figures.rate, "1/s")
        if times > 1:
            _figure(name, "events", figures.rate * times, "1/s")
        _figure(name, "processor_time", figures.cpu, "ms")
        _figure(name, "p50", figures.p50, "ms")
        _figure(name, "p95", figures.p95, "ms")


def _figure(case: str, metric: str, value: float, unit: str) -> None:
    print(json.dumps({"bench": "manifest", "case": case, "metric": metric, "value": round(value, 2), "unit": unit}))


if __name__ == "__main__":
    main()
