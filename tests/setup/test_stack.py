"""The platform's processes for real: they start, answer, stay light, and all end together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from setup import ROOT
from setup.failure import SetupError
from setup.processes import belonging_to
from setup.stack import Stack, fresh_data_dir, migrate, platform_environment

SETTINGS = {"DATABASE_URL", "REDIS_URL", "STORAGE_URL", "SECRET_KEY", "DATA_DIR", "BASE_URL", "STATIC_ROOT", "DEBUG"}


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def environment(tmp_path: Path, port: int) -> dict[str, str]:
    """The embedded default over an empty folder, whatever is configured where the tests run."""
    base = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return platform_environment({**base, "STATIC_HASHED": "0"}, data_dir=tmp_path / "data", port=port)


def wait_for_workers(log: Path) -> None:
    deadline = time.monotonic() + 60
    while "running." not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


@pytest.fixture
def ours() -> Callable[[], set[int]]:
    """`ours()` → the processes below this one that were not there before the test, such as those of other platforms."""
    before = belonging_to(os.getpid())
    return lambda: belonging_to(os.getpid()) - before


def modules_mapped(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_web_and_worker_start_without_tensorflow_and_end_together(environment, port, ours):
    with Stack(environment, port) as stack:
        stack.wait_ready()
        wait_for_workers(stack.log)
        processes = ours()
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_text().split("\0") for pid in processes}
        web = [pid for pid, command in commands.items() if "uvicorn" in command]
        workers = [pid for pid, command in commands.items() if "work" in command]
        assert len(web) == 1
        assert len(workers) >= 4  # the cluster, its guard, its pusher, its monitor and at least one that does jobs
        # Every extension module of a process is mapped into it, so this sees what was imported, however it was.
        assert [pid for pid in web + workers if "tensorflow" in modules_mapped(pid)] == []
        assert any("_sqlite3" in modules_mapped(pid) for pid in web), "this way of looking must see what is imported"
        assert stack.poll() is None
    assert stack.poll() == 0
    assert [pid for pid in processes if Path(f"/proc/{pid}").exists()] == []


def test_a_worker_that_dies_ends_the_web_server_and_tells(environment, port, ours):
    with Stack(environment, port) as stack:
        stack.wait_ready()
        wait_for_workers(stack.log)
        processes = ours()
        cluster = min(pid for pid in processes if "manage.py\0work" in Path(f"/proc/{pid}/cmdline").read_text())
        os.kill(cluster, signal.SIGKILL)
        assert stack.wait() == 128 + signal.SIGKILL
        assert "worker ended with status 137" in stack.log.read_text()
        assert ours() & processes == set()


def test_a_taken_port_stops_the_start(environment):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with pytest.raises(SetupError, match="is taken"), Stack(environment, server.getsockname()[1]):
            pass


def test_settings_that_cannot_work_stop_the_start_with_their_sentence(environment):
    with pytest.raises(SetupError, match=r"could not be migrated: .*DATABASE_URL"):
        migrate({**environment, "DATABASE_URL": "mysql://127.0.0.1/bantam"})


def test_a_worker_does_not_start_on_a_database_that_lacks_migrations(environment):
    command = [sys.executable, "-m", "setup.stack", "worker"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert (
        "bantam: The database is not ready for workers: migrations are missing. `make run` applies them" in done.stderr
    )


def test_a_stack_that_never_answers_says_so_and_ends(environment, port):
    migrate(environment)
    with (
        Stack(environment, port) as stack,
        pytest.raises(SetupError, match=r"did not answer 200 within 0 s.*stack\.log"),
    ):
        stack.wait_ready(timeout_s=0)
    assert stack.poll() == 0


def test_a_given_address_wins_over_the_one_made_from_the_port():
    environment = platform_environment({"BASE_URL": "https://bantam.example"}, data_dir=Path("/data"), port=1)
    assert environment["BASE_URL"] == "https://bantam.example"
    assert (
        platform_environment({}, data_dir=Path("/data"), port=81, host="0.0.0.0")["BASE_URL"] == "http://127.0.0.1:81"
    )


CLAIM = """
import sys
from setup.failure import SetupError
from setup.stack import fresh_data_dir
try:
    print(fresh_data_dir(sys.argv[1]))
except SetupError as error:
    sys.exit(str(error))
sys.stdout.flush()
sys.stdin.read()
"""


def test_a_data_folder_is_emptied_for_one_process_at_a_time():
    name = f"claimed-{os.getpid()}"
    folder = ROOT / "var" / name
    command = [sys.executable, "-c", CLAIM, name]
    try:
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
            assert first.stdout is not None
            assert first.stdout.readline().strip() == str(folder)
            (folder / "db.sqlite3").touch()
            second = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
            assert second.returncode == 1
            assert second.stderr == f"Another process is using var/{name}. End it first.\n"
            assert (folder / "db.sqlite3").exists()
            first.communicate()
        assert fresh_data_dir(name) == folder
        assert list(folder.iterdir()) == []
    finally:
        folder.with_suffix(".lock").unlink(missing_ok=True)
        if folder.exists():
            folder.rmdir()
