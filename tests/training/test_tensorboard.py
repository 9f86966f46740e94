"""The real TensorBoard on what the real engine writes, through the platform: one start for all tests of this file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from cryptography import fernet
from django.conf import settings as project_settings
from django.test import Client, override_settings
from django.urls import reverse

from apps.accounts.models import Membership, Role
from apps.jobs.handlers import Folder
from apps.jobs.models import Job, JobEvent
from apps.jobs.sandbox.usage import tree
from apps.models.models import RegisteredModel
from apps.projects.models import Project
from apps.training.models import TrainingRun
from apps.training.tensorboard import archives, logs, passes, serve
from apps.training.tensorboard.boards import Board, boards
from apps.training.tensorboard.logs import Addition
from tests.jobs.test_processes_stay_light import heavy_files

pytestmark = [pytest.mark.engine, pytest.mark.django_db]

PROJECT, FIRST, SECOND = (UUID(int=number) for number in (1, 2, 3))
# What a run writes for TensorBoard, by the engine's own code.
WRITE = """
import sys
from pathlib import Path
import numpy as np
from ml.training.history import History
from ml.training.tensorboard import buckets_of
top = Path(sys.argv[1])
history = History(top / "history.jsonl", top / "out/tensorboard", resume_step=0)
for step in (10, 20, 30):
    history.add(step, {"student:small/loss": 1 / step})
history.add_histograms(30, {"student:small/weights": buckets_of(np.arange(9.0))})
history.close()
"""
LOSS = "data/plugin/scalars/scalars?run=1-First&tag=student%3Asmall%2Floss"


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A TensorBoard of the project on an archive of the engine's files, and on scalars of a run without."""
    top = tmp_path_factory.mktemp("tensorboard")
    environment = {**os.environ, "PYTHONPATH": str(project_settings.BASE_DIR / "platform")}
    subprocess.run([sys.executable, "-c", WRITE, str(top)], env=environment, check=True, capture_output=True)
    storages = dict(project_settings.STORAGES)
    if storages["default"]["BACKEND"].endswith("LocalStorage"):
        storages["default"] = {**storages["default"], "OPTIONS": {"location": str(top / "media")}}
    with override_settings(STORAGES=storages, TENSORBOARD_MAX=4):
        archive = archives.store(Folder(top), "projects/test/models/job/1")
        rows: list[tuple[float, dict[str, Any]]] = [
            (5.0 + step, {"step": step, "values": {"a": 0.5}}) for step in (1, 2)
        ]
        begin = [Addition(FIRST, "1-First", archive, 0, 0), Addition(SECOND, "2-Second", None, 0, 2, rows)]
        found = boards().open(PROJECT, lambda: begin)
        eventually(lambda: found.state == "ready", lambda: f"{found.why} {list(found.process.said)}")
        yield found
    boards().close(found)


@pytest.fixture
def project(organization) -> Project:
    return Project.across_tenants.create(id=PROJECT, organization=organization, name="Reader", slug="reader")


@pytest.fixture(autouse=True)
def _switched_on(settings) -> None:
    settings.TENSORBOARD_MAX = 4


def eventually(holds: Callable[[], Any], why: Callable[[], str] = str, within_s: float = 30.0) -> Any:
    deadline = time.monotonic() + within_s
    while not (found := holds()):
        assert time.monotonic() < deadline, why()
        time.sleep(0.1)
    return found


def opened(client: Client) -> str:
    """The address of TensorBoard's page, as the platform leads there."""
    response = client.get(reverse("tensorboard", args=["acme", "reader"]))
    assert response.status_code == 302, response.content
    return response["Location"]


def asked(address: str, **headers: str) -> Any:
    """What TensorBoard's page gets, which sends no cookies; read to its end."""
    return read(Client().get(address, headers=headers))


def read(response: Any) -> Any:
    response.body = response.getvalue() if response.streaming else response.content
    return response


def data(address: str) -> Any:
    response = asked(address)
    assert response.status_code == 200, response.body
    return json.loads(response.body)


def test_what_the_engine_measured_comes_through_the_platform(board, project, page_of, viewer):
    client = page_of(viewer)
    page = opened(client)
    assert b"<script>// A page with an origin of its own" in read(client.get(page)).body
    # What the page asks for comes without any cookie.
    values = eventually(lambda: (found := asked(page + LOSS)).status_code == 200 and json.loads(found.body))
    assert [(step, round(value, 4)) for _, step, value in values] == [(10, 0.1), (20, 0.05), (30, 0.0333)]
    histograms = data(f"{page}data/plugin/histograms/tags")
    assert list(histograms["1-First"]) == ["student:small/weights"]
    scalars = data(f"{page}data/plugin/scalars/tags")
    assert list(scalars["2-Second"]) == ["a"]
    assert data(f"{page}data/environment")["data_location"] == "../in"  # no path of this machine


def test_what_a_run_measures_meanwhile_is_added(board, project, make_dataset_version, page_of, viewer):
    page = opened(page_of(viewer))
    version = make_dataset_version()
    job = Job.across_tenants.create(project=project, kind="train", title="Train", state="running", last_sequence=1)
    metrics = {"step": 5, "values": {"b": 0.25}}
    JobEvent.across_tenants.create(project=project, job=job, sequence=1, kind="metrics", data=metrics)
    model = RegisteredModel.across_tenants.create(project=project, name="Digits", slug="digits")
    TrainingRun.across_tenants.create(
        project=project, number=3, name="Näh / run", dataset_version=version, model=model, spec={}, job=job
    )
    board.looked_at = 0
    assert asked(f"{page}data/environment").status_code == 200
    tags = eventually(lambda: data(f"{page}data/plugin/scalars/tags").get("3-N-h-run"))
    assert list(tags) == ["b"]


def test_a_run_s_button_leads_to_that_run_alone(board, project, make_dataset_version, page_of, viewer):
    job = Job.across_tenants.create(project=project, kind="train", title="Train", state="succeeded")
    model = RegisteredModel.across_tenants.create(project=project, name="Digits", slug="digits")
    run = TrainingRun.across_tenants.create(
        project=project, number=4, name="v1.2", dataset_version=make_dataset_version(), model=model, spec={}, job=job
    )
    response = page_of(viewer).get(reverse("tensorboard", args=["acme", "reader"]), {"run": str(run.pk)})
    assert response["Location"].endswith("/?runFilter=%5E4-v1%5C.2%24")
    for other in ("x", str(UUID(int=9))):
        assert page_of(viewer).get(reverse("tensorboard", args=["acme", "reader"]), {"run": other}).status_code == 404


def test_the_page_can_do_nothing_as_the_person_who_opened_it(board, project, page_of, viewer):
    client = page_of(viewer)
    page = opened(client)
    response = read(client.get(page))
    policy = response["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts allow-popups allow-downloads; default-src 'none'; ")
    assert "allow-same-origin" not in policy
    assert f"connect-src testserver{page};" in policy
    assert (response["X-Frame-Options"], response["Referrer-Policy"]) == ("DENY", "no-referrer")
    assert "private" in response["Cache-Control"]
    assert "Access-Control-Allow-Origin" not in response


def test_only_a_page_in_its_own_origin_may_read_what_it_asks_for(board, project, page_of, viewer):
    page = opened(page_of(viewer))
    question = {"origin": "null", "access-control-request-method": "POST", "access-control-request-headers": "x-a"}
    allowed = Client().options(f"{page}data/runs", headers=question)
    assert (allowed.status_code, allowed["Access-Control-Allow-Origin"]) == (204, "null")
    assert allowed["Access-Control-Allow-Headers"] == "x-a"
    own = asked(f"{page}data/environment", origin="null")
    assert own["Access-Control-Allow-Origin"] == "null"
    assert "Access-Control-Allow-Credentials" not in own
    other = asked(f"{page}data/environment", origin="https://elsewhere.example")
    assert "Access-Control-Allow-Origin" not in other


def test_its_own_posts_need_the_pass_and_no_cookie(board, project, page_of, viewer):
    page = opened(page_of(viewer))
    wanted = [{"plugin": "scalars", "tag": "student:small/loss"}]
    ask = {"requests": json.dumps(wanted)}
    response = read(Client(enforce_csrf_checks=True).post(f"{page}data/plugin/timeseries/timeSeries", ask))
    assert response.status_code == 200, response.body
    assert set(json.loads(response.body)[0]["runToSeries"]) == {"1-First"}
    made_up = reverse("tensorboard-part", args=["acme", "reader", "made-up", "data/plugin/timeseries/timeSeries"])
    assert page_of(viewer).post(made_up, ask)["Location"] == reverse("tensorboard", args=["acme", "reader"])


def test_a_pass_is_worth_what_the_session_is_worth(board, project, page_of, viewer, developer, stranger):
    client = page_of(viewer)
    page = opened(client)
    part = f"{page}data/environment"
    assert asked(page)["Location"].startswith("/accounts/login/")  # the page itself is a person's
    assert page_of(stranger).get(page).status_code == 404
    assert page_of(developer).get(page)["Location"] == reverse("tensorboard", args=["acme", "reader"])
    elsewhere = Project.across_tenants.create(organization=project.organization, name="Other", slug="other")
    assert asked(part.replace("/p/reader/", f"/p/{elsewhere.slug}/")).status_code == 404
    assert asked(part).status_code == 200
    Membership.across_tenants.filter(user=viewer).update(role=Role.LABELER)
    assert asked(part).status_code == 200
    viewer.set_password("another-long-password")
    viewer.save()
    assert asked(part)["Location"].startswith("/accounts/login/")
    client.force_login(viewer)
    part = f"{opened(client)}data/environment"
    assert asked(part).status_code == 200
    Membership.across_tenants.filter(user=viewer).delete()
    assert asked(part).status_code == 404
    client.logout()
    assert asked(part)["Location"].startswith("/accounts/login/")


def test_a_pass_is_good_for_half_a_day(board, project, page_of, viewer, monkeypatch):
    part = f"{opened(page_of(viewer))}data/environment"
    later = time.time() + passes.GOOD_S - 60
    monkeypatch.setattr(fernet, "time", SimpleNamespace(time=lambda: later))
    assert asked(part).status_code == 200
    later += 120
    assert asked(part)["Location"].startswith("/accounts/login/")


def test_there_is_no_tensorflow_in_its_process(board, tmp_path):
    processes = [process.pid for process in tree(board.process.pid)]
    assert processes
    assert [found for pid in processes if (found := heavy_files(pid))] == []
    code = """
import runpy, sys
from tensorboard import program
serve = runpy.run_path(sys.argv[1])
program.TensorBoard.main = lambda board: print(sorted(set(serve["BARRED"]) & set(sys.modules))) or 0
sys.argv[1:] = ["0", sys.argv[2]]
serve["main"]()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, serve.__file__, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_it_sees_the_logs_and_nothing_else_of_the_platform(board):
    """Its environment has no address and no key, and its socket is nobody else's."""
    innermost = max(tree(board.process.pid), key=lambda process: process.depth).pid
    names = {entry.split(b"=")[0].decode() for entry in Path(f"/proc/{innermost}/environ").read_bytes().split(b"\0")}
    assert names & {"SECRET_KEY", "DATABASE_URL", "DATA_DIR", "DJANGO_SETTINGS_MODULE"} == set()
    assert board.process.socket.parent.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in board.process.folder.in_.iterdir())[:2] == ["1-First", "2-Second"]
    assert logs.SCALARS in {path.name for path in (board.process.folder.in_ / "2-Second").iterdir()}
