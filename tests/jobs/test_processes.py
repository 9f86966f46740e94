"""Jobs in the platform as it runs, with processes that are killed while they work."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import urlsplit

import psycopg
import pytest
import websockets
from websockets.typing import Origin

from tests.jobs.conftest import RESULT
from tests.jobs.processes import Platform, alive, queue_processes, tree, until

LONG = [["save-on-sigterm"], ["once", [["log", "info", "at work"], ["sleep", 120]]], RESULT]


@pytest.fixture(scope="module")
def platform(tmp_path_factory) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("platform"), "tests.jobs.scripted.settings")
    yield platform
    platform.close()


@pytest.fixture
def start_worker(platform) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts workers, and ends those that the test has not ended."""
    started = []

    def start(command: str = "work") -> subprocess.Popen[bytes]:
        started.append(platform.start_worker(command))
        return started[-1]

    yield start
    for worker in started:
        family = tree(worker.pid)
        worker.terminate()
        worker.wait(30)
        until(partial(nothing_left, family), "the worker's processes to end")


def nothing_left(processes: set[int]) -> bool:
    return not alive(processes)


@pytest.fixture
def worker(start_worker) -> subprocess.Popen[bytes]:
    return start_worker()


def states(platform: Platform, job_id: str) -> list[str]:
    return [event["data"]["state"] for event in platform.events(job_id) if event["kind"] == "state"]


def test_a_job_is_done_and_watched_live_from_another_process(platform, worker):
    job_id = platform.create(["progress", 1, 2], ["sleep", 1.5], ["metrics", 2, {"loss": 0.5}], RESULT)
    address = f"ws://127.0.0.1:{platform.port}/ws/o/acme/p/reader/jobs/{job_id}/"

    async def watch() -> tuple[list[dict], list[str], int | None]:
        events, seen = [], []
        async with websockets.connect(
            address,
            additional_headers={"Cookie": f"sessionid={platform.session}"},
            origin=Origin(f"http://127.0.0.1:{platform.port}"),
        ) as socket:
            async for text in socket:
                message = json.loads(text)
                events += message.get("events", [])
                seen += [message["job"]["state"]] if message["type"] == "state" else []
            return events, seen, socket.close_code

    events, seen, code = asyncio.run(asyncio.wait_for(watch(), 60))
    assert code == 1000
    assert events == platform.events(job_id)
    assert seen[-1] == "succeeded"
    assert "running" in seen
    assert [event["data"] for event in events if event["kind"] == "metrics"] == [{"step": 2, "values": {"loss": 0.5}}]
    assert platform.job(job_id)["result"] == {"answer": 42}


def test_a_websocket_from_another_site_is_refused(platform):
    async def connect() -> None:
        address = f"ws://127.0.0.1:{platform.port}/ws/o/acme/p/reader/jobs/00000000-0000-0000-0000-000000000000/"
        async with websockets.connect(
            address,
            additional_headers={"Cookie": f"sessionid={platform.session}"},
            origin=Origin("https://evil.example"),
        ):
            pass

    with pytest.raises(websockets.InvalidStatus, match="403"):
        asyncio.run(connect())


def test_a_killed_child_is_tried_again(platform, worker):
    job_id = platform.create(*LONG)
    platform.wait_for_line(job_id, "at work")
    os.kill(platform.child_of(job_id)[0], signal.SIGKILL)
    assert platform.wait_for(job_id, "succeeded")["attempts"] == 2
    assert states(platform, job_id) == ["queued", "running", "queued", "running", "succeeded"]


def test_a_killed_worker_s_job_is_picked_up_when_its_lease_ran_out(platform, worker):
    job_id = platform.create(*LONG)
    platform.wait_for_line(job_id, "at work")
    child, supervisor = platform.child_of(job_id)
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: not alive({child}), "the child of a dead worker to end", 5)
    assert platform.wait_for(job_id, "succeeded")["attempts"] == 2
    assert [event["data"].get("code") for event in platform.events(job_id) if event["kind"] == "state"] == [
        None, None, "worker_lost", None, None,
    ]  # fmt: skip


def test_a_stopped_worker_that_wakes_up_again_finds_its_lease_lost(platform, worker):
    """Like a virtual machine that was paused: its child works on, but nothing that it says counts any more."""
    job_id = platform.create(*LONG)
    platform.wait_for_line(job_id, "at work")
    child, supervisor = platform.child_of(job_id)
    os.kill(supervisor, signal.SIGSTOP)
    try:
        platform.wait_for(job_id, "succeeded")
        assert alive({child})
    finally:
        os.kill(supervisor, signal.SIGCONT)
    until(lambda: not alive({child}), "the late child to be killed", 15)
    assert states(platform, job_id) == ["queued", "running", "queued", "running", "succeeded"]
    assert alive({supervisor})


def test_a_running_job_is_cancelled(platform, worker):
    job_id = platform.create(["ignore-sigterm"], ["log", "info", "at work"], ["sleep", 120])
    platform.wait_for_line(job_id, "at work")
    child, _ = platform.child_of(job_id)
    assert platform.api.post(f"/jobs/{job_id}/cancel").json()["state"] == "running"
    assert platform.wait_for(job_id, "cancelled")["error"]["code"] == "cancelled"
    assert not alive({child})


def test_a_worker_that_is_told_to_end_hands_its_job_back(platform, start_worker):
    first = start_worker()
    job_id = platform.create(*LONG)
    platform.wait_for_line(job_id, "at work")
    family = tree(first.pid)
    first.terminate()
    assert first.wait(20) == 0
    assert not alive(family)
    assert (platform.job(job_id)["state"], platform.job(job_id)["attempts"]) == ("queued", 0)
    second = start_worker()
    assert platform.wait_for(job_id, "succeeded")["attempts"] == 1
    second.terminate()
    assert second.wait(20) == 0


def test_a_killed_cluster_leaves_no_process_and_its_job_goes_on_elsewhere(platform, start_worker):
    first = start_worker()
    job_id = platform.create(*LONG)
    platform.wait_for_line(job_id, "at work")
    family = tree(first.pid)
    assert len(family) >= 6  # the cluster's five, the worker's child
    first.kill()
    first.wait(10)
    until(lambda: not alive(family), "every process of the cluster to end", 15)
    second = start_worker()
    platform.wait_for(job_id, "succeeded")
    second.terminate()
    assert second.wait(20) == 0


def test_a_cluster_that_only_looks_healthy_is_restarted(platform, worker):
    """A process that is killed while it waits for work keeps the lock of the queue: the new one waits for ever."""
    for pid in until(lambda: queue_processes(worker.pid), "the cluster's processes"):
        os.kill(pid, signal.SIGKILL)
    job_id = platform.create(["log", "info", "hello"], RESULT)
    assert platform.wait_for(job_id, "succeeded")["attempts"] == 1
    assert "All of them are restarted" in platform.log()
    assert worker.poll() is None


def test_the_queue_s_own_command_does_jobs_too(platform, start_worker):
    worker = start_worker("qcluster")
    job_id = platform.create(["log", "info", "hello"], RESULT)
    assert platform.wait_for(job_id, "succeeded")["attempts"] == 1
    worker.terminate()
    assert worker.wait(20) == 0


@pytest.mark.skipif("postgres" not in os.environ.get("DATABASE_URL", ""), reason="SQLite has no connections to lose")
def test_a_database_that_drops_its_connections_costs_no_work(platform, worker):
    job_id = platform.create(["log", "info", "at work"], ["sleep", 4], ["log", "info", "still"], RESULT)
    platform.wait_for_line(job_id, "at work")
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
    with psycopg.connect(platform.database, dbname="postgres", autocommit=True) as connection:
        connection.execute(cut, [urlsplit(platform.database).path[1:]])
    assert platform.wait_for(job_id, "succeeded")["attempts"] == 1
    assert "still" in [event["data"].get("message") for event in platform.events(job_id)]


def test_many_short_jobs_and_readers_never_find_the_database_locked(platform, worker):
    jobs = [platform.create(*[["log", "info", str(line)] for line in range(20)], RESULT) for _ in range(12)]
    for job_id in jobs:
        assert platform.wait_for(job_id, "succeeded")["attempts"] == 1
    assert "locked" not in platform.log()
    assert "Traceback" not in platform.log()
