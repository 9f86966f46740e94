"""One job at a time through the real worker code, with a real child process."""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone
from django_q.models import OrmQ

from apps.jobs import leases, shutdown, worker
from apps.jobs.models import Job
from apps.jobs.services import cancel_job
from apps.jobs.sweep import sweep
from apps.jobs.worker import run_job
from apps.projects.models import AuditEntry
from tests.jobs.conftest import RESULT
from tests.jobs.processes import processes_of, until
from tests.jobs.scripted.handler import stored_file, stored_files

pytestmark = pytest.mark.django_db


def run(job: Job) -> Job:
    run_job(str(job.pk))
    job.refresh_from_db()
    return job


def rows_made(action: str = "test.accepted") -> int:
    return AuditEntry.across_tenants.filter(action=action).count()


@pytest.mark.django_db(transaction=True)
def test_a_job_runs_to_its_end_and_leaves_its_result(make_job, story, settings):
    job = run(make_job(["progress", 1, 4], ["metrics", 1, {"loss": 0.5}], ["log", "warning", "hot"], RESULT))
    assert (job.state, job.result, job.progress, job.attempts) == ("succeeded", {"answer": 42}, 1, 1)
    assert job.started_at
    assert job.finished_at
    assert job.started_at < job.finished_at
    assert (job.lease_owner, job.lease_expires_at) == ("", None)
    told = story(job)
    progress = {"done": 1, "total": 4, "unit": "steps", "message": "working", "share": 0.25, "seconds_left": None}
    told.remove(("progress", progress))  # where it stands depends on when it was due
    assert told == [
        ("state", {"state": "queued", "message": "Waiting for a worker."}),
        ("state", {"state": "running", "attempt": 1, "message": "Attempt 1 of 3 has started."}),
        ("metrics", {"step": 1, "values": {"loss": 0.5}}),
        ("log", {"level": "warning", "message": "hot"}),
        ("state", {"state": "succeeded", "message": "Done."}),
    ]
    assert stored_files(job) == ["1/result.json"]
    assert rows_made() == 1
    assert not any(settings.JOBS_DIR.iterdir())


def test_what_the_child_sees_is_the_worker_s_paths_and_no_secret(make_job, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://u:secret@h/d")
    monkeypatch.setenv("SECRET_KEY", "s" * 50)
    job = run(make_job(["environment"], RESULT))
    seen = json.loads(stored_file(job, "environment.json").read_text())
    assert set(seen) <= {
        "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "PYTHONPATH",
        "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "HOME", "TMPDIR", "TF_USE_LEGACY_KERAS", "TF_CPP_MIN_LOG_LEVEL",
    }  # fmt: skip
    assert seen["HOME"].endswith("/work")


def test_a_second_run_of_a_job_that_is_over_does_nothing(make_job, story):
    job = run(make_job(RESULT))
    before = story(job)
    assert run(job).attempts == 1
    assert story(job) == before


def test_a_second_run_of_a_job_that_somebody_works_on_does_nothing(make_job):
    job = make_job(RESULT)
    leases.take()
    assert run(job).state == "running"
    assert job.attempts == 1


def test_a_job_that_is_gone_is_no_fault():
    run_job("00000000-0000-0000-0000-000000000000")


class TestUserErrors:
    def test_the_engine_s_refusal_fails_the_job_for_good(self, make_job, story):
        job = run(make_job(["refuse", "broken_image", "cat/1.png is broken."]))
        assert (job.state, job.error_code, job.error_message) == ("failed", "broken_image", "cat/1.png is broken.")
        assert job.error_details == [{"field": "file", "message": "why"}]
        assert job.attempts == 1
        assert rows_made("test.failed") == 1
        assert story(job)[-1][1]["code"] == "broken_image"

    @pytest.mark.parametrize("where", ["prepare", "store", "accept"])
    def test_a_handler_s_refusal_does_the_same(self, make_job, where):
        job = run(make_job(RESULT, refuse=where))
        assert (job.state, job.error_code, job.attempts) == ("failed", "too_big", 1)
        assert job.error_details == [{"field": "size", "message": "3"}]
        assert stored_files(job) == []
        assert rows_made() == 0

    def test_a_job_over_its_time_limit_is_ended(self, make_job):
        job = run(make_job(["sleep", 60], RESULT, time_limit_s=1))
        assert (job.state, job.error_code, job.attempts) == ("failed", "time_limit", 1)
        assert "limit of 1 s" in job.error_message

    def test_a_child_that_ignores_sigterm_is_killed_after_its_grace(self, make_job):
        start = time.monotonic()
        job = run(make_job(["ignore-sigterm"], ["sleep", 60], time_limit_s=1))
        assert (job.state, job.error_code) == ("failed", "time_limit")
        assert time.monotonic() - start < 5


class TestMachineFaults:
    @pytest.mark.parametrize(
        ("steps", "code"),
        [
            ([["fail"]], "internal_error"),
            ([["exit", 7]], "internal_error"),
            ([["exit", 2]], "internal_error"),  # refused without saying why
            ([["signal", signal.SIGKILL]], "out_of_memory"),
            ([["signal", signal.SIGSEGV]], "crashed"),
            ([["signal", signal.SIGTERM]], "interrupted"),
            ([], "internal_error"),  # no result.json
            ([["result", [1]]], "internal_error"),
        ],
    )
    def test_it_is_tried_again_and_fails_when_the_attempts_are_used_up(self, make_job, steps, code):
        job = run(make_job(*steps))
        assert (job.state, job.attempts) == ("queued", 1)
        assert rows_made("test.failed") == 0
        assert OrmQ.objects.count() == 2
        run(job)
        assert run(job).state == "failed"
        assert (job.error_code, job.attempts) == (code, 3)
        assert job.error_message.endswith("This was the last of 3 attempts.")
        assert rows_made("test.failed") == 1

    def test_the_next_attempt_finds_the_work_of_the_last_one(self, make_job, settings):
        job = run(make_job(["once", [["fail"]]], RESULT))
        assert job.state == "queued"
        assert [path.name for path in (settings.JOBS_DIR / str(job.pk)).iterdir()] == ["1"]
        assert run(job).state == "succeeded"
        assert not any(settings.JOBS_DIR.iterdir())

    @pytest.mark.parametrize("where", ["prepare", "store"])
    def test_a_handler_that_breaks_before_the_rows(self, make_job, where):
        job = run(make_job(RESULT, trip=where))
        assert (job.state, job.attempts) == ("queued", 1)
        assert stored_files(job) == []

    def test_a_handler_that_breaks_amid_the_rows_leaves_nothing_half_made(self, make_job):
        job = run(make_job(RESULT, trip="accept"))
        assert (job.state, job.result) == ("queued", None)
        assert stored_files(job) == []
        assert rows_made() == 0

    def test_a_handler_that_can_t_note_the_failure_does_not_keep_the_job_from_ending(self, make_job, caplog):
        job = run(make_job(["refuse", "bad", "Bad."], trip="fail"))
        assert (job.state, job.error_code) == ("failed", "bad")
        assert rows_made("test.failed") == 0
        assert "could not note its end" in caplog.text

    def test_a_database_that_is_locked_for_a_moment_costs_no_work(self, make_job, monkeypatch):
        answers = iter([OperationalError("database is locked"), None])
        accept = worker._accept

        def unreliable(*args):
            if (error := next(answers)) is not None:
                raise error
            accept(*args)

        monkeypatch.setattr(worker, "_accept", unreliable)
        monkeypatch.setattr(worker, "PAUSES_S", (0.01,))
        assert run(make_job(RESULT)).state == "succeeded"

    def test_a_connection_lost_after_the_commit_does_not_delete_what_was_taken_over(self, make_job, monkeypatch):
        accept = worker._accept

        def commits_then_breaks(*args):
            accept(*args)
            raise OperationalError("server closed the connection unexpectedly")

        monkeypatch.setattr(worker, "_accept", commits_then_breaks)
        job = run(make_job(RESULT))
        assert job.state == "succeeded"
        assert stored_files(job) == ["1/result.json"]


class TestProcesses:
    def test_what_the_child_started_is_ended_with_it(self, make_job):
        start = time.monotonic()
        job = run(make_job(["orphan"], RESULT))
        assert job.state == "succeeded"
        assert time.monotonic() - start < 5
        until(lambda: not processes_of(str(job.pk)), "the child's child to end", 2)

    def test_a_flood_of_output_is_bounded(self, make_job, story):
        job = run(make_job(["flood", 30_000], ["long-line", 1_000_000], RESULT))
        assert job.state == "succeeded"
        events = story(job)
        assert len(events) < 5_100
        assert any("lines were left out" in data.get("message", "") for _, data in events)
        assert max(len(data.get("message", "")) for _, data in events) <= 2_000


class TestCancelling:
    def test_a_running_job_is_stopped_and_its_child_may_save(self, make_job, story, access, settings, scripted):
        job = make_job(["save-on-sigterm"], ["log", "info", "ready"], ["sleep", 60], RESULT)
        prepare = scripted.prepare

        def cancelled_meanwhile(job, folder):
            cancel_job(access=access, job=job)
            return prepare(job, folder)

        scripted.prepare = cancelled_meanwhile
        run(job)
        assert (job.state, job.error_code) == ("cancelled", "cancelled")
        assert (
            "log",
            {"level": "info", "message": "developer@example.com asked for the job to be cancelled."},
        ) in story(job)
        assert rows_made("test.failed") == 1
        assert rows_made("job.cancelled") == 1
        assert not any(settings.JOBS_DIR.iterdir())

    def test_a_job_cancelled_after_its_child_s_end_is_not_taken_over(self, make_job, access, scripted):
        store = scripted.store

        def cancelled_meanwhile(job, folder, result):
            cancel_job(access=access, job=job)
            return store(job, folder, result)

        scripted.store = cancelled_meanwhile
        job = run(make_job(RESULT))
        assert job.state == "cancelled"
        assert stored_files(job) == []
        assert rows_made() == 0


class TestLostLeases:
    @pytest.fixture
    def rival(self, scripted):
        """While `store` runs, the lease runs out and another worker takes the job; it may end it, too."""

        def take_over(*, and_finish: bool) -> None:
            store = scripted.store

            def slow(job, folder, result):
                stored = store(job, folder, result)
                if job.fencing_token == 1:
                    Job.across_tenants.filter(pk=job.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
                    sweep()
                    if and_finish:
                        run_job(str(job.pk))
                    else:
                        assert leases.take() is not None
                return stored

            scripted.store = slow

        return take_over

    def test_a_late_result_is_refused_and_what_it_stored_is_deleted(self, make_job, rival):
        rival(and_finish=False)
        job = run(make_job(RESULT))
        assert (job.state, job.fencing_token, job.attempts) == ("running", 2, 2)
        assert stored_files(job) == []
        assert rows_made() == 0

    def test_the_result_of_the_one_who_took_over_stands(self, make_job, rival, story):
        rival(and_finish=True)
        job = run(make_job(RESULT))
        assert (job.state, job.result, job.fencing_token) == ("succeeded", {"answer": 42}, 2)
        assert stored_files(job) == ["2/result.json"]
        assert AuditEntry.across_tenants.get(action="test.accepted").details == {"token": 2}
        assert [data["state"] for kind, data in story(job) if kind == "state"] == [
            "queued", "running", "queued", "running", "succeeded",
        ]  # fmt: skip

    def test_a_child_whose_lease_is_lost_is_killed(self, make_job, scripted):
        prepare = scripted.prepare

        def overtaken(job, folder):
            Job.across_tenants.filter(pk=job.pk).update(fencing_token=9)
            return prepare(job, folder)

        scripted.prepare = overtaken
        start = time.monotonic()
        job = run(make_job(["ignore-sigterm"], ["log", "info", "here"], ["sleep", 60]))
        assert (job.state, job.fencing_token) == ("running", 9)
        assert time.monotonic() - start < 5

    def test_a_job_that_used_up_its_attempts_is_failed_and_not_started(self, make_job):
        job = make_job(RESULT)
        Job.across_tenants.filter(pk=job.pk).update(attempts=3)
        run(job)
        assert (job.state, job.error_code, job.attempts) == ("failed", "attempts_exhausted", 3)


class TestShutdown:
    def test_a_running_job_is_handed_back_without_costing_an_attempt(self, make_job, monkeypatch, story, settings):
        monkeypatch.setattr(shutdown, "_terminated", False)
        job = make_job(["save-on-sigterm"], ["log", "info", "ready"], ["sleep", 60], RESULT)
        signal.signal(signal.SIGALRM, lambda number, frame: os.kill(os.getpid(), signal.SIGTERM))
        signal.setitimer(signal.ITIMER_REAL, 1)
        try:
            with pytest.raises(SystemExit):
                run_job(str(job.pk))
        finally:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        job.refresh_from_db()
        assert (job.state, job.attempts) == ("queued", 0)
        assert OrmQ.objects.count() == 2
        assert story(job)[-1][1]["code"] == "worker_stopped"
        [attempt] = (settings.JOBS_DIR / str(job.pk)).iterdir()
        assert (attempt / "work" / "checkpoint").read_text() == "saved"

    def test_a_worker_that_is_to_end_leaves_the_job_in_the_queue(self, make_job, monkeypatch):
        job = make_job(RESULT)
        monkeypatch.setattr(shutdown, "is_coming", lambda: True)
        run(job)
        assert (job.state, job.attempts) == ("queued", 0)
        assert OrmQ.objects.count() == 2
