from __future__ import annotations

import pytest

from apps.jobs.folders import make_folder, remove_left_folders
from apps.jobs.models import Job
from tests.jobs.conftest import begin

pytestmark = pytest.mark.django_db


def test_an_attempt_gets_folders_of_its_own(make_job, settings):
    job = make_job()
    folder = make_folder(begin(job))
    assert folder.root == settings.JOBS_DIR / str(job.pk) / "1"
    assert all(path.is_dir() for path in (folder.in_, folder.out, folder.work))
    assert folder.root.stat().st_mode & 0o077 == 0


def test_the_next_attempt_takes_over_the_work_and_nothing_else(make_job):
    job = make_job()
    first = make_folder(begin(job))
    (first.work / "checkpoint").write_text("7")
    (first.out / "half").write_text("x")
    Job.across_tenants.filter(pk=job.pk).update(state="queued")
    second = make_folder(begin(job))
    assert (second.work / "checkpoint").read_text() == "7"
    assert list(second.out.iterdir()) == []
    # A child of the first attempt that is still at work writes into nothing.
    assert not first.root.exists()
    with pytest.raises(FileNotFoundError):
        (first.work / "checkpoint").write_text("8")


def test_folders_of_jobs_that_are_over_or_gone_are_removed(make_job, settings):
    running, over = make_job(), make_job()
    make_folder(begin(running))
    make_folder(begin(over))
    Job.across_tenants.filter(pk=over.pk).update(state="failed")
    (settings.JOBS_DIR / "00000000-0000-0000-0000-000000000000").mkdir()
    (settings.JOBS_DIR / "notes").mkdir()
    remove_left_folders()
    assert {path.name for path in settings.JOBS_DIR.iterdir()} == {str(running.pk), "notes"}


def test_nothing_is_there_to_remove_before_the_first_job(scripted):
    remove_left_folders()
