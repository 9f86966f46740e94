"""What update() and wait() ask of the server, and what they do with its answers."""

from __future__ import annotations

import httpx
import pytest

from device_client import (
    DeviceAttributes,
    DeviceProbe,
    ExpiredError,
    FileMismatchError,
    InvalidKeyError,
    ModelNotAssignedError,
    ModelNotAvailableError,
    RollbackError,
    RuntimeTooOldError,
    ServerUnreachableError,
    SignatureError,
    _download,
    _model,
)
from tests.device_client.model_files import digits_model
from tests.device_client.server_simulator import in_days


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(_download, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(_model, "FIRST_PAUSE_SECONDS", 0.01)


def test_an_unchanged_manifest_costs_one_small_request(server, make_client):
    server.publish("digits", digits_model())
    client = make_client()
    client.model("digits").wait(timeout=5)
    server.requests.clear()
    assert client.update() == []
    assert [request.url.path for request in server.requests] == ["/api/device/v1/manifest"]
    assert server.requests[0].headers["If-None-Match"]


def test_a_new_version_replaces_the_old_one_while_it_is_in_use(server, make_client, image):
    server.publish("digits", digits_model(seed=1))
    client = make_client()
    digits = client.model("digits")
    digits.wait(timeout=5)
    before = digits.predict(image=image)
    version = server.publish("digits", digits_model(seed=2))
    heard: list[object] = []
    client.model("digits", on_downloaded=heard.append)
    assert client.update() == [digits]
    assert heard == [digits]
    after = digits.predict(image=image)
    assert after.version == version != before.version
    assert after.scores != before.scores


def test_a_rollback_to_the_version_before_needs_no_download(server, make_client, image):
    first = server.publish("digits", digits_model(seed=1))
    client = make_client()
    digits = client.model("digits")
    digits.wait(timeout=5)
    server.publish("digits", digits_model(seed=2))
    client.update()
    fetched = server.count("file")
    server.publish("digits", digits_model(seed=1), version=first)
    client.update()
    assert digits.version.id == first
    assert server.count("file") == fetched


def test_only_models_that_the_application_uses_are_fetched(server, make_client):
    server.publish("digits", digits_model(seed=1))
    server.publish("letters", digits_model(seed=2))
    client = make_client()
    client.model("digits").wait(timeout=5)
    assert server.count("file") == 1
    assert sorted(client.manifest.targets) == ["digits", "letters"]
    client.model("letters").wait(timeout=5)
    assert server.count("file") == 2
    client.flush()
    assert [event["model"] for event in server.events_of("assigned")] == ["digits", "letters"]


def test_one_models_failure_does_not_keep_the_others_from_their_update(server, make_client):
    server.publish("digits", digits_model(seed=1))
    client = make_client()
    digits = client.model("digits")
    other = client.model("absent")
    with pytest.raises(
        ModelNotAssignedError, match="no version of the model 'absent' to this device; it offers digits"
    ):
        client.update()
    assert digits.ready
    assert not other.ready


def test_a_model_that_the_server_no_longer_offers_keeps_working(server, make_client, image):
    server.publish("digits", digits_model())
    client = make_client()
    digits = client.model("digits")
    digits.wait(timeout=5)
    server.published.clear()
    server.revision += 1
    assert client.update() == []
    assert digits.predict(image=image)


@pytest.mark.parametrize(
    ("reason", "error", "message"),
    [
        ("runtime_too_old", RuntimeTooOldError, r"needs the runtime 99.0.0; ai-edge-litert .* implements 2\."),
        ("another_reason", ModelNotAssignedError, "from this device: another_reason"),
    ],
)
def test_a_model_that_the_server_withholds_is_said_with_the_reason(server, make_client, reason, error, message):
    server.withheld = [
        {"model": "digits", "version": "some", "reason": reason, "min_runtime": "99.0.0"},
        "what a later server may say",
        {"model": 7},
    ]
    client = make_client()
    with pytest.raises(error, match=message):
        client.model("digits").wait(timeout=5)
    assert list(client.manifest.withheld) == ["digits"]
    assert client.manifest.withheld["digits"].reason == reason


def test_assigned_is_reported_once_for_each_decision(server, make_client):
    version = server.publish("digits", digits_model())
    client = make_client()
    client.model("digits").wait(timeout=5)
    client.update()
    client.close()
    client = make_client()
    client.model("digits")
    client.update()
    server.publish("digits", digits_model(), version=version, rule="beta")
    client.update()
    client.flush()
    assigned = [event["data"] for event in server.events_of("assigned")]
    assert [(data["rule"], data["revision"]) for data in assigned] == [("default", 2), ("beta", 3)]
    assert len(server.events_of("downloaded")) == 1
    assert len(server.events_of("loaded")) == 2


@pytest.mark.parametrize("ready", [False, True])
def test_a_model_that_needs_a_newer_runtime_is_not_even_downloaded(server, make_client, image, ready, caplog):
    client = make_client()
    digits = client.model("digits")
    if ready:
        server.publish("digits", digits_model())
        digits.wait(timeout=5)
    before = digits.version
    fetched = server.count("file")
    server.publish("digits", digits_model(seed=2), min_runtime="99.0.0")
    if ready:
        assert client.update() == []
        assert "stays at its version" in caplog.text
    else:
        with pytest.raises(RuntimeTooOldError, match=r"needs the runtime 99.0.0; ai-edge-litert .* implements 2\."):
            digits.wait(timeout=5)
    assert digits.version == before
    assert server.count("file") == fetched
    client.flush()
    (failed,) = server.events_of("failed")
    assert (failed["data"]["stage"], failed["data"]["code"]) == ("verify", "runtime_too_old")


@pytest.mark.parametrize(
    ("break_it", "error"),
    [
        (lambda s: setattr(s, "manifest_tampering", lambda m: m.replace(b'"length":', b'"length":9')), SignatureError),
        (lambda s: setattr(s, "revision", 1), RollbackError),
        (lambda s: setattr(s, "expires", in_days(-1)), ExpiredError),
        (lambda s: setattr(s, "file_tampering", lambda content: content[::-1]), FileMismatchError),
        (lambda s: setattr(s, "key", "dk_other"), InvalidKeyError),
        (lambda s: setattr(s, "offline", True), ServerUnreachableError),
    ],
    ids=["forged", "older", "expired", "other file", "key", "offline"],
)
def test_whatever_is_wrong_with_the_server_the_model_in_use_goes_on(server, make_client, image, break_it, error):
    good = server.publish("digits", digits_model(seed=1))
    client = make_client()
    digits = client.model("digits")
    digits.wait(timeout=5)
    server.publish("digits", digits_model(seed=2))
    break_it(server)
    for _ in range(2):
        with pytest.raises(error):
            client.update()
    assert digits.version.id == good
    assert digits.predict(image=image)
    client.close()
    again = make_client().model("digits")
    assert again.version.id == good
    assert again.predict(image=image)


@pytest.mark.parametrize(
    ("break_it", "code"),
    [
        (lambda s: setattr(s, "manifest_tampering", lambda m: m.replace(b'"length":', b'"length":9')), "bad_signature"),
        (lambda s: setattr(s, "file_tampering", lambda content: content[::-1]), "file_mismatch"),
    ],
)
def test_what_could_not_be_trusted_is_reported_once(server, make_client, break_it, code):
    version = server.publish("digits", digits_model())
    client = make_client()
    client.model("digits")
    break_it(server)
    for _ in range(3):
        with pytest.raises((SignatureError, FileMismatchError)):
            client.update()
    client.flush()
    (failed,) = server.events_of("failed")
    assert (failed["data"]["stage"], failed["data"]["code"]) == ("verify", code)
    assert failed["version"] in (None, version)


def test_wait_lasts_until_the_network_is_back(server, make_client):
    server.publish("digits", digits_model())
    server.answers.extend([httpx.ConnectError("no route")] * 3)
    assert make_client().model("digits").wait(timeout=10)


def test_wait_ends_in_time_and_says_why(server, make_client):
    server.offline = True
    with pytest.raises(ModelNotAvailableError, match=r"within 0.05 seconds: .*Network is unreachable") as caught:
        make_client().model("digits").wait(timeout=0.05)
    assert isinstance(caught.value.__cause__, ServerUnreachableError)


def test_wait_does_not_wait_for_what_waiting_can_not_mend(server, make_client):
    with pytest.raises(ModelNotAssignedError):
        make_client().model("digits").wait(timeout=60)
    with pytest.raises(InvalidKeyError):
        make_client(api_key="dk_other").model("digits").wait(timeout=60)


def test_wait_gets_over_a_version_that_was_withdrawn_while_it_was_fetched(server, make_client):
    server.publish("digits", digits_model(seed=1))
    version = server.published["digits"].version

    def withdraw(manifest: bytes) -> bytes:
        server.manifest_tampering = lambda manifest: manifest
        newest.append(server.publish("digits", digits_model(seed=2)))
        return manifest

    newest: list[str] = []
    server.manifest_tampering = withdraw
    assert make_client().model("digits").wait(timeout=10).id == newest[0] != version


def test_wait_does_not_ask_before_it_may(server, make_client):
    server.publish("digits", digits_model())
    server.answers.append(httpx.Response(429, headers={"Retry-After": "3600"}))
    with pytest.raises(ModelNotAvailableError):
        make_client().model("digits").wait(timeout=5)
    assert len(server.requests) == 1


def test_wait_asks_nothing_when_there_is_a_copy(server, make_client):
    server.publish("digits", digits_model())
    make_client().model("digits").wait(timeout=5)
    server.requests.clear()
    make_client().model("digits").wait(timeout=5)
    assert server.requests == []


class MeteredProbe(DeviceProbe):
    asked: int | None = None

    def may_download(self, num_bytes: int) -> bool:
        self.asked = num_bytes
        return False


class LongProbe(DeviceProbe):
    def attributes(self) -> DeviceAttributes:
        return DeviceAttributes(os_version="5.15-" + "x" * 100, device_model="a\0b", ram_mb=1024)


def test_what_the_server_would_refuse_as_too_long_is_cut(server, make_client):
    make_client(probe=LongProbe()).update()
    query = server.requests[0].url.params
    assert len(query["os_version"]) == 50
    assert query["device_model"] == "ab"
    assert query["ram_mb"] == "1024"


def test_a_background_update_asks_the_probe_but_who_waits_is_served(server, make_client):
    server.publish("digits", digits_model())
    probe = MeteredProbe()
    client = make_client(probe=probe)
    digits = client.model("digits")
    client._update_in_background()
    assert probe.asked == len(digits_model())
    assert not digits.ready
    assert server.count("file") == 0
    assert digits.wait(timeout=5)


def test_files_from_storage_come_without_the_key(server, make_client):
    server.storage = True
    server.publish("digits", digits_model())
    make_client().model("digits").wait(timeout=5)
    (stored,) = [request for request in server.requests if request.url.host == "storage.test"]
    assert "Authorization" not in stored.headers


def test_leftovers_of_versions_that_were_never_used_are_removed(server, make_client, directory):
    server.publish("digits", digits_model(seed=1))
    client = make_client()
    digits = client.model("digits")
    folder = directory / "models" / "digits"
    server.break_after.extend([100] * 5)
    with pytest.raises(ServerUnreachableError):
        client.update()
    assert len(list(folder.glob("*.part"))) == 1
    version = server.publish("digits", digits_model(seed=2))
    client.update()
    assert sorted(path.name for path in folder.iterdir()) == sorted(["lock", "state.json", f"{version}.tflite"])
    assert digits.version.id == version


def test_the_root_is_walked_when_the_manifest_changes(server, make_client):
    server.publish("digits", digits_model(seed=1))
    client = make_client()
    client.model("digits").wait(timeout=5)
    server.add_root(new_root_key=True, new_targets_key=True)
    version = server.publish("digits", digits_model(seed=2))
    client.update()
    assert client.model("digits").version.id == version
    assert [r.url.path.rsplit("/", 1)[1] for r in server.requests if "root" in r.url.path] == ["1", "2", "2", "3"]
