"""The team API of jobs, for an owner, a viewer, a stranger and keys."""

from __future__ import annotations

import pytest

from apps.jobs.events import NewEvent
from apps.jobs.leases import keep
from apps.jobs.models import Job, JobEvent
from apps.jobs.services import create_job
from apps.projects.models import AuditEntry
from tests.jobs.conftest import begin, log_line

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(make_job):
    return make_job()


@pytest.fixture
def url(project):
    return f"/api/v1/projects/{project.pk}/jobs"


def test_the_list_is_newest_first_and_says_what_a_client_needs(api_of, viewer, url, make_job):
    old, new = make_job(), make_job()
    answer = api_of(viewer).get(url)
    assert answer.status_code == 200
    assert [row["id"] for row in answer.json()["results"]] == [str(new.pk), str(old.pk)]
    row = answer.json()["results"][0]
    assert {name: row[name] for name in ("kind", "state", "is_over", "progress", "created_by", "error")} == {
        "kind": "check",
        "state": "queued",
        "is_over": False,
        "progress": 0.0,
        "created_by": "developer@example.com",
        "error": None,
    }
    assert "payload" not in row


def test_the_list_costs_the_same_however_long(api_of, server_key, url, make_job, django_assert_num_queries):
    for _ in range(3):
        make_job()
    client = api_of(server_key)
    client.get(url)  # writes the key's last use
    with django_assert_num_queries(3):  # the key, the project, the jobs
        assert len(client.get(url).json()["results"]) == 3


def test_the_list_can_be_narrowed(api_of, viewer, url, make_job):
    running, _ = make_job(), make_job()
    begin(running)
    client = api_of(viewer)
    assert [row["id"] for row in client.get(url, {"state": "running"}).json()["results"]] == [str(running.pk)]
    assert client.get(url, {"kind": "train"}).json()["results"] == []


@pytest.mark.parametrize("query", [{"state": "done"}, {"kind": "juggle"}])
def test_a_filter_that_does_not_exist_is_refused_with_those_that_do(api_of, viewer, url, query):
    answer = api_of(viewer).get(url, query)
    assert answer.status_code == 400
    [value] = query.values()
    assert value in answer.json()["error"]["message"]
    assert "accepted" in answer.json()["error"]["message"] or "one of" in answer.json()["error"]["message"]


def test_a_job_in_full(api_of, viewer, url, job):
    Job.across_tenants.filter(pk=job.pk).update(
        state="failed", error_code="broken_image", error_message="x is broken", error_details=[], result=None
    )
    body = api_of(viewer).get(f"{url}/{job.pk}").json()
    assert body["error"] == {"code": "broken_image", "message": "x is broken", "details": []}
    assert body["is_over"] is True
    assert body["result"] is None


def test_events_come_in_order_and_go_on_after_a_number(api_of, viewer, url, job):
    lease = begin(job)
    keep(lease, [log_line("one"), NewEvent(JobEvent.Kind.METRICS, {"step": 1, "values": {}})])
    client = api_of(viewer)
    body = client.get(f"{url}/{job.pk}/events").json()
    assert [event["sequence"] for event in body["results"]] == [1, 2, 3, 4]
    assert (body["state"], body["is_over"], body["last_sequence"]) == ("running", False, 4)
    [last] = client.get(f"{url}/{job.pk}/events", {"after": 3}).json()["results"]
    assert (last["kind"], last["data"]) == ("metrics", {"step": 1, "values": {}})
    assert client.get(f"{url}/{job.pk}/events", {"after": 4}).json()["results"] == []


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "99999999999999999999", "²"])
def test_a_number_that_is_none_is_refused(api_of, viewer, url, job, after):
    answer = api_of(viewer).get(f"{url}/{job.pk}/events", {"after": after})
    assert answer.status_code == 400
    assert after in answer.json()["error"]["message"]


class TestCancel:
    def test_a_waiting_job_ends_at_once(self, api_of, developer, url, job):
        answer = api_of(developer).post(f"{url}/{job.pk}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
        assert AuditEntry.across_tenants.get(action="job.cancelled").target_id == str(job.pk)

    def test_a_running_job_is_asked_to_stop_once(self, api_of, developer, url, job):
        begin(job)
        client = api_of(developer)
        answer = client.post(f"{url}/{job.pk}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (200, "running")
        assert answer.json()["cancel_requested_at"] is not None
        assert client.post(f"{url}/{job.pk}/cancel").status_code == 200
        assert AuditEntry.across_tenants.filter(action="job.cancelled").count() == 1

    def test_a_job_that_is_over_can_t_be_cancelled(self, api_of, developer, url, job):
        client = api_of(developer)
        client.post(f"{url}/{job.pk}/cancel")
        answer = client.post(f"{url}/{job.pk}/cancel")
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "job_is_over"

    def test_a_viewer_may_not(self, api_of, viewer, url, job):
        assert api_of(viewer).post(f"{url}/{job.pk}/cancel").status_code == 403

    def test_a_server_key_needs_its_scope(self, api_of, server_key, url, job, project):
        project.apikeys.update(scopes=["datasets"])
        assert api_of(server_key).post(f"{url}/{job.pk}/cancel").status_code == 403
        project.apikeys.update(scopes=["training"])
        assert api_of(server_key).post(f"{url}/{job.pk}/cancel").status_code == 200


@pytest.mark.parametrize("path", ["", "/{job}", "/{job}/events"])
def test_strangers_find_nothing_and_device_keys_do_not_count(api_of, stranger, device_key, server_key, url, job, path):
    address = url + path.format(job=job.pk)
    assert api_of(stranger).get(address).status_code == 404
    assert api_of(device_key).get(address).status_code in {401, 403, 404}
    assert api_of(server_key).get(address).status_code == 200


def test_a_stranger_can_t_cancel(api_of, stranger, url, job):
    assert api_of(stranger).post(f"{url}/{job.pk}/cancel").status_code == 404


def test_a_job_of_another_project_is_not_found(api_of, owner, organization, url, access, scripted):
    other = type(access.project).across_tenants.create(organization=organization, name="Other", slug="other")
    foreign = create_job(
        access=type(access)(owner, organization, access.role, other), kind=Job.Kind.CHECK, title="x", payload={}
    )
    assert api_of(owner).get(f"{url}/{foreign.pk}").status_code == 404
