"""Which level is chosen, what each does with a child that ends or has to end, and what happens where there is none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from apps.jobs.child import Child
from apps.jobs.handlers import Folder
from apps.jobs.models import Job
from apps.jobs.sandbox import landlock, levels
from apps.jobs.sandbox.folder import hand_over
from apps.jobs.sandbox.levels import Level, standing
from apps.jobs.sandbox.limits import limits_for
from apps.jobs.sandbox.plan import Method
from apps.jobs.worker import run_job
from tests.jobs.conftest import RESULT
from tests.jobs.hostile.levels import LEVELS, demand
from tests.jobs.processes import ROOT, processes_of, until

pytestmark = [pytest.mark.django_db, pytest.mark.sandbox]

# A worker in a process of its own, which starts one child and waits: argv: folder, steps.
WORKER = """
import sys, time, django
django.setup()
from pathlib import Path
from apps.jobs import child
from apps.jobs.handlers import Folder
from apps.jobs.sandbox.levels import standing
from apps.jobs.sandbox.limits import limits_for
from tests.jobs.scripted.handler import FAKE_ENGINE
child.ENGINE_PATH = FAKE_ENGINE
folder = Folder(Path(sys.argv[1]))
arguments = ["play", "--out", str(folder.out), "--work", str(folder.work), "--steps", sys.argv[2]]
limits = limits_for("check", time_limit_s=60)
with child.Child(arguments, folder, method=standing().method, limits=limits, group=None) as started:
    while not started.has_ended:
        started.read(1)
"""


@pytest.fixture
def folder(settings, scripted) -> Folder:
    made = Folder(settings.JOBS_DIR / "one" / "1")
    for path in (made.in_, made.out, made.work):
        path.mkdir(parents=True)
    return made


@pytest.fixture
def start(folder):
    """`start(step, …)` → a child at the level that the settings say, or confined by `method`."""

    def begin(*steps: object, method: Method | None = None) -> Child:
        arguments = ["play", "--out", str(folder.out), "--work", str(folder.work), "--steps", json.dumps(steps)]
        method = method or standing().method
        hand_over(folder, method.uid)
        limits = limits_for(Job.Kind.CHECK, time_limit_s=60)
        return Child(arguments, folder, method=method, limits=limits, group=None)

    return begin


def ended(child: Child) -> int:
    with child:
        until(lambda: child.has_ended, "the child's end", 20)
        return child.exit_status()


@pytest.mark.parametrize("level", [*LEVELS, Level.OFF])
class TestEachLevel:
    @pytest.mark.parametrize(
        ("step", "status"),
        [
            (["exit", 7], 7),
            (["signal", signal.SIGSEGV], -signal.SIGSEGV),
            (["signal", signal.SIGKILL], -signal.SIGKILL),
            (RESULT, 0),
        ],
    )
    def test_the_command_s_end_is_the_child_s(self, settings, start, level, step, status):
        demand(settings, level)
        assert ended(start(step)) == status

    def test_a_child_that_is_asked_to_end_saves_its_work(self, settings, start, folder, level):
        demand(settings, level)
        child = start(["save-on-sigterm"], ["print", "ready"], ["sleep", 60])
        until(lambda: b"ready" in child.read(1)[0], "the child to be ready", 20)
        child.terminate()
        assert ended(child) in {143, -signal.SIGTERM}
        assert (folder.work / "checkpoint").read_text() == "saved"

    def test_a_killed_child_takes_along_what_it_started(self, settings, start, folder, level):
        demand(settings, level)
        child = start(["orphan"], ["print", "ready"], ["sleep", 60])
        until(lambda: b"ready" in child.read(1)[0], "the child to be ready", 20)
        # In the middle of its exec, a process has no command line.
        until(lambda: len(processes_of(str(folder.root))) >= 2, "the grandchild to be there", 5)
        child.kill()
        ended(child)
        until(lambda: not processes_of(str(folder.root)), "all to end", 5)


@pytest.mark.parametrize("level", LEVELS)
def test_a_killed_worker_takes_along_the_child_and_all_it_started(settings, folder, level):
    demand(settings, level)
    hand_over(folder, standing().method.uid)
    steps = json.dumps([["orphan"], ["file", "ready", ""], ["sleep", 60]])
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}",
        "DATA_DIR": str(settings.DATA_DIR),
        "SANDBOX": str(level),
    }
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(folder.root), steps], env=environment)
    until((folder.out / "ready").exists, "the child to be ready")
    worker.kill()
    worker.wait()
    until(lambda: not processes_of(str(folder.root)), "all to end", 5)


@pytest.mark.parametrize("version", [2, 3, 5, 6])
def test_an_older_landlock_confines_as_well(settings, start, version):
    """As far as a newer kernel lets an older interface be tried."""
    demand(settings, Level.LANDLOCK)
    if version > landlock.abi():
        pytest.skip(f"this kernel has version {landlock.abi()}")
    older = replace(standing().method, landlock_abi=version)
    assert levels._fault(older, settings.JOBS_DIR) is None
    assert ended(start(["signal", signal.SIGABRT], method=older)) == -signal.SIGABRT


@pytest.mark.parametrize("level", LEVELS)
def test_a_job_has_no_privileges_and_a_user_of_its_own(settings, make_job, story, level):
    method = demand(settings, level).method
    seen = settings.SANDBOX_UID if level is Level.BUBBLEWRAP else os.getuid()
    job = make_job(["status"], RESULT)
    run_job(str(job.pk))
    (text,) = (data["message"] for kind, data in story(job) if kind == "log" and "CapEff" in data["message"])
    status = {name: value.split() for name, _, value in (line.partition(":") for line in text.splitlines())}
    assert {int(number) for number in status["Uid"]} == {seen if method.uid is None else method.uid}
    assert [int(status[name][0], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == [0] * 4
    assert (status["NoNewPrivs"], status["Seccomp"]) == (["1"], ["2"])


def test_without_bubblewrap_the_next_level_is_taken(settings, scripted, monkeypatch):
    demand(settings, Level.LANDLOCK)
    settings.SANDBOX = "auto"
    monkeypatch.setenv("PATH", "/nowhere")
    levels._standing.cache_clear()
    assert standing().level is Level.LANDLOCK
    assert "Landlock" in standing().why


def test_a_bubblewrap_that_may_not_work_is_told_of_and_the_next_level_taken(settings, scripted, monkeypatch, tmp_path):
    demand(settings, Level.LANDLOCK)
    settings.SANDBOX = "auto"
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    levels._standing.cache_clear()
    found = standing()
    assert found.level is Level.LANDLOCK
    assert "No permissions to create a new namespace" in " ".join(found.tried)


def test_without_any_sandbox_a_job_is_refused_with_what_to_do(settings, make_job, monkeypatch, caplog):
    settings.SANDBOX = "bubblewrap"
    monkeypatch.setenv("PATH", "/nowhere")
    levels._standing.cache_clear()
    job = make_job(RESULT)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.error_code, job.attempts) == (Job.State.FAILED, "sandbox_unavailable", 1)
    for part in ("apt-get install bubblewrap", "Landlock", "SANDBOX=off"):
        assert part in job.error_message
    assert "No job will run here" in caplog.text


def test_off_is_said_loudly_and_jobs_run(settings, make_job, caplog):
    settings.SANDBOX = "off"
    levels._standing.cache_clear()
    job = make_job(RESULT)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.SUCCEEDED
    assert [(record.levelname, "SANDBOX=off" in record.message) for record in caplog.records][-1] == ("WARNING", True)


UNPRIVILEGED = """
import sys, django
django.setup()
from pathlib import Path
from django.conf import settings
from apps.jobs.sandbox import landlock, levels
for method in levels._methods("auto"):
    print(bool(method.bwrap), method.namespaces, levels._fault(method, Path(settings.JOBS_DIR)), sep="|")
"""


@pytest.mark.skipif(os.getuid() != 0, reason="the other tests run as an unprivileged user already")
def test_a_worker_without_privileges_can_confine_its_children(settings, scripted):
    demand(settings, Level.LANDLOCK)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    system = Path(f"/usr/bin/python{version}")
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    place = Path("/var/tmp") / f"sandbox-{os.getpid()}"  # another user may go along there
    place.mkdir()
    try:
        os.chown(place, 65534, 65534)
        environment = {
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATA_DIR": str(place),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}:{packages}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        reached = system.exists() and subprocess.run(
            [system, "-c", "import django, numpy"], env=environment, user=65534, group=65534, extra_groups=[],
            capture_output=True, check=False,
        ).returncode == 0  # fmt: skip
        if not reached:
            pytest.skip(f"no Python {version} that another user can reach with the project's packages")
        done = subprocess.run(
            [system, "-c", UNPRIVILEGED], env=environment, user=65534, group=65534, extra_groups=[],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    finally:
        subprocess.run(["rm", "-rf", str(place)], check=True)
    tried = [line.split("|") for line in done.stdout.splitlines()]
    assert ["False", "", "None"] in tried
    assert all(fault == "None" for wraps, _, fault in tried if wraps == "True") or len(tried) >= 2


def test_a_second_look_costs_nothing(settings, scripted):
    standing()
    started = time.monotonic()
    for _ in range(100):
        standing()
    assert time.monotonic() - started < 0.1
