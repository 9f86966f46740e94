"""initialize(), its arguments, the background threads and close()."""

from __future__ import annotations

import stat
import sys
import threading
import time
import uuid
from pathlib import Path

import httpx
import pytest

import device_client
from device_client import (
    ClientClosedError,
    ConfigurationError,
    DeviceAttributes,
    DeviceProbe,
    StorageError,
    _background,
    _client,
)
from tests.device_client.model_files import digits_model


def until(condition, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"server": "bantam.example.com"}, "server is 'bantam.example.com'; an address like"),
        ({"server": "ftp://x"}, "an address like"),
        ({"server": "https://me:secret@x"}, "without user"),
        ({"server": "https://x?y=1"}, "without user, query"),
        ({"server": ""}, "an address like"),
        ({"server": None}, "is no address"),
        ({"api_key": "sk_secret"}, "begins with 'sk_'; .* A server key must never be on a device"),
        ({"api_key": ""}, "a device key, which begins with 'dk_'"),
        ({"api_key": "dk_a b"}, "a device key"),
        ({"app_version": ""}, "text of 1 to 50 characters"),
        ({"app_version": 2}, "app_version is 2"),
        ({"user": {"e mail": "x"}}, "the attribute 'e mail'"),
        ({"user": {"plan": ["paid"]}}, r"user\['plan'\] is \['paid'\]; text, a number, True or False"),
        ({"user": {"plan": "x" * 201}}, "201 characters; at most 200"),
        ({"user": {"plan": "a\0b"}}, "none of them NUL"),
        ({"user": {f"a{number}": 1 for number in range(51)}}, "51 attributes; at most 50"),
        ({"bundled": {"../x": "y"}}, "'../x' can't be the name of a model"),
        ({"update_interval": 0}, "all must be above 0"),
        ({"max_events": 0}, "all must be above 0"),
    ],
)
def test_an_argument_that_can_not_be_used_is_named_with_what_is_accepted(make_client, directory, changes, message):
    with pytest.raises(ConfigurationError, match=message):
        make_client(**changes)
    assert not directory.exists()


@pytest.mark.parametrize("name", ["", "../digits", "a/b", "a b", "x" * 101, None, ".hidden"])
def test_what_can_not_be_the_name_of_a_model_is_refused(make_client, name):
    with pytest.raises(ConfigurationError, match="can't be the name of a model"):
        make_client().model(name)


def test_initializing_makes_no_request(server, make_client):
    client = make_client()
    assert server.requests == []
    assert client.manifest is None
    assert client.pending_events == 0


def test_the_installation_is_made_once_and_kept(make_client, directory):
    first = make_client().installation
    assert uuid.UUID(first).version == 4
    assert make_client().installation == first
    assert make_client(directory=directory / "other").installation != first


def test_a_damaged_installation_is_said_not_replaced(make_client, directory):
    make_client().close()
    (directory / "installation.json").write_text("{}")
    with pytest.raises(StorageError, match=r"installation.json is damaged .* Remove it"):
        make_client()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
def test_the_directory_is_for_this_user_only(make_client, directory):
    make_client()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_directory_that_can_not_be_made_is_said(make_client, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"the directory .* can't be used"):
        make_client(directory=tmp_path / "file" / "device")


def test_the_default_directory_is_one_for_each_server_and_key(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    one = _client.default_directory("https://a/", "dk_1")
    assert tmp_path in one.parents
    assert (
        len({one, _client.default_directory("https://a/", "dk_2"), _client.default_directory("https://b/", "dk_1")})
        == 3
    )
    assert "dk_1" not in str(one)


@pytest.mark.parametrize(
    ("address", "warned"),
    [
        ("http://bantam.test", True),
        ("http://192.168.1.5:8000", True),
        ("http://127.0.0.1:8000", False),
        ("http://[::1]:8000", False),
        ("http://localhost:8000", False),
        ("https://bantam.test", False),
    ],
)
def test_a_server_without_encryption_is_warned_of(make_client, caplog, address, warned):
    make_client(server=address)
    assert ("without encryption" in caplog.text) is warned


class Refrigerator(DeviceProbe):
    def attributes(self) -> DeviceAttributes:
        return DeviceAttributes(platform="linux", device_model="Cold 3000", ram_mb=64)


def test_the_application_can_say_what_the_device_is(server, make_client):
    client = make_client(probe=Refrigerator())
    client.update()
    query = server.requests[0].url.params
    assert query["device_model"] == "Cold 3000"
    assert query["ram_mb"] == "64"
    assert "cpu_cores" not in query
    assert "language" not in query


def test_background_threads_fetch_the_model_call_back_and_send_events(server, make_client, image):
    version = server.publish("digits", digits_model())
    heard = threading.Event()
    client = make_client(background=True, send_interval=0.05)
    digits = client.model("digits", on_downloaded=lambda model: heard.set())
    assert heard.wait(10)
    assert digits.version.id == version
    prediction = digits.predict(image=image)
    until(lambda: prediction.id in server.events)
    newer = server.publish("digits", digits_model(seed=2))
    client._update_task.wake()
    until(lambda: digits.version.id == newer)


def test_the_background_gets_over_a_server_that_was_away(server, make_client, monkeypatch):
    monkeypatch.setattr(_background, "FIRST_RETRY_SECONDS", 0.02)
    server.publish("digits", digits_model())
    server.offline = True
    client = make_client(background=True)
    digits = client.model("digits")
    until(lambda: len(server.requests) >= 2)
    assert not digits.ready
    server.offline = False
    until(lambda: digits.ready)


def test_a_callback_that_fails_harms_nothing_and_one_given_twice_is_called_once(server, make_client, image, caplog):
    server.publish("digits", digits_model())
    client = make_client()
    calls: list[object] = []

    def broken(model):
        raise RuntimeError("of the application")

    client.model("digits", on_downloaded=broken)
    client.model("digits", on_downloaded=calls.append)
    digits = client.model("digits", on_downloaded=calls.append)
    client.update()
    assert calls == [digits]
    assert digits.predict(image=image)
    assert "the callback of the model 'digits' failed" in caplog.text


def test_the_same_name_is_the_same_model(make_client):
    client = make_client()
    assert client.model("digits") is client.model("digits")


def test_after_close_everything_says_so_and_closing_twice_is_fine(server, make_client, image):
    server.publish("digits", digits_model())
    with make_client(background=True) as client:
        digits = client.model("digits")
        digits.wait(timeout=10)
        prediction = digits.predict(image=image)
    client.close()
    for use in (
        lambda: client.model("digits"),
        lambda: client.update(),
        lambda: client.flush(),
        lambda: digits.predict(image=image),
        lambda: digits.feedback(prediction, correct="7"),
    ):
        with pytest.raises(ClientClosedError, match="the client was closed"):
            use()
    assert not any(thread.name.startswith("device-client") for thread in threading.enumerate())


def test_close_does_not_wait_for_a_slow_server(server, make_client):
    inside = threading.Event()

    def hang(request: httpx.Request) -> httpx.Response:
        inside.set()
        time.sleep(0.5)
        raise httpx.ReadTimeout("slow", request=request)

    client = make_client(background=True, transport=httpx.MockTransport(hang))
    client.model("digits")
    assert inside.wait(10)
    started = time.monotonic()
    client.close()
    assert time.monotonic() - started < 2 * _client.CLOSE_SECONDS + 1


def test_events_of_a_client_that_was_closed_are_sent_by_the_next(server, make_client, image):
    server.publish("digits", digits_model())
    first = make_client()
    first.model("digits").wait(timeout=5)
    prediction = first.model("digits").predict(image=image)
    first.close()
    second = make_client(background=True)
    until(lambda: prediction.id in server.events)
    until(lambda: second.pending_events == 0)


def test_many_threads_may_use_one_client(server, make_client, image):
    server.publish("digits", digits_model())
    client = make_client(background=True, send_interval=0.01)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            digits = client.model("digits")
            digits.wait(timeout=20)
            for _ in range(30):
                digits.feedback(digits.predict(image=image), correct="1")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for number in range(2, 5):
        server.publish("digits", digits_model(seed=number))
        client.update()
    for thread in threads:
        thread.join()
    assert failures == []
    client.flush()
    assert len(server.events_of("inferred")) == 180
    assert len(server.events_of("feedback")) == 180


def test_the_version_of_the_package_is_in_the_user_agent(server, make_client):
    make_client().update()
    assert server.requests[0].headers["User-Agent"] == f"bantam-device-client/{device_client.__version__}"
