"""Many jobs at once, by the page and the API: who may, what is done, what is refused and why."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from uuid_utils.compat import uuid7

from apps.accounts.models import Role
from apps.jobs import handlers
from apps.jobs.models import Job
from apps.jobs.services import create_job
from apps.projects.access import Access
from apps.projects.models import ApiKey, AuditEntry, Project

pytestmark = pytest.mark.django_db
LIST, BULK = "/o/acme/p/reader/jobs/", "/o/acme/p/reader/jobs/bulk/"


@pytest.fixture(autouse=True)
def _keeping(scripted, monkeypatch) -> None:
    monkeypatch.setattr(handlers, "_keeping", {Job.Kind.CHECK})


@pytest.fixture
def make(make_job):
    """`make("failed", saved_work="x")` → a job in that state; a running one has a worker."""

    def make_one(state: str = "queued", **fields: Any) -> Job:
        job = make_job()
        now = timezone.now()
        if state == "running":
            fields |= {"started_at": now, "lease_expires_at": now + timedelta(hours=1)}
        elif state != "queued":
            fields |= {"finished_at": now}
        Job.across_tenants.filter(pk=job.pk).update(state=state, **fields)
        job.refresh_from_db()
        return job

    return make_one


@pytest.fixture
def elsewhere(organization, developer) -> Job:
    """A job of another project of the same person."""
    project = Project.across_tenants.create(organization=organization, name="Other", slug="other-app")
    access = Access(developer, organization, Role.DEVELOPER, project)
    return create_job(access=access, kind=Job.Kind.CHECK, title="Elsewhere", payload={})


@pytest.fixture
def url(project) -> str:
    return f"/api/v1/projects/{project.pk}/jobs/bulk"


def said(response) -> list[str]:
    """The messages of the page."""
    body = response.content.decode().split('id="messages"')[1].split("</div>\n</div>")[0]
    alerts = re.findall(r'role="alert">\s*<div>(.*?)</div>', body, re.DOTALL)
    return [" ".join(html.unescape(re.sub(r"<[^>]+>", "", alert)).split()) for alert in alerts]


def states(*jobs: Job) -> list[str]:
    found = dict(Job.across_tenants.values_list("pk", "state"))
    return [found[job.pk] for job in jobs]


class TestApi:
    def test_each_job_is_done_or_refused_with_its_reason(self, api_of, server_key, url, make, elsewhere):
        waiting, running, over, unknown = make(), make("running"), make("succeeded"), uuid7()
        ids = [str(one) for one in (waiting.pk, over.pk, running.pk, unknown, elsewhere.pk, waiting.pk)]
        answer = api_of(server_key).post(url, {"action": "cancel", "jobs": ids})
        assert answer.status_code == 200
        done, refused = answer.json()["done"], answer.json()["refused"]
        assert [(one["id"], one["state"]) for one in done] == [(ids[0], "cancelled"), (ids[2], "running")]
        assert done[1]["cancel_requested_at"]
        assert [(one["id"], one["title"], one["code"]) for one in refused] == [
            (ids[1], "Check digits", "job_is_over"),
            (ids[3], "", "not_found"),
            (ids[4], "", "not_found"),  # no more is said of another project's than of one that nobody ever made
        ]
        assert refused[0]["message"] == "This job is over already (succeeded)."
        assert states(elsewhere) == ["queued"]
        entries = AuditEntry.across_tenants.filter(action="job.cancelled").values_list("target_id", flat=True)
        assert sorted(entries) == sorted([ids[0], ids[2]])

    def test_resume_and_retry_as_the_single_actions_do(self, api_of, developer, url, make):
        saved, bare, queued = make("cancelled", saved_work="some/key"), make("failed"), make()
        ids = [str(job.pk) for job in (saved, bare, queued)]
        client = api_of(developer)
        resumed = client.post(url, {"action": "resume", "jobs": ids}).json()
        assert [one["id"] for one in resumed["done"]] == ids[:1]
        assert [one["code"] for one in resumed["refused"]] == ["nothing_saved", "job_not_restartable"]
        retried = client.post(url, {"action": "retry", "jobs": ids}).json()
        assert [one["id"] for one in retried["done"]] == [ids[1]]
        assert states(saved, bare, queued) == ["queued"] * 3
        actions = AuditEntry.across_tenants.filter(action__startswith="job.").values_list("action", flat=True)
        assert sorted(actions) == ["job.resumed", "job.retried"]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"action": "explode", "jobs": [str(uuid7())]}, "action"),
            ({"action": "cancel", "jobs": []}, "jobs"),
            ({"action": "cancel", "jobs": ["x"]}, "jobs"),
            ({"action": "cancel", "jobs": [str(uuid7()) for _ in range(101)]}, "jobs"),
            ({}, "action"),
        ],
        ids=["no such action", "no jobs", "no id", "too many", "nothing"],
    )
    def test_bad_input_is_refused_and_changes_nothing(self, api_of, developer, url, make, body, field):
        make()
        answer = api_of(developer).post(url, body)
        assert answer.status_code == 400
        assert field in {detail["field"].split(".")[0] for detail in answer.json()["error"]["details"]}
        assert not AuditEntry.across_tenants.filter(action="job.cancelled").exists()

    def test_viewers_strangers_and_keys_without_the_scope_may_not(self, api_of, viewer, stranger, project, url, make):
        body = {"action": "cancel", "jobs": [str(make().pk)]}
        assert api_of(viewer).post(url, body).status_code == 403
        assert api_of(stranger).post(url, body).status_code == 404
        assert states(*Job.across_tenants.all()) == ["queued"]


class TestPage:
    def test_the_account_names_every_job(self, page_of, developer, make):
        waiting, running, over = make(), make("running"), make("succeeded")
        other = uuid7()
        client = page_of(developer)
        there = f"{LIST}?kind=check"
        data = {"action": "cancel", "job": [waiting.pk, running.pk, over.pk, other], "next": there}
        response = client.post(BULK, data, follow=True)
        assert response.redirect_chain == [(there, 302)]
        assert said(response) == [
            "Cancelled (1): Check digits",
            "Being stopped, which takes some seconds (1): Check digits",
            "Not changed (1): Check digits. This job is over already (succeeded).",
            f"Not changed (1): {other}. No job with this id in this project.",
        ]
        for job in (waiting, running, over):
            assert f'<a href="{LIST}{job.pk}/">Check digits</a>' in response.content.decode()

    def test_titles_are_text(self, page_of, developer, make):
        job = make()
        Job.across_tenants.filter(pk=job.pk).update(title="<b>bold</b>")
        response = page_of(developer).post(BULK, {"action": "cancel", "job": job.pk}, follow=True)
        assert "&lt;b&gt;bold&lt;/b&gt;" in response.content.decode()
        assert "<b>bold" not in response.content.decode()

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            ({"action": "cancel"}, "Select some jobs first."),
            (
                {"action": "explode", "job": str(uuid7())},
                "An action (cancel, resume, retry) and the ids of jobs are needed.",
            ),
            ({"action": "cancel", "job": "x"}, "An action (cancel, resume, retry) and the ids of jobs are needed."),
            (
                {"action": "cancel", "job": [str(uuid7()) for _ in range(101)]},
                "At most 100 jobs at a time. Received: 101.",
            ),
        ],
        ids=["no jobs", "no such action", "no id", "too many"],
    )
    def test_bad_input_is_said(self, page_of, developer, project, data, expected):
        [message] = said(page_of(developer).post(BULK, data, follow=True))
        assert message.startswith(expected)

    def test_it_does_not_lead_to_another_site(self, page_of, developer, make):
        response = page_of(developer).post(BULK, {"action": "cancel", "job": make().pk, "next": "//evil.example/"})
        assert response["Location"] == LIST

    def test_rows_offer_what_their_job_allows(self, page_of, developer, viewer, make):
        waiting, saved, bare, done = make(), make("cancelled", saved_work="x"), make("failed"), make("succeeded")
        stopping = make("running")
        Job.across_tenants.filter(pk=stopping.pk).update(cancel_requested_at=timezone.now())
        body = page_of(developer).get(LIST).content.decode()
        offered = {
            job: [
                action for action in ("cancel", "resume", "retry") if f'formaction="{LIST}{job.pk}/{action}/"' in body
            ]
            for job in (waiting, saved, bare, done, stopping)
        }
        assert offered == {waiting: ["cancel"], saved: ["resume", "retry"], bare: ["retry"], done: [], stopping: []}
        read_only = page_of(viewer).get(LIST).content.decode()
        assert "formaction" not in read_only
        assert 'name="job"' not in read_only

    def test_who_may_not_changes_nothing(self, page_of, viewer, stranger, make):
        job = make()
        assert page_of(viewer).post(BULK, {"action": "cancel", "job": job.pk}).status_code == 403
        assert page_of(stranger).post(BULK, {"action": "cancel", "job": job.pk}).status_code == 404
        assert states(job) == ["queued"]


class TestWho:
    @pytest.fixture
    def of_key(self, make, project, server_key) -> Job:
        key = ApiKey.objects.for_project(project).get(kind="server")
        job = make()
        Job.across_tenants.filter(pk=job.pk).update(created_by=None, api_key=key, title="Of a key")
        return Job.across_tenants.get(pk=job.pk)

    def test_page_lists_the_jobs_of_a_person_or_a_key(self, page_of, viewer, make, of_key):
        make()
        client = page_of(viewer)
        by_person = client.get(LIST, {"who": "Developer@example.com"})
        assert [job.title for job in by_person.context["page"].rows] == ["Check digits"]
        by_key = client.get(LIST, {"who": of_key.api_key_id, "state": "queued"})
        assert [job.title for job in by_key.context["page"].rows] == ["Of a key"]
        assert f'<option value="{of_key.api_key_id}" selected>' in by_key.content.decode()
        assert "No such jobs" in client.get(LIST, {"who": "viewer@example.com"}).content.decode()
        assert len(client.get(LIST, {"who": "nonsense"}).context["page"].rows) == 2

    def test_api_does_too_and_refuses_what_is_neither(self, api_of, viewer, project, make, of_key):
        make()
        client, jobs = api_of(viewer), f"/api/v1/projects/{project.pk}/jobs"
        for who, titles in (("developer@example.com", ["Check digits"]), (str(of_key.api_key_id), ["Of a key"])):
            assert [one["title"] for one in client.get(jobs, {"who": who}).json()["results"]] == titles
        answer = client.get(jobs, {"who": "nobody"})
        assert answer.status_code == 400
        assert "Received: 'nobody'" in answer.json()["error"]["message"]
