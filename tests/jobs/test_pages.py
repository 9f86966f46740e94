"""The pages of jobs, by what a person reads."""

from __future__ import annotations

import html
import re

import pytest
from django.db import transaction
from django.utils import timezone

from apps.jobs.endings import end_cancelled
from apps.jobs.leases import Progress, held, keep
from apps.jobs.models import Job
from apps.jobs.worker import run_job
from tests.jobs.conftest import RESULT, begin, log_line

pytestmark = pytest.mark.django_db
BASE = "/o/acme/p/reader/jobs/"


def text(response) -> str:
    body = response.content.decode()
    main = body[body.index("<header class") :]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", main)).split())


class TestList:
    def test_it_says_what_to_do_next_when_it_is_empty(self, page_of, viewer, project):
        said = text(page_of(viewer).get(BASE))
        assert "No jobs yet" in said
        assert "Go to the datasets" in said

    def test_it_shows_state_progress_and_who(self, page_of, viewer, make_job):
        job = make_job()
        lease = begin(job)
        keep(lease, [], Progress(0.42, "training", 95))
        response = page_of(viewer).get(BASE)
        said = text(response)
        for part in (
            "Check digits",
            "Check compatibility",
            "Running",
            "42 %, 1 min 35 s left",
            "developer@example.com",
        ):
            assert part in said
        assert 'hx-trigger="every 3s"' in response.content.decode()

    @pytest.mark.parametrize("page", ["", "{job}/"])
    def test_it_says_which_key_started_it_and_that_a_person_left(
        self, page_of, viewer, developer, make_job, project, server_key, page
    ):
        url = BASE + page.format(job=make_job().pk)
        Job.across_tenants.update(created_by=None, api_key=project.apikeys.get())
        assert "server key (sk_sssssss" in text(page_of(viewer).get(url))
        Job.across_tenants.update(created_by=developer, api_key=None)
        developer.delete()
        assert "a former user" in text(page_of(viewer).get(url))

    def test_it_rests_when_nothing_moves(self, page_of, viewer, make_job):
        run_job(str(make_job(["refuse", "broken", "x.png is broken."]).pk))
        response = page_of(viewer).get(BASE)
        assert "Failed x.png is broken." in text(response)
        assert "hx-trigger" not in response.content.decode()

    def test_it_can_be_narrowed_and_says_when_nothing_is_left(self, page_of, viewer, make_job):
        make_job()
        client = page_of(viewer)
        assert "Check digits" in text(client.get(BASE, {"state": "queued", "kind": "check"}))
        said = text(client.get(BASE, {"state": "failed"}))
        assert "No such jobs" in said
        assert "Check digits" not in said
        assert "Check digits" in text(client.get(BASE, {"state": "nonsense"}))

    def test_older_pages_keep_the_filter(self, page_of, viewer, make_job):
        for _ in range(51):
            make_job()
        client = page_of(viewer)
        body = client.get(BASE, {"state": "queued"}).content.decode()
        [older] = re.findall(r'rel="next" href="([^"]+)"', body)
        assert "state=queued&" in html.unescape(older)
        assert client.get(BASE + html.unescape(older)).content.decode().count("<tr>") == 2

    def test_it_costs_the_same_however_long(self, page_of, viewer, make_job, django_assert_num_queries):
        for _ in range(3):
            make_job()
        client = page_of(viewer)
        with django_assert_num_queries(7):  # session, person, project, role, jobs, members and keys for the filter
            client.get(BASE)
        with django_assert_num_queries(5):  # without the filter
            updated = client.get(BASE, headers={"hx-request": "true"}).content.decode()
        assert updated.strip().startswith('<div class="card" id="jobs" hx-get=')
        assert updated.count("<tr>") == 4


class TestPage:
    def test_a_running_job(self, page_of, developer, make_job):
        job = make_job()
        lease = begin(job)
        keep(lease, [log_line("<b>hot</b>", "warning")], Progress(0.5, "epoch 2", 30))
        response = page_of(developer).get(f"{BASE}{job.pk}/")
        said = text(response)
        for part in (
            "Check digits",
            "epoch 2",
            "30 s left",
            "50 %",
            "Attempt 1 of 3 has started.",
            "<b>hot</b>",
            "Cancel",
        ):
            assert part in said
        body = response.content.decode()
        assert f'data-job-live="/ws/o/acme/p/reader/jobs/{job.pk}/" data-after="3"' in body
        assert "&lt;b&gt;hot" in body
        assert "js/job." in body

    def test_a_failed_job_says_why_and_what_to_do(self, page_of, viewer, make_job):
        job = make_job(["sleep", 60], time_limit_s=1)
        run_job(str(job.pk))
        response = page_of(viewer).get(f"{BASE}{job.pk}/")
        said = text(response)
        assert "The job ran longer than its limit of 1 s." in said
        assert "Start it again with less to do." in said
        assert "Code: time_limit" in said
        assert "js/job." not in response.content.decode()

    def test_a_fault_of_ours_says_that_it_is_ours(self, page_of, viewer, make_job):
        job = make_job(["fail"])
        Job.across_tenants.filter(pk=job.pk).update(max_attempts=1)
        run_job(str(job.pk))
        said = text(page_of(viewer).get(f"{BASE}{job.pk}/"))
        assert "The engine broke." in said
        assert "Your input is not the cause." in said

    def test_a_refusal_names_each_reason(self, page_of, viewer, make_job):
        job = make_job(["refuse", "broken_image", "cat/1.png is broken."])
        run_job(str(job.pk))
        said = text(page_of(viewer).get(f"{BASE}{job.pk}/"))
        assert "cat/1.png is broken." in said
        assert "file : why" in said

    def test_a_finished_job_leads_on_to_what_it_made(self, page_of, viewer, make_job):
        job = make_job(RESULT)
        run_job(str(job.pk))
        response = page_of(viewer).get(f"{BASE}{job.pk}/")
        assert '<a class="btn btn-primary" href="/made/">What it made' in response.content.decode()
        assert "100 %" in text(response)

    def test_it_costs_few_queries(self, page_of, viewer, make_job, django_assert_num_queries):
        job = make_job(*[["log", "info", str(index)] for index in range(20)], RESULT)
        run_job(str(job.pk))
        client = page_of(viewer)
        with django_assert_num_queries(6):  # session, person, project, role, job, log
            client.get(f"{BASE}{job.pk}/")

    def test_a_stranger_finds_nothing(self, page_of, stranger, make_job):
        job = make_job()
        client = page_of(stranger)
        assert client.get(BASE).status_code == 404
        assert client.get(f"{BASE}{job.pk}/").status_code == 404
        assert client.post(f"{BASE}{job.pk}/cancel/").status_code == 404


class TestCancel:
    def test_a_developer_cancels_a_waiting_job(self, page_of, developer, make_job):
        job = make_job()
        response = page_of(developer).post(f"{BASE}{job.pk}/cancel/", follow=True)
        said = text(response)
        assert "The job was cancelled." in said
        assert "Nothing was kept." in said

    def test_a_running_job_takes_a_moment(self, page_of, developer, make_job):
        job = make_job()
        begin(job)
        said = text(page_of(developer).post(f"{BASE}{job.pk}/cancel/", follow=True))
        assert "The job is being stopped" in said
        assert "Stopping…" in said

    @pytest.mark.parametrize("next_", ["https://evil.example/", "//evil.example/", ""])
    def test_cancelling_does_not_lead_to_another_site(self, page_of, developer, make_job, next_):
        job = make_job()
        response = page_of(developer).post(f"{BASE}{job.pk}/cancel/", {"next": next_})
        assert response["Location"] == f"{BASE}{job.pk}/"

    def test_a_job_cancelled_in_its_last_second_does_not_look_done(self, page_of, viewer, developer, make_job):
        job = make_job()
        lease = begin(job)
        keep(lease, [], Progress(1, "done", 0))
        with transaction.atomic():
            end_cancelled(held(lease))
        page = page_of(viewer).get(f"{BASE}{job.pk}/")
        assert "done" not in text(page)
        content = page.content.decode()
        assert re.search(r"<progress[^>]* hidden>", content)
        assert "<span data-job-share hidden>" in content

    def test_a_job_that_is_over_says_so(self, page_of, developer, make_job):
        job = make_job()
        Job.across_tenants.filter(pk=job.pk).update(state="succeeded", finished_at=timezone.now())
        assert "This job is over already" in text(page_of(developer).post(f"{BASE}{job.pk}/cancel/", follow=True))

    def test_a_viewer_sees_no_button_and_may_not(self, page_of, viewer, make_job):
        job = make_job()
        client = page_of(viewer)
        assert "/cancel/" not in client.get(f"{BASE}{job.pk}/").content.decode()
        assert client.post(f"{BASE}{job.pk}/cancel/").status_code == 403
        assert client.get(f"{BASE}{job.pk}/cancel/").status_code == 403
