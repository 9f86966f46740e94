"""How many TensorBoards run and how long: real processes in the real sandbox, of a program that only waits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings as project_settings
from django.urls import reverse

from apps.jobs.sandbox.levels import Level, Standing, standing
from apps.jobs.sandbox.plan import Method
from apps.training.tensorboard import boards as boards_module
from apps.training.tensorboard import logs, process, views
from apps.training.tensorboard.boards import AllInUseError, Boards
from apps.training.tensorboard.process import Process, remove_left_folders

WAITS = "print('TensorBoard is ready', flush=True); import time; time.sleep(600)"
FAILS = "print('No such logs.'); raise SystemExit(1)"
ONE, TWO, THREE = (UUID(int=number) for number in (11, 12, 13))


@pytest.fixture(autouse=True)
def _small(settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DATA_DIR, settings.TENSORBOARD_MAX = tmp_path / "data", 2
    monkeypatch.setattr(process, "PROGRAM", WAITS)


@pytest.fixture
def boards(monkeypatch: pytest.MonkeyPatch) -> Iterator[Boards]:
    found = Boards()
    monkeypatch.setattr(views, "boards", lambda: found)
    yield found
    found.close_all()


def eventually(holds: Callable[[], Any], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def ready(boards: Boards, project: UUID) -> Any:
    board = boards.open(project, list)
    eventually(lambda: board.state == "ready")
    return board


def test_a_project_has_one_and_who_asks_again_gets_it(boards):
    board = ready(boards, ONE)
    assert boards.open(ONE, lambda: pytest.fail("it runs already")) is board
    assert boards.running(ONE) is board
    assert boards.running(TWO) is None


def test_the_longest_idle_one_gives_way_but_none_that_was_just_looked_at(boards):
    first, second = ready(boards, ONE), ready(boards, TWO)
    with pytest.raises(AllInUseError):
        boards.open(THREE, list)
    first.used_at -= boards_module.NEW_S + 5
    second.used_at -= boards_module.NEW_S + 9
    ready(boards, THREE)
    eventually(lambda: is_gone(second.process.pid))
    assert boards.running(TWO) is None
    assert boards.running(ONE) is first


def test_who_is_not_looked_at_is_ended_and_leaves_nothing(boards, settings):
    settings.TENSORBOARD_IDLE_S = 30
    idle, looked_at = ready(boards, ONE), ready(boards, TWO)
    idle.used_at -= 31
    looked_at.used_at -= 29
    boards.reap()
    eventually(lambda: is_gone(idle.process.pid) and not idle.process.folder.root.exists())
    assert not idle.process.socket.parent.exists()
    assert boards.running(TWO) is looked_at
    assert not is_gone(looked_at.process.pid)


def test_one_that_needs_too_much_memory_is_ended_and_says_so(boards, settings):
    board = ready(boards, ONE)
    settings.TENSORBOARD_MEMORY_BYTES = 2**20
    boards.reap()
    eventually(lambda: is_gone(board.process.pid))
    assert (board.state, "TENSORBOARD_MEMORY_MB" in board.why) == ("failed", True)


def test_what_it_said_last_is_shown_and_it_can_be_tried_again(
    boards, settings, monkeypatch, organization, project, page_of, viewer
):
    monkeypatch.setattr(process, "PROGRAM", FAILS)
    board = boards.open(project.pk, list)
    eventually(lambda: board.state == "failed")
    address, client = reverse("tensorboard", args=["acme", "reader"]), page_of(viewer)
    page = client.get(address).content.decode()
    assert "TensorBoard is not running" in page
    assert "No such logs." in page
    monkeypatch.setattr(process, "PROGRAM", WAITS)
    assert client.get(f"{address}?again")["Location"] == address
    waiting = client.get(address)
    again = boards.running(project.pk)
    assert "TensorBoard is starting" in waiting.content.decode()
    assert waiting["Refresh"] == "1"
    eventually(lambda: boards.running(project.pk).state == "ready")
    assert "/training/tensorboard/" in client.get(address)["Location"]
    client.get(f"{address}?again")
    assert boards.running(project.pk) is again  # one that runs is everybody's
    assert not again.is_ended


def test_a_slow_storage_keeps_no_other_project_waiting(boards, monkeypatch):
    monkeypatch.setattr(boards_module, "START_S", 0.5)
    may_go_on = threading.Event()
    began = threading.Event()

    def fetch(additions, folder, laid):
        if list(additions):
            began.set()
            assert may_go_on.wait(20)

    monkeypatch.setattr(logs, "add", fetch)
    slow = boards.open(ONE, lambda: ["logs"])
    assert began.wait(20)
    slow_at = time.monotonic()
    ready(boards, TWO)
    eventually(lambda: time.monotonic() - slow_at > 0.6)
    boards.reap()
    assert (slow.state, slow.started_at) == ("starting", None)  # what it waits for is no fault of its own
    may_go_on.set()
    eventually(lambda: slow.state == "ready")


def test_one_that_was_ended_while_its_logs_are_fetched_never_starts(boards, monkeypatch):
    may_go_on, began = threading.Event(), threading.Event()

    def fetch(additions, folder, laid):
        began.set()
        assert may_go_on.wait(20)
        assert folder.in_.exists()  # it is removed when nobody writes there any more
        written.append(list(additions))

    written: list[Any] = []
    monkeypatch.setattr(logs, "add", fetch)
    monkeypatch.setattr(Process, "start", lambda process: pytest.fail("it was ended"))
    board = boards.open(ONE, lambda: ["logs"])
    assert began.wait(20)
    boards.close(board)
    boards.close(board)
    may_go_on.set()
    eventually(lambda: not board.process.folder.root.exists())
    assert written == [[]]
    boards.add(board, ["more"])
    assert (board.started_at, boards.running(ONE)) == (None, None)


def test_one_that_is_not_ready_in_time_is_ended_and_says_so(boards, monkeypatch):
    monkeypatch.setattr(process, "PROGRAM", "import time; time.sleep(600)")
    board = boards.open(ONE, list)
    eventually(lambda: board.process.pid)
    board.started_at -= boards_module.START_S + 1
    boards.reap()
    assert (board.state, board.why) == ("failed", "It was not ready within 60 seconds.")
    eventually(lambda: is_gone(board.process.pid))


def test_one_that_took_the_place_of_another_is_not_ended_with_it(boards, settings):
    old = ready(boards, ONE)
    boards.close(old)
    new = ready(boards, ONE)
    boards.close(old)
    assert boards.running(ONE) is new
    assert not is_gone(new.process.pid)


def test_a_page_says_that_all_are_in_use_or_switched_off(boards, settings, organization, project, page_of, viewer):
    settings.TENSORBOARD_MAX = 1
    ready(boards, ONE)
    address = reverse("tensorboard", args=["acme", "reader"])
    page = page_of(viewer).get(address)
    assert "The only TensorBoard is in use" in page.content.decode()
    assert page["Refresh"] == "10"
    settings.TENSORBOARD_MAX = 0
    assert "TensorBoard is switched off here" in page_of(viewer).get(address).content.decode()


def test_without_a_sandbox_none_starts(boards, monkeypatch):
    monkeypatch.setattr(process, "standing", lambda: Standing(Level.NONE, Method(), "There is no sandbox here."))
    board = boards.open(ONE, list)
    eventually(lambda: board.state == "failed")
    assert board.why == "There is no sandbox here."
    assert standing().level is not Level.NONE


def test_it_dies_with_the_platform_and_its_folder_goes_at_the_next_start(settings):
    code = """
import sys, time, uuid, django
django.setup()
from django.conf import settings
from apps.training.tensorboard import process
from apps.training.tensorboard.boards import boards
settings.TENSORBOARD_MAX, process.PROGRAM = 1, sys.argv[1]
board = boards().open(uuid.UUID(int=1), list)
while board.state == "starting":
    time.sleep(0.02)
print(board.state, board.process.pid, flush=True)
time.sleep(600)
"""
    root = project_settings.BASE_DIR
    paths = {"PYTHONPATH": os.pathsep.join((str(root), str(root / "platform"))), "DATA_DIR": str(settings.DATA_DIR)}
    environment = {**os.environ, **paths, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    with subprocess.Popen([sys.executable, "-c", code, WAITS], env=environment, stdout=subprocess.PIPE) as platform:
        state, pid = platform.stdout.readline().split()
        assert state == b"ready"
        assert not is_gone(int(pid))
        [folder] = (settings.DATA_DIR / "tensorboard").iterdir()
        remove_left_folders()
        assert folder.exists()  # somebody uses it
        platform.send_signal(signal.SIGKILL)
    eventually(lambda: is_gone(int(pid)))
    remove_left_folders()
    assert not folder.exists()


def test_it_is_started_on_a_path_as_long_as_may_be(settings, tmp_path):
    settings.DATA_DIR = tmp_path / ("long" * 40)
    running = Process("project")
    try:
        running.start()
        eventually(lambda: running.state == "ready")
    finally:
        running.stop()
