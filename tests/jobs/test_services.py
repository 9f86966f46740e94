from __future__ import annotations

from uuid import UUID

import pytest
from django.db import transaction
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from apps.errors import Refused
from apps.jobs import events, services
from apps.jobs.events import NewEvent, append
from apps.jobs.leases import keep
from apps.jobs.models import Job, JobEvent
from apps.jobs.services import cancel_job, create_follow_up, create_job
from apps.jobs.states import NEXT, IllegalTransition, move
from apps.projects.access import enter_project
from apps.projects.models import AuditEntry, Scope
from tests.jobs.conftest import begin

pytestmark = pytest.mark.django_db


@pytest.fixture
def create(access, scripted):
    def make(**changes) -> Job:
        asked = {"kind": Job.Kind.CHECK, "title": "Check", "payload": {"steps": []}} | changes
        return create_job(access=access, **asked)

    return make


class TestCreate:
    def test_the_job_and_its_message_to_the_queue_are_made_together(self, create, developer, story):
        job = create()
        assert (job.state, job.created_by, job.attempts) == ("queued", developer, 0)
        message = SignedPackage.loads(OrmQ.objects.get().payload)
        assert (message["func"], message["args"]) == ("apps.jobs.worker.run_job", (str(job.pk),))
        assert story(job) == [("state", {"state": "queued", "message": "Waiting for a worker."})]

    def test_nothing_is_made_when_the_caller_s_transaction_fails(self, create):
        @transaction.atomic
        def caller() -> None:
            create()
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            caller()
        assert not Job.across_tenants.exists()
        assert not OrmQ.objects.exists()

    def test_the_same_key_gives_the_same_job(self, create):
        first = create(idempotency_key="upload-7")
        assert create(idempotency_key="upload-7", title="Other") == first
        assert create(idempotency_key="upload-8") != first
        assert OrmQ.objects.count() == 2

    def test_a_key_of_a_job_of_another_kind_is_refused(self, create):
        create(idempotency_key="upload-7")
        with pytest.raises(Refused, match="upload-7") as refused:
            create(idempotency_key="upload-7", kind=Job.Kind.TRAIN)
        assert refused.value.status == 409

    def test_the_loser_of_a_race_for_a_key_gets_the_winner_s_job(self, create, monkeypatch):
        winner = create(idempotency_key="upload-7")
        answers = iter([None, winner])  # looked too early, then after the database refused the second row
        monkeypatch.setattr(services, "_same", lambda *args: next(answers))
        assert create(idempotency_key="upload-7") == winner
        assert Job.across_tenants.count() == 1

    @pytest.mark.parametrize("seconds", [0, -5, 10**9])
    def test_a_time_limit_out_of_bounds_is_refused(self, create, seconds):
        with pytest.raises(Refused, match=f"Received: {seconds}"):
            create(time_limit_s=seconds)

    def test_a_follow_up_belongs_to_the_same_project_and_person(self, create, developer):
        after = create()
        job = create_follow_up(after=after, kind=Job.Kind.CHECK, title="Next", payload={})
        assert (job.project_id, job.created_by) == (after.project_id, developer)

    def test_a_job_of_a_key_and_what_follows_it_name_the_key(self, project, server_key):
        access = enter_project(project.apikeys.get(), scope=Scope.TRAINING, id=project.pk)
        after = create_job(access=access, kind=Job.Kind.CHECK, title="First", payload={})
        job = create_follow_up(after=after, kind=Job.Kind.CHECK, title="Next", payload={})
        for made in (after, job):
            assert (made.created_by, made.api_key) == (None, project.apikeys.get())


class TestCancel:
    def test_a_job_whose_worker_died_is_cancelled_at_once(self, create, access, settings):
        settings.JOB_LEASE_S = -1
        job = create()
        begin(job)
        assert cancel_job(access=access, job=job).state == "cancelled"
        assert AuditEntry.across_tenants.filter(action="test.failed").count() == 1


class TestStates:
    @pytest.mark.parametrize("state", Job.State)
    @pytest.mark.parametrize("to", Job.State)
    def test_only_a_legal_successor_may_follow(self, create, state, to):
        job = create()
        job.state = state
        if to in NEXT[state]:
            move(job, to)
            assert job.state == to
        else:
            with pytest.raises(IllegalTransition, match=f"is {state} and can't become {to}"):
                move(job, to)
            assert job.state == state

    def test_what_is_over_stays_over_unless_a_person_starts_it_again(self):
        assert NEXT[Job.State.SUCCEEDED] == frozenset()
        for state in (Job.State.FAILED, Job.State.CANCELLED):
            assert NEXT[state] == {Job.State.QUEUED}


class TestEvents:
    def test_numbers_go_on_without_a_gap(self, create, story):
        job = create()
        append(job, [NewEvent(JobEvent.Kind.LOG, {"message": str(index)}) for index in range(3)])
        append(job, [])
        append(job, [NewEvent(JobEvent.Kind.LOG, {"message": "last"})])
        assert [data["message"] for kind, data in story(job) if kind == "log"] == ["0", "1", "2", "last"]

    def test_a_write_that_fails_leaves_no_gap(self, create, story):
        job = create()
        lease = begin(job)
        with pytest.raises(TypeError, match="not JSON serializable"):
            keep(lease, [NewEvent(JobEvent.Kind.LOG, {"message": object()})])
        keep(lease, [NewEvent(JobEvent.Kind.LOG, {"message": "good"})])
        assert story(job)[-1] == ("log", {"message": "good"})

    @pytest.mark.django_db(transaction=True)
    def test_watchers_are_woken_after_the_commit_only(self, create, monkeypatch):
        woken: list[UUID] = []
        monkeypatch.setattr(events, "wake", woken.append)
        with transaction.atomic():
            job = create()
            assert woken == []
        assert set(woken) == {job.pk}

    def test_a_channel_layer_that_is_down_is_no_fault_of_the_job(self, create, monkeypatch, caplog):
        class Down:
            async def group_send(self, group, message):
                raise ConnectionError("no broker")

        monkeypatch.setattr(events, "get_channel_layer", Down)
        events.wake(create().pk)
        assert "could not be woken" in caplog.text
