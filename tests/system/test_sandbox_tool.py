"""What a sandbox around the engine relies on: on this machine, bubblewrap takes away what it says it takes away."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.sandbox

# The system's programs, and the Python that runs this test, which may lie elsewhere.
SYSTEM = ("--ro-bind", "/usr", "/usr", "--ro-bind", sys.base_prefix, sys.base_prefix)
# Links into /usr on systems of today; folders of their own on older ones.
ROOT_FOLDERS = ("/bin", "/lib", "/lib64")


def bwrap(*arguments: str) -> list[str]:
    links = []
    for folder in map(Path, ROOT_FOLDERS):
        if folder.is_symlink():
            links += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.is_dir():
            links += ["--ro-bind", str(folder), str(folder)]
    isolated = ["bwrap", "--unshare-all", "--die-with-parent", "--clearenv", "--proc", "/proc", "--dev", "/dev"]
    return [*isolated, *SYSTEM, *links, *arguments]


def python_inside(code: str, *arguments: str) -> str:
    """What `code` prints in the sandbox, with `arguments` added to bubblewrap's."""
    interpreter = str(Path(sys.executable).resolve())
    command = [*bwrap(*arguments), "--", interpreter, "-I", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(autouse=True, scope="module")
def _tool() -> None:
    required = "sandbox" in os.environ.get("REQUIRE", "")
    if shutil.which("bwrap") is None:
        reason = "bwrap is not on PATH (Debian: apt-get install bubblewrap)"
    else:
        tried = subprocess.run(bwrap("--", "/usr/bin/env", "true"), capture_output=True, text=True, timeout=60)
        reason = f"bwrap makes no sandbox here: {tried.stderr.strip()}" if tried.returncode else ""
    if reason and required:
        pytest.fail(f"REQUIRE=sandbox, and {reason}")
    if reason:
        pytest.skip(reason)


def test_the_network_ends_at_the_sandbox():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        socket.create_connection(address, timeout=5).close()  # outside, somebody answers
        code = f"import socket; print(socket.socket().connect_ex({address!r}), socket.if_nameindex()[0][1])"
        assert python_inside(code) == f"{errno.ECONNREFUSED} lo"
    assert python_inside("import socket; print(len(socket.if_nameindex()))") == "1"


def test_the_system_can_be_read_and_not_written():
    code = """
import errno, os
print(os.path.isdir("/usr/bin"))
try:
    open("/usr/written", "w")
except OSError as error:
    print(errno.errorcode[error.errno])
"""
    assert python_inside(code) == "True\nEROFS"
    assert not Path("/usr/written").exists()


def test_only_what_is_bound_is_there_and_only_a_folder_bound_for_writing_keeps_what_is_written(tmp_path):
    (tmp_path / "secret").write_text("hidden")
    work = tmp_path / "work"
    work.mkdir()
    code = f"""
import os
open("{work}/result", "w").write("made inside")
print(os.path.exists("{tmp_path}/secret"), os.path.exists("/etc/passwd"))
"""
    assert python_inside(code, "--bind", str(work), str(work)) == "False False"
    assert (work / "result").read_text() == "made inside"


def test_processes_and_variables_of_the_machine_are_not_seen(monkeypatch):
    monkeypatch.setenv("DATABASE_PASSWORD", "hidden")
    code = """
import os
print(os.environ.get("DATABASE_PASSWORD"), sorted(int(name) for name in os.listdir("/proc") if name.isdigit())[-1] < 10)
"""
    assert python_inside(code) == "None True"
