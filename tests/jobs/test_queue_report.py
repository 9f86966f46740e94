"""What operators and Prometheus see of the queue."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from apps.accounts.models import Organization
from apps.jobs import workers
from apps.jobs.endings import end_failed
from apps.jobs.leases import held, take
from apps.jobs.models import Job, Share, Worker
from apps.jobs.queue_report import quantile, report
from apps.jobs.schedules.models import JobSchedule
from apps.projects.models import AuditEntry, Project

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(make_user):
    return make_user("operator", is_staff=True, is_superuser=True)


@pytest.fixture
def worker():
    yield workers.join(processes=2, sandbox="bubblewrap")
    workers.leave()


def samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class TestReport:
    def test_it_counts_by_organization_and_says_how_long_they_wait(self, make_job, worker):
        jobs = [make_job() for _ in range(4)]
        Job.across_tenants.filter(pk=jobs[3].pk).update(ready_at=timezone.now() + timedelta(hours=1))
        Job.across_tenants.filter(pk=jobs[0].pk).update(created_at=timezone.now() - timedelta(seconds=60))
        take()
        found = report()
        [tenant] = found.tenants.values()
        assert (tenant.name, tenant.queued, tenant.later, tenant.running) == ("Acme", 2, 1, 1)
        assert tenant.wait_s(0.5) == pytest.approx(60, abs=5)
        assert [job.pk for job in found.workers[0].jobs.all()] == [jobs[0].pk]
        assert (found.running, found.processes, len(found.stuck)) == (1, 2, 0)

    def test_a_job_whose_worker_is_lost_unnoticed_or_that_nobody_takes_is_stuck(self, make_job, worker):
        lost, waiting = make_job(), make_job()
        take()
        long_ago = timezone.now() - timedelta(minutes=10)
        Job.across_tenants.filter(pk=lost.pk).update(lease_expires_at=long_ago)
        Job.across_tenants.filter(pk=waiting.pk).update(ready_at=long_ago)
        assert [(one.job.pk, one.why.split()[0]) for one in report().stuck] == [(lost.pk, "Its"), (waiting.pk, "A")]
        Share.across_tenants.update(max_running=1)  # it waits for its own organization
        assert [one.job.pk for one in report().stuck] == [lost.pk]

    def test_a_silent_worker_and_a_late_canary_are_told(self, worker):
        Worker.objects.update(started_at=timezone.now() - timedelta(minutes=9))
        found = report()
        assert found.is_canary_late(found.workers[0])
        assert not found.is_silent(found.workers[0])
        Worker.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=40), canary_sang_at=timezone.now())
        found = report()
        assert not found.is_canary_late(found.workers[0])
        assert found.is_silent(found.workers[0])
        assert found.processes == 0

    def test_schedules_that_nobody_has_handled_are_overdue(self, project, page_of, operator):
        about = {"project": project, "every": "day", "at": time(6, 0), "zone": "UTC"}
        ago = {minutes: timezone.now() - timedelta(minutes=minutes) for minutes in (29, 31)}
        for due_at in ago.values():
            JobSchedule.across_tenants.create(**about, next_run=due_at)
        JobSchedule.across_tenants.create(**about, enabled=False)
        assert report().overdue == 1
        page = page_of(operator)
        assert "1 schedule overdue" in page.get("/admin/jobs/job/queue/").content.decode()
        assert samples(page.get("/metrics").content.decode())["bantam_schedules_overdue",] == 1

    def test_the_number_of_queries_does_not_grow(self, make_job, worker, django_assert_num_queries):
        for number in range(5):
            organization = Organization.objects.create(name=f"O{number}", slug=f"o{number}", quota_bytes=1)
            project = Project.across_tenants.create(organization=organization, name="P", slug="p")
            Job.across_tenants.filter(pk=make_job().pk).update(project=project)
        take()
        take()
        Job.across_tenants.update(ready_at=timezone.now() - timedelta(hours=1))
        with django_assert_num_queries(10):
            report()

    def test_quantiles(self):
        assert [quantile(range(1, 101), share) for share in (0.5, 0.95, 1.0)] == [51, 96, 100]
        assert quantile([], 0.5) is None


class TestMetrics:
    def test_a_scrape_needs_the_token(self, client, settings):
        assert client.get("/metrics").status_code == 403
        assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 403
        settings.METRICS_TOKEN = "secret"
        assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 403
        assert client.get("/metrics", headers={"Authorization": "Bearer secret"}).status_code == 200

    def test_members_do_not_see_them_and_operators_do(self, page_of, owner, operator):
        assert page_of(owner).get("/metrics").status_code == 403
        assert page_of(operator).get("/metrics").status_code == 200

    def test_they_say_what_the_report_says(self, page_of, operator, make_job, worker):
        make_job()
        make_job()
        taken = take()
        assert taken is not None
        end_failed(held(taken[1]), "over", "Over.", [])
        found = samples(page_of(operator).get("/metrics").content.decode())
        assert found["bantam_jobs", "Acme", "queued"] == 1
        assert found["bantam_jobs_finished_total", "check", "failed"] == 1
        assert found["bantam_worker_processes", str(worker)] == 2
        assert found["bantam_queue_messages",] == 2
        assert found["bantam_worker_canary_age_seconds", str(worker)] < 60
        assert 0 <= found["bantam_queue_wait_seconds", "Acme", "0.95"] < 60


class TestPage:
    def test_operators_see_the_queue(self, page_of, operator, make_job, worker):
        make_job()
        take()
        page = page_of(operator).get("/admin/jobs/job/queue/").content.decode()
        assert "Check digits" in page
        assert str(worker) in page
        assert "Acme" in page

    def test_without_workers_and_jobs_it_says_so(self, page_of, operator):
        page = page_of(operator).get("/admin/jobs/job/queue/").content.decode()
        assert "No worker is running" in page
        assert "No job waits" in page

    def test_members_do_not(self, page_of, owner):
        assert page_of(owner).get("/admin/jobs/job/queue/").status_code == 302

    def test_operators_give_an_organization_another_share(self, page_of, operator, make_job):
        make_job()
        take()
        share = Share.across_tenants.get()
        url = f"/admin/jobs/share/{share.pk}/change/"
        assert page_of(operator).post(url, {"max_running": "3"}).status_code == 302
        share.refresh_from_db()
        assert share.limit == 3
        entry = AuditEntry.across_tenants.get(action="organization.share_changed")
        assert (entry.organization_id, entry.details) == (share.organization_id, {"before": None, "after": 3})
