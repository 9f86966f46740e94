"""A study whose trials run on a real Ray cluster of two nodes, each a process of its own, that asks for a token.

Ray is optional (requirements/ray.txt): without it these tests are skipped, unless REQUIRE=ray.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.jobs.processes import ROOT, Platform, free_port, until

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None and "ray" not in os.environ.get("REQUIRE", ""),
    reason="needs Ray: .venv/bin/uv pip install --require-hashes -r requirements/ray.txt",
)
PATIENCE_S = 120.0  # a Ray node takes ten seconds to come up, on a busy machine half a minute
RATES = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06]

# Runs inside of the platform under test: a tenant with data.
SEED = """
import json
from apps.training.models import TrainingRun
from tests.access.world import make_world
world = make_world("rayed")
run = TrainingRun.objects.for_project(world.project).get()
print(json.dumps({"project": str(world.project.pk), "key": world.keys["all"],
                  "data": str(run.dataset_version_id), "model": str(run.model_id), "spec": run.spec_yaml}))
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """With a worker, a cluster's head that runs nothing, a node with two cores, and what sends jobs there."""
    before = dict(os.environ)
    sessions = Path(tempfile.mkdtemp(prefix="ray"))  # the paths of its sockets have to be short
    port = free_port()
    os.environ.update(
        RAY_ADDRESS=f"127.0.0.1:{port}",
        RAY_AUTH_MODE="token",
        RAY_AUTH_TOKEN=secrets.token_hex(32),
        RAY_USAGE_STATS_ENABLED="0",
    )
    running = Platform(tmp_path_factory.mktemp("ray"), "tests.training.played.settings")
    running.environment["PYTHONPATH"] += os.pathsep + before.get("PYTHONPATH", "")  # where Ray may be
    try:
        memory = ("--object-store-memory", "80000000", "--disable-usage-stats", "--block")
        running.environment["PLAYED_AT"] = "the head"
        quiet = ("--include-dashboard", "false", "--ray-client-server-port", str(free_port()))
        folder = ("--temp-dir", str(sessions), "--dashboard-agent-listen-port", str(free_port()))
        start = ("-m", "ray.scripts.scripts", "start")
        head = running.start(*start, "--head", "--port", str(port), "--num-cpus", "0", *quiet, *folder, *memory)

        def has_a_head() -> bool:
            assert head.poll() is None, running.log()
            return any(sessions.glob("session_latest/sockets/raylet*"))

        until(has_a_head, "the head of the cluster", PATIENCE_S)
        running.environment["PLAYED_AT"] = "the node"
        agent = ("--dashboard-agent-listen-port", str(free_port()))
        running.start(*start, "--address", f"127.0.0.1:{port}", "--num-cpus", "2", *agent, *memory)
        running.environment["PLAYED_AT"] = "a worker"
        running.start_worker()
        running.start_worker("work_on_ray")
        yield running
    finally:
        running.close()
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(sessions, ignore_errors=True)


@pytest.fixture(scope="module")
def seed(platform: Platform) -> dict[str, str]:
    found: dict[str, str] = json.loads(platform.manage("shell", "-v0", "-c", SEED).splitlines()[-1])
    return found


@pytest.fixture
def api(platform: Platform, seed: dict[str, str]) -> Iterator[httpx.Client]:
    address = f"http://127.0.0.1:{platform.port}/api/v1/projects/{seed['project']}"
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {seed['key']}"}, timeout=30) as client:
        yield client


def start_study(api: httpx.Client, seed: dict[str, str], rates: list[float]) -> str:
    body = {
        "dataset_version": seed["data"],
        "model": seed["model"],
        "spec": seed["spec"],
        "space": {"hyperparameters.learning_rate": rates},
        "sampler": "grid",
        "pruner": "none",
        "trials": len(rates),
        "at_once": 3,
        "runs_on": "ray",
    }
    made = api.post("/studies", json=body)
    assert made.status_code == 201, made.text
    return f"/studies/{made.json()['id']}"


def test_trials_of_a_study_run_on_the_nodes_of_the_cluster(platform: Platform, api: httpx.Client, seed: dict[str, str]):
    study = start_study(api, seed, RATES)
    until(lambda: api.get(study).json()["state"] == "finished", f"the study\n{platform.log()}", PATIENCE_S)
    found = api.get(study).json()
    assert (found["over"], found["best_value"]) == (len(RATES), pytest.approx(0.6))
    trials = api.get(f"{study}/trials").json()["results"]
    assert sorted(trial["value"] for trial in trials) == pytest.approx([10 * rate for rate in RATES])
    assert {len(trial["intermediate"]) for trial in trials} == {20}
    ran_at = set()
    for trial in trials:
        events = api.get(f"/jobs/{trial['job']}/events").json()["results"]
        assert api.get(f"/jobs/{trial['job']}").json()["attempts"] == 1
        ran_at |= {event["data"]["message"].rpartition(" of ")[2] for event in events if event["kind"] == "log"}
    assert ran_at == {"the node"}


def test_who_has_another_token_is_refused(platform: Platform):
    environment = platform.environment | {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
    command = [sys.executable, "manage.py", "work_on_ray"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 1
    assert "could not be joined" in done.stderr
    assert "InvalidAuthToken" in done.stderr


@pytest.mark.parametrize(("name", "value"), [("RAY_ADDRESS", "")])
def test_command_says_what_is_missing(platform: Platform, name: str, value: str):
    command = [sys.executable, "manage.py", "work_on_ray"]
    environment = platform.environment | {name: value}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.returncode, "RAY_ADDRESS is empty" in done.stderr) == (1, True)


def test_trial_whose_process_is_killed_is_tried_again(platform: Platform, api: httpx.Client, seed: dict[str, str]):
    study = start_study(api, seed, [0.6, 0.01])

    def slow() -> dict | None:
        trials = api.get(f"{study}/trials").json()["results"]
        found = [trial for trial in trials if trial["params"]["hyperparameters.learning_rate"] == 0.6]
        return found[0] if found and found[0]["intermediate"].get("20") else None

    job = until(slow, "the slow trial", PATIENCE_S)["job"]
    events = api.get(f"/jobs/{job}/events").json()["results"]
    [line] = [event["data"]["message"] for event in events if event["kind"] == "log"]
    os.kill(int(line.split()[3]), signal.SIGKILL)
    until(lambda: api.get(study).json()["state"] == "finished", f"the study\n{platform.log()}", PATIENCE_S)
    assert api.get(f"/jobs/{job}").json()["attempts"] == 2
    assert api.get(study).json()["best_value"] == pytest.approx(6)


def test_jobs_are_handed_back_when_the_dispatcher_ends(platform: Platform, api: httpx.Client, seed: dict[str, str]):
    dispatcher = platform.started[-1]
    study = start_study(api, seed, [0.6, 0.7])

    def jobs() -> list[dict]:
        trials = api.get(f"{study}/trials").json()["results"]
        return [api.get(f"/jobs/{trial['job']}").json() for trial in trials]

    until(lambda: [job["state"] for job in jobs()] == ["running", "running"], "two jobs", PATIENCE_S)
    dispatcher.terminate()
    assert dispatcher.wait(30) == 0
    assert [(job["state"], job["attempts"]) for job in jobs()] == [("queued", 0)] * 2
    assert api.post(f"{study}/cancel").json()["state"] == "cancelled"
