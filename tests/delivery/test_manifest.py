from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from tuf.api.metadata import Metadata, Root, Targets  # type: ignore[attr-defined]

from apps.delivery.attributes import NUMBERS, TEXTS
from apps.delivery.manifests import ManifestStore, compile_snapshot
from apps.delivery.models import DeliveryState
from apps.delivery.services import publish, rollback
from apps.delivery.signing import signing_state
from apps.delivery.snapshot import Attributes
from apps.projects.models import ApiKey
from tests.delivery.rows import make_model, make_version

URL = "/api/device/v1/manifest"


def query(**changes: str) -> dict[str, str]:
    return {"installation": str(uuid4()), "runtime_version": "2.20.0", **changes}


@pytest.fixture
def device(api_of, device_key):
    return api_of(device_key)


@pytest.fixture
def published(access, model, version):
    return publish(access=access, model=model, version=version, note="first")


def targets_of(answer) -> Targets:
    return Metadata[Targets].from_bytes(answer.content).signed


def test_it_names_the_published_version(device, published, project, version):
    answer = device.get(URL, query())
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    targets = targets_of(answer)
    assert targets.version == DeliveryState.objects.for_project(project).get().revision
    (target,) = targets.targets.values()
    assert target.path == f"digits/{version.pk}.tflite"
    assert target.length == version.tflite.bytes
    assert target.hashes == {"sha256": version.tflite.sha256}
    assert target.custom == {
        "model": "digits",
        "version": str(version.pk),
        "number": 1,
        "url": f"/api/device/v1/models/{version.pk}/file",
        "rule": "default",
        "revision": 1,
        "routing": "device",
        "min_runtime": "2.17.0",
        "task": "classification",
    }
    assert timedelta(days=7) <= targets.expires - timezone.now() < timedelta(days=8)


def test_it_is_signed_by_the_key_that_the_root_names(device, published):
    manifest = Metadata[Targets].from_bytes(device.get(URL, query()).content)
    root = Metadata[Root].from_bytes(device.get("/api/device/v1/root/1").content)
    root.verify_delegate(Targets.type, manifest)


def test_a_project_that_has_published_nothing_has_an_empty_signed_manifest(device):
    answer = device.get(URL, query())
    assert answer.status_code == 200
    assert targets_of(answer).targets == {}
    assert targets_of(answer).version == 1


def test_equal_decisions_have_equal_bytes_and_etags(device, published):
    one, other = (device.get(URL, query(platform=platform)) for platform in ("linux", "android"))
    assert one.content == other.content
    assert one["ETag"] == other["ETag"]


def test_two_processes_give_the_same_bytes(project, published):
    signing_state(project)
    attributes = Attributes(installation=uuid4(), runtime_version="2.20.0")
    one, other = (ManifestStore().manifest(project, None, attributes) for _ in range(2))
    assert one == other


@pytest.mark.parametrize("form", ["{}", "W/{}", '"another", {}'])
def test_an_unchanged_manifest_is_answered_by_304(device, published, form):
    etag = device.get(URL, query())["ETag"]
    answer = device.get(URL, query(), HTTP_IF_NONE_MATCH=form.format(etag))
    assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", etag)


def test_a_new_revision_changes_it_at_once(device, access, model, published):
    before = device.get(URL, query())
    second = make_version(model)
    publish(access=access, model=model, version=second)
    after = device.get(URL, query(), HTTP_IF_NONE_MATCH=before["ETag"])
    assert after.status_code == 200
    assert targets_of(after).version == targets_of(before).version + 1
    assert [target.custom["number"] for target in targets_of(after).targets.values()] == [2]


def test_a_rollback_is_a_newer_manifest_of_the_older_version(device, access, model, version, published):
    publish(access=access, model=model, version=make_version(model))
    newer = targets_of(device.get(URL, query()))
    rollback(access=access, deployment=published.deployment, revision=published)
    rolled_back = targets_of(device.get(URL, query()))
    assert rolled_back.version == newer.version + 1
    assert list(rolled_back.targets) == [f"digits/{version.pk}.tflite"]
    assert rolled_back.targets[f"digits/{version.pk}.tflite"].custom["revision"] == 3


def test_its_bytes_change_with_the_day_only(project, published):
    signing_state(project)
    noon = timezone.now().replace(hour=12, minute=0)
    attributes = Attributes(installation=uuid4(), runtime_version="2.20.0")
    revision = DeliveryState.objects.for_project(project).get().revision
    moment = noon
    store = ManifestStore(now=lambda: moment)
    first = store.manifest(project, revision, attributes)
    moment = noon + timedelta(hours=5)
    assert store.manifest(project, revision, attributes) is first
    moment = noon + timedelta(days=1)
    assert store.manifest(project, revision, attributes).etag != first.etag


def test_several_models_are_several_targets(device, access, project, published):
    sounds = make_version(make_model(project, "sounds"))
    publish(access=access, model=sounds.model, version=sounds)
    targets = targets_of(device.get(URL, query())).targets.values()
    assert sorted(target.custom["model"] for target in targets) == ["digits", "sounds"]


def test_a_device_that_can_not_run_the_version_is_told_why(device, published, version):
    for runtime, reason in [("2.16.0", "runtime_too_old"), ("", "runtime_unknown")]:
        targets = targets_of(device.get(URL, query(runtime_version=runtime)))
        assert targets.targets == {}
        assert targets.unrecognized_fields["withheld"] == [
            {"model": "digits", "version": str(version.pk), "reason": reason, "min_runtime": "2.17.0"}
        ]


def test_another_project_sees_none_of_it(api_of, published, other_device_key):
    assert targets_of(api_of(other_device_key).get(URL, query())).targets == {}


# --- Bad requests ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"installation": "42"}, "installation"),
        ({"installation": ""}, "installation"),
        ({"app_version": "1" * 51}, "app_version"),
        *(({name: "a\x00b"}, name) for name in (*TEXTS, *NUMBERS, "installation", "user.plan")),
        ({"user.a\x00b": "x"}, "user.a\x00b"),
        ({"runtime_version": "newest"}, "runtime_version"),
        ({"ram_mb": "-1"}, "ram_mb"),
        ({"ram_mb": "4e3"}, "ram_mb"),
        ({"cpu_cores": "9" * 12}, "cpu_cores"),
        ({"user.plan": "x" * 201}, "user.plan"),
        ({"user.9": "x"}, "user.9"),
        ({f"user.a{number}": "x" for number in range(51)}, "user"),
    ],
)
def test_an_attribute_that_can_not_be_used_is_named(device, changes, field):
    answer = device.get(URL, query(**changes))
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "invalid"
    assert {detail["field"] for detail in error["details"]} == {field}


def test_an_attribute_of_a_newer_client_is_left_out(device):
    assert device.get(URL, query(battery="80")).status_code == 200


def test_nobody_without_a_device_key_gets_it(client, api_of, owner, server_key, device_key, project):
    assert client.get(URL, query()).status_code == 401
    assert api_of(owner).get(URL, query()).status_code == 401
    refused = api_of("dk_unknown").get(URL, query())
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_key")
    refused = api_of(server_key).get(URL, query())
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "wrong_key_kind")
    device = api_of(device_key)
    assert device.get(URL, query()).status_code == 200
    ApiKey.objects.for_project(project).filter(kind=ApiKey.Kind.DEVICE).update(revoked_at=timezone.now())
    refused = device.get(URL, query())
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_key")


def test_keys_of_another_secret_key_are_a_503_that_says_so(device, published, project, settings):
    settings.SECRET_KEY = "another" * 10
    DeliveryState.objects.for_project(project).update(revision=99)  # nothing of it in memory
    answer = device.get(URL, query())
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "signing_keys_unreadable"


# --- Cost ------------------------------------------------------------------------------------------------------------


def test_an_unchanged_manifest_costs_one_query(
    device, published, django_assert_num_queries, django_capture_on_commit_callbacks
):
    """The key, its project and the project's revision come in one; deciding asks nothing."""
    attributes = query()
    with django_capture_on_commit_callbacks(execute=True):
        etag = device.get(URL, attributes)["ETag"]
    with django_assert_num_queries(1):
        assert device.get(URL, attributes, HTTP_IF_NONE_MATCH=etag).status_code == 304
    with django_assert_num_queries(1):
        assert device.get(URL, attributes).status_code == 200


def test_a_device_that_comes_after_a_minute_costs_one_write_more(device, published, django_assert_num_queries):
    device.get(URL, query())
    with django_assert_num_queries(2):
        assert device.get(URL, query()).status_code == 200


def test_deciding_and_signing_touch_no_database(project, published, django_assert_num_queries):
    store = ManifestStore()
    revision = DeliveryState.objects.for_project(project).get().revision
    store.manifest(project, revision, Attributes(installation=uuid4(), runtime_version="2.20.0"))
    with django_assert_num_queries(0):
        store.manifest(project, revision, Attributes(installation=uuid4(), runtime_version="2.16.0"))


def test_a_snapshot_is_one_query(project, published, django_assert_num_queries):
    with django_assert_num_queries(1):
        snapshot = compile_snapshot(project)
    assert [model.slug for model in snapshot.models] == ["digits"]


def test_memory_is_bounded(project, published, monkeypatch):
    monkeypatch.setattr("apps.delivery.manifests.MAX_MANIFESTS", 2)
    moment = timezone.now()
    store = ManifestStore(now=lambda: moment)
    revision = DeliveryState.objects.for_project(project).get().revision
    for days in range(5):
        moment = timezone.now() + timedelta(days=days)
        store.manifest(project, revision, Attributes(installation=uuid4()))
    assert len(store._projects[project.pk].manifests) == 2


def test_memory_is_bounded_over_all_projects(project, other_project, published, monkeypatch):
    store, counted = ManifestStore(), ManifestStore()
    device = Attributes(installation=uuid4(), runtime_version="2.20.0")
    most = len(counted.manifest(project, None, device).content)
    monkeypatch.setattr("apps.delivery.manifests.MAX_BYTES", most)
    store.manifest(project, None, device)
    assert (list(store._projects), store._bytes) == ([project.pk], most)
    theirs = store.manifest(other_project, None, device)
    assert (list(store._projects), store._bytes) == ([other_project.pk], len(theirs.content))
    # One project alone keeps its newest; a refresh does not count twice.
    store.manifest(other_project, None, device)
    assert store._bytes == len(theirs.content)
    too_much = "apps.delivery.manifests.MAX_BYTES"
    monkeypatch.setattr(too_much, 1)
    assert store.manifest(other_project, None, device) == theirs
    assert store._bytes == 0
