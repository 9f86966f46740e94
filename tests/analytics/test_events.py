from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.analytics import services
from apps.analytics.intake import read_batch
from apps.analytics.models import Event
from apps.analytics.services import record_events
from apps.delivery.models import Installation, InstalledModel
from tests.analytics.batches import encoded, event
from tests.delivery.rows import make_model, make_version
from tests.delivery.threads import at_once

URL = "/api/device/v1/events"


@pytest.fixture
def device(api_of, device_key):
    return api_of(device_key)


def batch(*events, installation=None) -> dict:
    return {"installation": installation or str(uuid4()), "events": list(events)}


def test_what_was_sent_is_stored(device, project, version):
    sent = event("inferred", version=version, latency_ms=0.25, label="7", score=0.93)
    body = batch(sent)
    answer = device.post(URL, body)
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    row = Event.objects.for_project(project).get()
    assert (str(row.key), row.type, row.version, row.model) == (sent["id"], "inferred", version, version.model)
    assert row.data == sent["data"]
    assert (row.latency_ms, row.is_correct) == (0.25, None)
    assert row.occurred_at == datetime.fromisoformat(sent["occurred_at"])
    assert str(row.installation.key) == body["installation"]


def test_sending_twice_stores_once(device, project, version):
    body = batch(event(version=version), event(version=version))
    device.post(URL, body)
    body["events"].append(event(version=version))
    assert device.post(URL, body).json() == {"accepted": 1, "duplicates": 2, "rejected": []}
    assert Event.objects.for_project(project).count() == 3


def test_the_same_id_twice_in_a_batch_is_stored_once(device, project, version):
    one = event(version=version)
    assert device.post(URL, batch(one, one)).json() == {"accepted": 1, "duplicates": 1, "rejected": []}


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_comes_twice_at_the_same_moment_is_stored_once(project, version):
    """As when a device gives up waiting and sends again."""
    content = encoded(batch(*(event(version=version) for _ in range(50))))

    def send(number: int) -> tuple[int, int]:
        receipt = record_events(project=project, batch=read_batch(content, now=timezone.now()))
        return receipt.accepted, receipt.duplicates

    receipts = at_once(send, range(4))
    assert sorted(receipts) == [(0, 50), (0, 50), (0, 50), (50, 0)]
    assert Event.objects.for_project(project).count() == 50
    assert Installation.objects.for_project(project).count() == 1


def test_the_same_id_in_another_project_is_another_event(device, api_of, other_device_key, other_project, version):
    theirs = make_version(make_model(other_project))
    one = event(version=version)
    assert device.post(URL, batch(one)).json()["accepted"] == 1
    same_id = {**event(version=theirs), "id": one["id"]}
    assert api_of(other_device_key).post(URL, batch(same_id)).json()["accepted"] == 1


def test_bad_events_are_named_and_the_others_stored(device, project, version):
    other = make_version(make_model(project, "sounds"))
    bad = [
        {**event(version=version), "type": "clicked"},
        {**event(version=version), "model": "nothing"},
        {**event(version=version), "version": str(uuid4())},
        {**event(version=version), "version": str(other.pk)},
        {**event(version=version), "occurred_at": (datetime.now(UTC) + timedelta(days=2)).isoformat()},
    ]
    answer = device.post(URL, batch(bad[0], event(version=version), *bad[1:]))
    assert answer.status_code == 202
    assert (answer.json()["accepted"], answer.json()["duplicates"]) == (1, 0)
    assert [(problem["index"], problem["id"], problem["code"]) for problem in answer.json()["rejected"]] == [
        (0, bad[0]["id"], "unknown_type"),
        (2, bad[1]["id"], "unknown_model"),
        (3, bad[2]["id"], "unknown_version"),
        (4, bad[3]["id"], "unknown_version"),
        (5, bad[4]["id"], "date_in_the_future"),
    ]
    assert Event.objects.for_project(project).count() == 1


def test_odd_values_are_stored_or_rejected(device, project, version):
    """What JSON allows and a database might not."""
    good = [
        event(version=version, note=value)
        for value in (2**63, 2**64 + 1, -(2**200), 1e308, 5e-324, "\\u0000", "\U0001f600", "\uffff")
    ]
    bad = [event(version=version, note="a\x00b"), {**event(version=version), "data": {"a\x00b": 1}}]
    content = encoded(batch(*good, *bad, event(version=version, note="DEEP")))
    content = content.replace(b'"DEEP"', b"[" * 300 + b"]" * 300)
    answer = device.generic("POST", URL, content, content_type="application/json")
    assert answer.status_code == 202
    assert answer.json()["accepted"] == len(good)
    assert [problem["code"] for problem in answer.json()["rejected"]] == ["invalid_data"] * 3
    assert Event.objects.for_project(project).count() == len(good)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("deleted", ["version", "model"])
def test_what_is_deleted_meanwhile_is_rejected_and_the_rest_stored(project, version, monkeypatch, deleted):
    """The first look finds what another transaction then deletes, so that the commit fails."""
    other = make_version(make_model(project, "sounds"))
    received = read_batch(encoded(batch(event(version=version), event(version=other))), now=timezone.now())
    look, stale = services._known, [services._known(project, received.events)]
    monkeypatch.setattr(services, "_known", lambda *about: stale.pop() if stale else look(*about))
    (version if deleted == "version" else version.model).delete()
    receipt = record_events(project=project, batch=received)
    assert (receipt.accepted, receipt.duplicates) == (1, 0)
    assert [problem["code"] for problem in receipt.rejected] == [f"unknown_{deleted}"]
    assert Event.objects.for_project(project).get().version == other


def test_a_version_of_another_project_is_unknown(api_of, other_device_key, other_project, version):
    make_model(other_project)
    answer = api_of(other_device_key).post(URL, batch(event(version=version)))
    assert [problem["code"] for problem in answer.json()["rejected"]] == ["unknown_version"]
    assert not Installation.across_tenants.exists()


def test_events_of_a_bundled_file_have_no_version(device, project, model):
    assert device.post(URL, batch(event())).json()["accepted"] == 1
    assert Event.objects.for_project(project).get().version is None
    assert not InstalledModel.across_tenants.exists()


def test_the_device_has_what_its_newest_event_says(device, project, version):
    second = make_version(version.model)
    installation = str(uuid4())
    device.post(
        URL,
        batch(
            *(event(kind, version=version) for kind in ("assigned", "loaded", "inferred")), installation=installation
        ),
    )
    row = InstalledModel.objects.for_project(project).get()
    assert (row.version, row.state) == (version, "inferred")
    device.post(URL, batch(event("downloaded", version=second), installation=installation))
    row.refresh_from_db()
    assert (row.version, row.state) == (second, "downloaded")
    device.post(URL, batch(event("failed", version=second), installation=installation))
    row.refresh_from_db()
    assert (row.version, row.state) == (second, "failed")


def test_a_clock_that_runs_ahead_does_not_hide_what_comes_after(device, project, version):
    second = make_version(version.model)
    installation = str(uuid4())
    ahead = {**event("loaded", version=version), "occurred_at": (datetime.now(UTC) + timedelta(hours=20)).isoformat()}
    device.post(URL, batch(ahead, installation=installation))
    device.post(URL, batch(event("loaded", version=second), installation=installation))
    assert InstalledModel.objects.for_project(project).get().version == second


def test_feedback_says_whether_it_was_right(device, project, version):
    feedback = [event("feedback", version=version, label="7", correct=correct) for correct in ("7", "1")]
    device.post(URL, batch(*feedback))
    assert list(Event.objects.for_project(project).order_by("pk").values_list("is_correct", flat=True)) == [True, False]


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "invalid_json"),
        (b"[]", "application/json", 400, "invalid"),
        (b" " * (2**20 + 1), "application/json", 413, "batch_too_large"),
        (b" " * (3 * 2**20), "application/json", 413, "batch_too_large"),
        (b"events=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"", "application/json", 400, "invalid_json"),
    ],
)
def test_a_body_that_can_not_be_used_is_refused(device, content, content_type, status, code):
    answer = device.generic("POST", URL, content, content_type=content_type)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_another_kind_of_body_is_told_which_one_is_accepted(device):
    answer = device.generic("POST", URL, b"events=1", content_type="text/csv")
    message = answer.json()["error"]["message"]
    assert message == 'Unsupported media type "text/csv" in request. Accepted: application/json.'


def test_nobody_without_a_device_key_sends(client, api_of, owner, server_key, version):
    body = batch(event(version=version))
    assert client.post(URL, body, content_type="application/json").status_code == 401
    assert api_of(owner).post(URL, body).status_code == 401
    assert api_of(server_key).post(URL, body).status_code == 403
    assert not Event.across_tenants.exists()


def test_five_hundred_events_cost_few_queries(device, project, version, django_assert_max_num_queries):
    """Key; begin; models; versions; installation (look, insert); events; count; installed (look, insert); commit."""
    device.post(URL, batch())
    body = batch(*(event("inferred", version=version, latency_ms=1.0) for _ in range(500)))
    with django_assert_max_num_queries(22):  # SQLite takes the events in pieces of 90
        assert device.post(URL, body).json()["accepted"] == 500
