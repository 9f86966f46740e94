"""Jobs that were stopped or failed: what they had done is saved, and they go on from there, on any machine."""

from __future__ import annotations

import os
import tarfile
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.errors import Refused
from apps.jobs import handlers, leases, saved_work, shutdown
from apps.jobs.events import NewEvent
from apps.jobs.folders import folder_of, remove_folder
from apps.jobs.handlers import Folder
from apps.jobs.leases import Lease, Progress
from apps.jobs.models import Job
from apps.jobs.restarting import resume_job, retry_job
from apps.jobs.services import cancel_job
from apps.jobs.worker import run_job
from apps.projects.models import AuditEntry
from apps.projects.storage import storage
from tests.jobs.conftest import RESULT

pytestmark = pytest.mark.django_db(transaction=True)

# Saves what it has at the first attempt, and is done at the next one that finds it.
STOPPED = ["once", [["save-on-sigterm"], ["log", "info", "ready"], ["sleep", 30]]]


@pytest.fixture
def keeping(scripted, monkeypatch) -> None:
    """The scripted jobs go on from what they left."""
    monkeypatch.setattr(handlers, "_keeping", {Job.Kind.CHECK})


@pytest.fixture
def when_ready(monkeypatch) -> Callable[[Callable[[], object]], None]:
    """`when_ready(do)`: `do` is called as soon as a child has said something."""

    def arrange(do: Callable[[], object]) -> None:
        keep = leases.keep

        def and_do(lease: Lease, events: Sequence[NewEvent] = (), progress: Progress | None = None) -> bool:
            if events:
                monkeypatch.setattr(leases, "keep", keep)
                do()
            return keep(lease, events, progress)

        monkeypatch.setattr(leases, "keep", and_do)

    return arrange


@pytest.fixture
def cancelled(make_job, access, keeping, when_ready) -> Callable[..., Job]:
    """`cancelled(step, …)` → a job that was cancelled while its child slept."""

    def make(*steps: list[Any]) -> Job:
        job = make_job(*steps)
        when_ready(lambda: cancel_job(access=access, job=job))
        return run(job)

    return make


def run(job: Job) -> Job:
    run_job(str(job.pk))
    job.refresh_from_db()
    return job


def is_stored(key: str) -> bool:
    return storage().arrived(key)[1]


def test_a_cancelled_job_goes_on_from_what_it_had_saved(cancelled, access, story):
    job = cancelled(STOPPED, RESULT)
    assert (job.state, job.saved_work_bytes) == ("cancelled", len("saved"))
    assert is_stored(job.saved_work)
    assert not folder_of(job.pk).exists()  # another machine has nothing else
    key = job.saved_work
    resume_job(access=access, job=job)
    job.refresh_from_db()
    assert (job.state, job.attempts, job.error_code, job.cancel_requested_at) == ("queued", 0, "", None)
    assert job.finished_at is None
    job = run(job)
    assert (job.state, job.result, job.attempts) == ("succeeded", {"answer": 42}, 1)
    assert (job.saved_work, job.saved_work_bytes) == ("", 0)
    assert not is_stored(key)
    states = [data["message"] for kind, data in story(job) if kind == "state"]
    assert "Resumed: it goes on from what it had saved." in states
    assert AuditEntry.across_tenants.filter(action="job.resumed").count() == 1


def test_a_job_can_be_started_again_from_the_beginning(cancelled, access):
    job = cancelled(STOPPED, RESULT)
    key = job.saved_work
    retry_job(access=access, job=job)
    assert not is_stored(key)
    job.refresh_from_db()
    assert (job.state, job.saved_work, job.error_code) == ("queued", "", "")
    assert AuditEntry.across_tenants.filter(action="job.retried").count() == 1


def test_a_worker_that_shuts_down_hands_the_work_on(make_job, keeping, when_ready, monkeypatch):
    job = make_job(STOPPED, RESULT)
    announced = threading.Event()
    monkeypatch.setattr(shutdown, "_announced", announced)
    when_ready(shutdown.announce)
    job = run(job)
    assert (job.state, job.attempts) == ("queued", 0)
    assert is_stored(job.saved_work)
    announced.clear()
    remove_folder(job.pk)  # the other machine has never seen it
    assert run(job).state == "succeeded"


def test_what_ran_out_of_time_can_be_resumed(make_job, access, keeping):
    job = run(make_job(STOPPED, RESULT, time_limit_s=3))
    assert (job.state, job.error_code) == ("failed", "time_limit")
    resume_job(access=access, job=job)
    assert run(job).state == "succeeded"


def test_what_the_user_has_to_mend_saves_nothing(make_job, access, keeping):
    job = run(make_job(["once", [["refuse", "bad_data", "Bad."]]]))
    assert (job.state, job.saved_work) == ("failed", "")
    with pytest.raises(Refused, match="saved nothing"):
        resume_job(access=access, job=job)
    retry_job(access=access, job=job)


def test_jobs_of_other_kinds_and_in_other_states_are_refused(make_job, access, scripted, monkeypatch):
    job = run(make_job(["refuse", "bad_data", "Bad."]))
    for change in (resume_job, retry_job):
        with pytest.raises(Refused, match="Only training jobs that failed or were cancelled") as refused:
            change(access=access, job=job)
        assert refused.value.code == "job_not_restartable"
    monkeypatch.setattr(handlers, "_keeping", {Job.Kind.CHECK})
    with pytest.raises(Refused, match="Received: check compatibility, succeeded"):
        retry_job(access=access, job=run(make_job(RESULT)))


def test_nothing_but_plain_files_is_saved(make_job, keeping, tmp_path):
    job = make_job(RESULT)
    folder = Folder(tmp_path / "attempt")
    (folder.work / "checkpoints").mkdir(parents=True)
    (folder.work / "checkpoints" / "one").write_text("1")
    (folder.work / "passwd").symlink_to("/etc/passwd")
    (folder.work / "etc").symlink_to("/etc")
    os.mkfifo(folder.work / "pipe")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    os.link(secret, folder.work / "hard")
    saved = saved_work.save(Lease(job.pk, 1), job, folder)
    assert saved is not None
    assert saved.size == 1
    copy = tmp_path / "copy.tar"
    storage().fetch_to(saved.key, copy)
    with tarfile.open(copy) as tar:
        assert tar.getnames() == ["checkpoints/one"]


def test_what_is_too_much_is_not_saved(make_job, keeping, tmp_path, settings):
    settings.JOB_SAVED_WORK_BYTES = 3
    folder = Folder(tmp_path / "attempt")
    folder.work.mkdir(parents=True)
    (folder.work / "large").write_text("four")
    job = make_job(RESULT)
    assert saved_work.save(Lease(job.pk, 1), job, folder) is None


def test_an_archive_that_leads_out_of_the_folder_restores_nothing(cancelled, tmp_path, caplog):
    job = cancelled(STOPPED, RESULT)
    evil = tmp_path / "evil.tar"
    with tarfile.open(evil, "w") as tar:
        tar.add(__file__, arcname="../outside")
    storage().save_from(evil, job.saved_work)
    folder = Folder(tmp_path / "attempt")
    folder.work.mkdir(parents=True)
    saved_work.restore(job, folder)
    assert "can't be read; it begins anew" in caplog.text
    assert not (folder.root / "outside").exists()


def test_old_saved_work_is_swept(cancelled, settings):
    job = cancelled(STOPPED, RESULT)
    key = job.saved_work
    saved_work.sweep()
    assert is_stored(key)
    Job.across_tenants.update(finished_at=timezone.now() - timedelta(days=settings.JOB_SAVED_WORK_DAYS, seconds=1))
    saved_work.sweep()
    assert not is_stored(key)
    job.refresh_from_db()
    assert job.saved_work == ""


def test_storage_that_does_not_answer_keeps_no_job_from_ending(cancelled, monkeypatch, caplog):
    def broken(*_: Any) -> None:
        raise OSError("no room")

    monkeypatch.setattr(saved_work, "save", broken)
    job = cancelled(STOPPED, RESULT)
    assert (job.state, job.saved_work) == ("cancelled", "")
    assert "could not be saved" in caplog.text


class TestPages:
    def test_the_page_offers_what_can_be_done(self, cancelled, page_of, developer, project):
        job = cancelled(STOPPED, RESULT)
        client = page_of(developer)
        page = client.get(f"/o/{project.organization.slug}/p/{project.slug}/jobs/{job.pk}/").content.decode()
        assert "resume it, and it goes on from there" in page
        answer = client.post(f"/o/{project.organization.slug}/p/{project.slug}/jobs/{job.pk}/resume/", follow=True)
        assert "goes on from there" in answer.content.decode()
        job.refresh_from_db()
        assert job.state == "queued"
        assert "/resume/" not in answer.content.decode()

    def test_the_api_says_whether_and_does_it(self, cancelled, api_of, developer, project):
        job = cancelled(STOPPED, RESULT)
        api = api_of(developer)
        path = f"/api/v1/projects/{project.pk}/jobs/{job.pk}"
        assert api.get(path).json()["can_be_resumed"] is True
        answer = api.post(f"{path}/resume")
        assert (answer.status_code, answer.json()["state"], answer.json()["can_be_resumed"]) == (200, "queued", False)
        again = api.post(f"{path}/retry")
        assert (again.status_code, again.json()["error"]["code"]) == (409, "job_not_restartable")
