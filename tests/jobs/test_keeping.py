"""What a running job has done is saved while it runs, for a machine that is lost."""

from __future__ import annotations

import pytest

from apps.jobs import handlers, saved_work, worker
from apps.jobs.folders import remove_folder
from apps.jobs.models import Job
from apps.jobs.worker import run_job
from apps.projects.storage import storage
from tests.jobs.conftest import RESULT

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def keeping(scripted, monkeypatch, settings) -> None:
    """The scripted jobs go on from what they left; what they left at their end is lost with their machine."""
    monkeypatch.setattr(handlers, "_keeping", {Job.Kind.CHECK})
    monkeypatch.setattr(worker, "_saved", lambda lease, job, folder, outcome: None)
    settings.JOB_SAVE_EVERY_S = 0.3


def run(job: Job) -> Job:
    run_job(str(job.pk))
    job.refresh_from_db()
    return job


@pytest.mark.usefixtures("keeping")
class TestKeeping:
    def test_another_machine_goes_on_from_what_was_saved_while_it_ran(self, make_job):
        job = run(make_job(["once", [["sleep", 2.5], ["signal", 9]]], RESULT))
        assert (job.state, job.attempts) == ("queued", 1)
        first = job.saved_work
        assert first
        remove_folder(job.pk)  # as on another machine
        job = run(job)
        assert (job.state, job.attempts, job.saved_work) == ("succeeded", 2, "")
        with pytest.raises(FileNotFoundError):
            storage().fetch_to(first, job_file(job))

    def test_only_the_newest_is_kept(self, make_job, monkeypatch):
        keys = []
        save = saved_work.save

        def noted(*args):
            saved = save(*args)
            keys.append(saved.key)
            return saved

        monkeypatch.setattr(saved_work, "save", noted)
        job = run(make_job(["once", [["sleep", 3], ["signal", 9]]], RESULT))
        assert len(keys) > 1
        assert job.saved_work == keys[-1]
        for key in keys[:-1]:
            with pytest.raises(FileNotFoundError):
                storage().fetch_to(key, job_file(job))

    def test_what_cannot_be_saved_disturbs_nothing(self, make_job, monkeypatch):
        monkeypatch.setattr(saved_work, "save", lambda *args: 1 / 0)
        assert run(make_job(["sleep", 1], RESULT)).state == "succeeded"

    def test_a_kind_that_keeps_nothing_is_not_saved(self, make_job, monkeypatch):
        monkeypatch.setattr(handlers, "_keeping", set())
        job = run(make_job(["once", [["sleep", 1.5], ["signal", 9]]], RESULT))
        assert (job.state, job.saved_work) == ("queued", "")


def job_file(job: Job):
    from django.conf import settings

    return settings.DATA_DIR / f"{job.pk}.tar"
