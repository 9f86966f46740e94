from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from django_q.models import OrmQ

from apps.jobs import leases
from apps.jobs.leases import Heartbeat, LeaseLost, Progress, held, keep, look, take
from apps.jobs.models import Job
from apps.jobs.services import cancel_job
from apps.jobs.sweep import sweep
from tests.jobs.conftest import begin

pytestmark = pytest.mark.django_db


def expire(job: Job) -> None:
    Job.across_tenants.filter(pk=job.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))


class TestTaking:
    def test_the_attempt_is_counted_before_any_work(self, make_job):
        job = make_job()
        lease = begin(job)
        job.refresh_from_db()
        assert (job.state, job.attempts, job.fencing_token, lease.token) == ("running", 1, 1, 1)
        assert job.lease_expires_at is not None
        assert ":" in job.lease_owner

    def test_only_one_gets_it(self, make_job):
        make_job()
        assert take() is not None
        assert take() is None

    def test_an_expired_lease_goes_to_the_next_one_and_the_first_can_write_no_more(self, make_job, story):
        job = make_job()
        first = begin(job)
        expire(job)
        sweep()
        second = begin(job)
        assert second.token == 2
        for write in (keep, look, held):
            with pytest.raises(LeaseLost, match="fencing token 1"):
                write(first)
        assert keep(second) is False
        assert [data.get("code") for kind, data in story(job) if kind == "state"] == [None, None, "worker_lost", None]

    def test_the_last_attempt_s_lost_worker_fails_the_job(self, make_job):
        job = make_job()
        Job.across_tenants.filter(pk=job.pk).update(max_attempts=1)
        begin(job)
        expire(job)
        sweep()
        assert take() is None
        job.refresh_from_db()
        assert (job.state, job.error_code) == ("failed", "worker_lost")

    def test_a_job_that_was_to_be_cancelled_ends_when_its_worker_is_lost(self, make_job, access):
        job = make_job()
        begin(job)
        cancel_job(access=access, job=job)
        expire(job)
        sweep()
        job.refresh_from_db()
        assert job.state == "cancelled"


class TestKeeping:
    def test_it_renews_the_lease_and_notes_progress(self, make_job):
        job = make_job()
        lease = begin(job)
        expire(job)
        assert keep(lease, [], Progress(0.25, "epoch 1", 90)) is False
        job.refresh_from_db()
        assert job.lease_expires_at is not None
        assert job.lease_expires_at > timezone.now()
        assert (job.progress, job.progress_message, job.seconds_left) == (0.25, "epoch 1", 90)

    def test_it_says_that_somebody_asked_to_cancel(self, make_job, access):
        job = make_job()
        lease = begin(job)
        cancel_job(access=access, job=job)
        assert keep(lease) is True
        assert look(lease) is True

    def test_a_look_is_one_query(self, make_job, django_assert_num_queries):
        lease = begin(make_job())
        with django_assert_num_queries(1):
            look(lease)


@pytest.mark.django_db(transaction=True)
class TestHeartbeat:
    @pytest.fixture(autouse=True)
    def quick(self, settings):
        settings.JOB_LEASE_S = 0.3

    def test_a_handler_that_takes_longer_than_a_lease_keeps_it(self, make_job):
        job = make_job()
        lease = begin(job)
        with Heartbeat(lease):
            time.sleep(1)
            sweep()  # would give it to another
        keep(lease)

    def test_it_ends_quietly_when_the_lease_is_lost(self, make_job):
        job = make_job()
        lease = begin(job)
        with Heartbeat(lease) as heartbeat:
            Job.across_tenants.filter(pk=job.pk).update(fencing_token=9)
            time.sleep(0.5)
            assert not heartbeat._thread.is_alive()

    def test_a_database_that_does_not_answer_once_is_asked_again(self, make_job, monkeypatch, caplog):
        lease = begin(make_job())
        answers = iter([OperationalError("gone")])

        def unreliable(*args):
            if (error := next(answers, None)) is not None:
                raise error
            return keep(*args)

        monkeypatch.setattr(leases, "keep", unreliable)
        with Heartbeat(lease):
            time.sleep(0.8)
        assert "could not be renewed" in caplog.text
        assert look(lease) is False


class TestSweep:
    def test_a_lost_worker_s_job_is_queued_again(self, make_job):
        job = make_job()
        begin(job)
        expire(job)
        sweep()
        job.refresh_from_db()
        assert (job.state, job.attempts) == ("queued", 1)
        assert OrmQ.objects.count() == 2
        sweep()
        assert OrmQ.objects.count() == 2

    def test_a_working_job_is_left_alone(self, make_job):
        job = make_job()
        begin(job)
        sweep()
        job.refresh_from_db()
        assert job.state == "running"
        assert OrmQ.objects.count() == 1

    def test_a_job_whose_message_was_lost_gets_another_one_and_then_waits_twice_as_long(self, make_job):
        job = make_job()
        OrmQ.objects.all().delete()
        sweep()
        assert OrmQ.objects.count() == 0  # not yet: it may just be waiting in line
        for minutes in (1, 3, 7):
            past = timezone.now() - timedelta(minutes=minutes, seconds=1)
            Job.across_tenants.filter(pk=job.pk).update(queued_at=past, remind_at=timezone.now() - timedelta(seconds=1))
            sweep()
            job.refresh_from_db()
            wait = (job.remind_at - timezone.now()).total_seconds()
            assert minutes * 60 - 2 < wait < minutes * 60 + 5
        assert OrmQ.objects.count() == 3

    def test_it_costs_two_queries_when_there_is_nothing_to_do(self, make_job, django_assert_num_queries):
        begin(make_job())
        make_job()
        with django_assert_num_queries(2):
            sweep()

    @pytest.mark.parametrize(
        ("jobs", "index"),
        [("abandoned", "job_running_lease"), ("forgotten", "job_queued_reminder")],
    )
    def test_it_reads_an_index_and_not_every_job_there_ever_was(self, db, jobs, index):
        if connection.vendor != "sqlite":
            pytest.skip("PostgreSQL plans by the size of the table")
        assert index in getattr(Job.across_tenants, jobs)(timezone.now()).order_by().explain()
