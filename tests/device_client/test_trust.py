"""Against real TUF metadata: what a device believes and what it refuses."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
import securesystemslib.signer._key as signer_key

from device_client import ExpiredError, RollbackError, SignatureError, _trust
from device_client._trust import Trust
from tests.device_client.model_files import digits_model
from tests.device_client.server_simulator import ServerSimulator, in_days


@pytest.fixture
def server():
    server = ServerSimulator()
    server.publish("digits", digits_model())
    return server


@pytest.fixture
def trust(tmp_path):
    return Trust(tmp_path)


def fetch_from(server: ServerSimulator):
    return lambda number: server.roots[number - 1] if number <= len(server.roots) else None


def trusting(trust: Trust, server: ServerSimulator) -> Trust:
    trust.update_root(fetch_from(server))
    return trust


def test_a_manifest_signed_by_the_project_is_accepted_and_kept(trust, server):
    version = server.published["digits"].version
    manifest = trusting(trust, server).accept_manifest(server.manifest(), '"tag"')
    assert manifest.targets["digits"].version == version
    assert manifest.targets["digits"].length == len(digits_model())
    assert manifest.version == server.revision
    assert trust.stored_manifest() == manifest
    assert trust.current_manifest() == manifest
    assert trust.etag() == '"tag"'


def test_signatures_are_verified_without_the_cryptography_package_too(trust, server, monkeypatch):
    """The client does not depend on it; the verification in plain Python is what most devices use."""
    monkeypatch.setattr(signer_key, "CRYPTO_IMPORT_ERROR", "'pyca/cryptography' library required")
    assert trusting(trust, server).accept_manifest(server.manifest(), None).targets
    with pytest.raises(SignatureError):
        trust.accept_manifest(server.manifest().replace(b'"number":1', b'"number":2'), None)


def test_a_changed_manifest_is_refused(trust, server):
    trusting(trust, server)
    changed = server.manifest().replace(b'"length":', b'"length":1')
    with pytest.raises(SignatureError, match="not signed by the keys of root 1"):
        trust.accept_manifest(changed, None)
    assert trust.stored_manifest() is None


def test_a_manifest_of_another_project_is_refused(trust, server):
    other = ServerSimulator(revision=99)
    with pytest.raises(SignatureError, match="not signed by"):
        trusting(trust, server).accept_manifest(other.manifest(), None)


@pytest.mark.parametrize("content", [b"", b"{}", b"<html>", b"[]", b'{"signed": {"_type": "targets"}}'])
def test_what_is_no_metadata_is_refused(trust, server, content):
    with pytest.raises(SignatureError, match="the manifest is not TUF metadata"):
        trusting(trust, server).accept_manifest(content, None)


def test_a_root_is_no_manifest(trust, server):
    with pytest.raises(SignatureError, match="of type 'root'; 'targets' is accepted"):
        trusting(trust, server).accept_manifest(server.roots[0], None)


def test_an_older_manifest_is_refused_and_the_newer_one_stays(trust, server):
    old = server.manifest()
    server.publish("digits", digits_model(seed=8))
    newest = trusting(trust, server).accept_manifest(server.manifest(), None)
    with pytest.raises(RollbackError, match="has version 2, but this device has already seen version 3"):
        trust.accept_manifest(old, None)
    assert trust.stored_manifest() == newest


def test_an_older_manifest_is_refused_even_when_the_newer_one_was_damaged_on_disk(trust, server, tmp_path):
    old = server.manifest()
    server.publish("digits", digits_model(seed=8))
    trusting(trust, server).accept_manifest(server.manifest(), '"tag"')
    (tmp_path / "manifest.json").write_bytes(b"damaged")
    assert trust.stored_manifest() is None
    assert trust.etag() is None
    with pytest.raises(RollbackError):
        trust.accept_manifest(old, None)


def test_an_expired_manifest_is_refused_with_both_times(trust, server):
    server.expires = in_days(-1)
    trust = Trust(trust._folder, now=lambda: datetime(2020, 1, 1, tzinfo=timezone.utc))  # noqa: UP017
    trusting(trust, server)
    trust._now = lambda: in_days(0)
    with pytest.raises(ExpiredError, match=r"the manifest expired at .*; the clock of this device says"):
        trust.accept_manifest(server.manifest(), None)


def test_an_unchanged_answer_does_not_keep_an_expired_manifest_in_force(trust, server):
    trusting(trust, server).accept_manifest(server.manifest(), '"tag"')
    trust._now = lambda: in_days(8)
    assert trust.etag() is None, "nothing may be asked for that only confirms an expired manifest"
    with pytest.raises(ExpiredError):
        trust.current_manifest()
    assert trust.stored_manifest() is not None


def test_roots_are_walked_each_signed_by_the_one_before(trust, server):
    server.add_root(new_targets_key=True)
    server.add_root(new_root_key=True)
    server.add_root(new_root_key=True, new_targets_key=True)
    trusting(trust, server)
    assert trust.accept_manifest(server.manifest(), None)
    asked: list[int] = []

    def no_more(number: int) -> None:
        asked.append(number)

    trust.update_root(no_more)
    assert asked == [5]


def test_a_root_that_the_one_before_did_not_sign_is_refused(trust, server):
    trusting(trust, server)
    stranger = ServerSimulator()
    stranger.add_root()
    with pytest.raises(SignatureError, match="root 2 is not signed by root 1"):
        trust.update_root(fetch_from(stranger))


def test_a_root_out_of_turn_is_refused(trust, server):
    server.add_root()
    server.add_root()
    with pytest.raises(SignatureError, match="gave root 3 where root 2 was asked for"):
        trust.update_root(lambda number: server.roots[0] if number == 1 else server.roots[2])


def test_an_expired_newest_root_is_refused(trust, server):
    trust._now = lambda: in_days(400)
    with pytest.raises(ExpiredError, match="root 1 expired"):
        trusting(trust, server)


def test_a_server_without_roots_is_refused(trust):
    with pytest.raises(SignatureError, match="no root 1"):
        trust.update_root(lambda number: None)


def test_after_all_signing_keys_were_replaced_a_lower_number_counts_again(trust, server):
    """Whoever had the old key could have numbered a manifest so high that nothing real ever came through again."""
    server.revision = 10**9
    trusting(trust, server).accept_manifest(server.manifest(), None)
    server.add_root(new_targets_key=True)
    server.revision = 7
    assert trusting(trust, server).accept_manifest(server.manifest(), None).version == 7


def test_a_bundled_root_is_trusted_instead_of_the_servers_first(tmp_path, server):
    server.add_root(new_root_key=True)
    asked: list[int] = []

    def fetch(number: int):
        asked.append(number)
        return fetch_from(server)(number)

    bundled = Trust(tmp_path / "a", bundled_root=server.roots[0])
    bundled.update_root(fetch)
    assert asked == [2, 3]
    impostor = ServerSimulator()
    impostor.publish("digits", b"x")
    trust = Trust(tmp_path / "b", bundled_root=server.roots[0])
    trust.update_root(lambda number: None)
    with pytest.raises(SignatureError):
        trust.accept_manifest(impostor.manifest(), None)


def test_a_damaged_stored_root_is_not_quietly_replaced(trust, server, tmp_path):
    trusting(trust, server)
    root = json.loads((tmp_path / "root.json").read_bytes())
    root["signed"]["version"] = 2
    (tmp_path / "root.json").write_text(json.dumps(root))
    with pytest.raises(SignatureError, match=r"the stored root is not signed by itself.*Remove .*root.json only if"):
        trust.update_root(fetch_from(server))


@pytest.mark.parametrize(
    ("custom", "message"),
    [
        ({"model": "../../etc"}, "its model name is"),
        ({"version": "../../../passwd"}, "a UUID is accepted"),
        ({"version": None}, "a UUID is accepted"),
        ({"url": None}, "its URL is None"),
    ],
)
def test_a_signed_entry_that_could_do_harm_is_refused(trust, server, custom, message):
    server.published["digits"].custom.update(custom)
    with pytest.raises(SignatureError, match=message):
        trusting(trust, server).accept_manifest(server.manifest(), None)


def test_what_was_verified_is_not_verified_again_but_what_changed_on_disk_is(trust, server, tmp_path, monkeypatch):
    manifest = trusting(trust, server).accept_manifest(server.manifest(), '"tag"')
    checks: list[str] = []
    check = _trust._check

    def counted(root, role, *args, **by) -> None:
        checks.append(role)
        check(root, role, *args, **by)

    monkeypatch.setattr(_trust, "_check", counted)
    for _ in range(5):
        assert trust.current_manifest() == manifest
        assert trust.etag() == '"tag"'
    assert checks == []
    content = (tmp_path / "manifest.json").read_bytes()
    (tmp_path / "manifest.json").write_bytes(content.replace(b'"number":1', b'"number":2'))
    assert trust.stored_manifest() is None
    assert checks == ["targets"]


def test_a_manifest_lives_as_long_as_it_says(trust, server):
    trusting(trust, server).accept_manifest(server.manifest(), None)
    expires = datetime.fromisoformat(trust.current_manifest().expires)
    assert expires == server.expires
    trust._now = lambda: expires - timedelta(seconds=1)
    assert trust.current_manifest()
