"""Several processes on one directory, and processes that end in the middle of something. Over a real socket."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest

from device_client import ModelLoadError
from device_client._lock import BusyError, FileLock
from tests.device_client.model_files import LABELS, digits_model


@pytest.fixture
def address(server):
    """The simulated server behind a real port of this machine: its address, and how long the answer with a file stops
    after 100 bytes, as a list of one number of seconds."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = httpx.Request(self.command, f"{server.url}{self.path}", headers=dict(self.headers), content=body)
            response = server.transport.handle_request(request)
            content = b"".join(response.stream)
            self.send_response(response.status_code)
            for name, value in response.headers.items():
                if name.lower() not in ("content-length", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:100])
            if self.path.endswith("/file"):
                time.sleep(file_pause[0])
            self.wfile.write(content[100:])

        do_GET = do_POST = _pass_on  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    file_pause = [0.0]

    class Listening(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that was killed is part of the test."""

    listening = Listening(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}", file_pause
    listening.shutdown()
    thread.join()
    listening.server_close()


def start(code: str, directory, address: str, key: str, **arguments) -> subprocess.Popen[str]:
    """A process that has initialized a client named `client`, then runs `code`."""
    head = (
        f"import sys; sys.path[:0] = {[path for path in sys.path if path]!r}\n"
        "import json, os, numpy as np, device_client\n"
        f"client = device_client.initialize(server={address!r}, api_key={key!r}, app_version='1', "
        f"directory={str(directory)!r}, **{arguments!r})\n"
        "image = np.arange(64, dtype=np.uint8).reshape(8, 8)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", head + code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def result(process: subprocess.Popen[str]):
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return json.loads(out)


USE = """
digits = client.model('digits')
version = digits.wait(30)
labels = [digits.predict(image=image).label for _ in range(50)]
client.flush()
client.close()
print(json.dumps({'version': version.id, 'labels': labels, 'installation': client.installation}))
"""


def test_processes_that_share_a_directory_share_the_download_and_lose_nothing(server, directory, address):
    version = server.publish("digits", digits_model())
    url, _ = address
    processes = [start(USE, directory, url, server.key, background=index % 2 == 0) for index in range(4)]
    results = [result(process) for process in processes]
    assert {answer["version"] for answer in results} == {version}
    assert len({answer["installation"] for answer in results}) == 1
    assert set(results[0]["labels"]) <= set(LABELS)
    assert server.count("file") == 1
    assert len(server.events_of("downloaded")) == 1
    assert len(server.events_of("assigned")) == 1
    assert len(server.events_of("loaded")) == 4
    assert len(server.events_of("inferred")) == 200
    folder = directory / "models" / "digits"
    assert sorted(path.name for path in folder.iterdir()) == sorted(["lock", "state.json", f"{version}.tflite"])


def test_a_process_killed_during_a_download_is_continued_by_the_next(server, directory, address):
    content = digits_model()
    version = server.publish("digits", content)
    url, pause = address
    pause[0] = 30.0
    process = start(USE, directory, url, server.key, background=False)
    part = directory / "models" / "digits" / f"{version}.tflite.part"
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert part.stat().st_size == 100
    pause[0] = 0.0
    assert result(start(USE, directory, url, server.key, background=False))["version"] == version
    ranges = [request.headers.get("Range") for request in server.requests if "file" in request.url.path]
    assert ranges == [None, "bytes=100-"]
    (downloaded,) = server.events_of("downloaded")
    assert downloaded["data"]["bytes"] == len(content) - 100
    assert downloaded["data"]["resumed"] is True


def test_a_process_killed_right_after_predictions_loses_none(server, directory, address):
    server.publish("digits", digits_model())
    url, _ = address
    code = (
        "digits = client.model('digits'); digits.wait(30)\n"
        "ids = [digits.predict(image=image).id for _ in range(30)]\n"
        "print(json.dumps(ids), flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    process = start(code, directory, url, server.key, background=False)
    out, _ = process.communicate(timeout=60)
    ids = json.loads(out)
    assert server.events_of("inferred") == []
    result(start(USE, directory, url, server.key, background=False))
    assert set(ids) <= server.events.keys()


def test_a_version_that_ends_the_process_is_given_up_for_the_one_before(server, make_client, directory, address, image):
    good = server.publish("digits", digits_model(seed=1))
    client = make_client()
    client.model("digits").wait(timeout=5)
    client.model("digits").predict(image=image)
    client.close()
    bad = server.publish("digits", digits_model(seed=2))
    url, _ = address
    crash = (
        "from device_client import _managed\n"
        "digits = client.model('digits')\n"
        "assert digits.version.id == " + repr(good) + "\n"
        "_managed.LoadedModel = lambda content: os.kill(os.getpid(), 11)\n"
        "client.update()\n"
    )
    for _ in range(2):
        process = start(crash, directory, url, server.key, background=False)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGSEGV
    client = make_client()
    digits = client.model("digits")
    assert digits.version.id == good
    with pytest.raises(ModelLoadError, match="ended the process, more than once"):
        client.update()
    assert digits.version.id == good
    assert client.update() == []
    client.flush()
    (failed,) = server.events_of("failed")
    assert failed["version"] == bad


def test_a_lock_is_held_by_one_process_and_dropped_when_it_is_killed(tmp_path):
    path = tmp_path / "lock"
    code = (
        f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}\n"
        "import time\nfrom pathlib import Path\nfrom device_client._lock import FileLock\n"
        "with FileLock(Path(sys.argv[1])).hold(5):\n"
        "    print('held', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    lock = FileLock(path)
    with (
        pytest.raises(BusyError, match=r"another process of this application has held .* for 0.1 seconds"),
        lock.hold(0.1),
    ):
        pass
    process.kill()
    process.communicate()
    with lock.hold(5), lock.hold(5):
        held = threading.Thread(target=_expect_busy, args=(lock,))
        held.start()
        held.join()


def _expect_busy(lock: FileLock) -> None:
    with pytest.raises(BusyError, match="another thread"), lock.hold(0.05):
        pass
