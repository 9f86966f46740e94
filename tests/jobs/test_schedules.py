"""Schedules as they fire: django-q2's own scheduler and the real broker send, and what they send is run here."""

from __future__ import annotations

import pydoc
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from time import sleep
from typing import Any
from unittest.mock import Mock

import pytest
from django import forms
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404
from django.urls import reverse
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import OrmQ, Schedule, Task
from django_q.scheduler import scheduler
from django_q.signing import SignedPackage

from apps.accounts.models import Membership, Organization
from apps.errors import Refused
from apps.jobs.endings import end_cancelled
from apps.jobs.models import Job
from apps.jobs.schedules import starting, timers
from apps.jobs.schedules.firing import fire
from apps.jobs.schedules.models import JobSchedule
from apps.jobs.schedules.services import (
    Plan,
    change_schedule,
    create_schedule,
    delete_schedule,
    pause_schedule,
    resume_schedule,
    run_now,
)
from apps.jobs.schedules.starting import Startable, Subject
from apps.jobs.services import create_job
from apps.projects.access import Access
from apps.projects.models import AuditEntry
from tests.delivery.threads import at_once

pytestmark = pytest.mark.django_db
LATE = timedelta(hours=100)


@pytest.fixture
def startable(monkeypatch, scripted) -> Startable:
    """A schedule may start checks: `wants` says what of, "nothing" is refused, "dust" is a fault of the platform."""

    def describe(access: Access, payload: dict[str, Any]) -> Subject:
        if payload.get("wants") == "chaos":
            message = "Chaos can't be checked."
            raise Refused("unknown", message, details=[{"field": "payload.wants", "message": message}])
        return Subject(f"Check {payload['wants']}", f"A check of {payload['wants']}", payload)

    def start(access: Access, payload: dict[str, Any], key: str | None) -> Job:
        title = f"Check {payload['wants']}"
        job = create_job(access=access, kind=Job.Kind.CHECK, title=title, payload={}, idempotency_key=key)
        if payload["wants"] == "nothing":
            raise Refused("nothing_there", "There is nothing to check.")
        if payload["wants"] == "dust":
            raise ValueError("dust")
        return job

    made = Startable("check", "Check", {"wants": forms.CharField()}, describe, start, lambda access, payload: "/there/")
    monkeypatch.setitem(starting._startables, "check", made)
    return made


def chosen(wants: str = "digits", **fields: Any) -> dict[str, Any]:
    about = {"every": "week", "weekday": "monday", "at": time(6, 0), "zone": "Europe/Berlin", **fields}
    return {"payload": {"wants": wants}, **about}


def plan(wants: str = "digits", **fields: Any) -> Plan:
    return Plan(**chosen(wants, **fields))


@pytest.fixture
def make_schedule(access, startable):
    """`make_schedule("digits", every="hour", weekday="")` → a schedule that checks digits."""

    def make(wants: str = "digits", **fields: Any) -> JobSchedule:
        return create_schedule(access=access, starts="check", plan=plan(wants, **fields))

    return make


@pytest.fixture
def send(monkeypatch):
    """`send()` → the round that django-q2's sentinel makes every half a minute, over the connection of the test."""
    monkeypatch.setattr("django_q.scheduler.close_old_django_connections", lambda: None)
    return lambda: scheduler(get_broker())


def pass_time(schedule: JobSchedule, by: timedelta = timedelta(minutes=1)) -> datetime:
    """Its due time was `by` ago; its timer knows."""
    due = timezone.now() - by
    JobSchedule.across_tenants.filter(pk=schedule.pk).update(next_run=due)
    Schedule.objects.filter(pk=schedule.timer_id).update(next_run=due)
    schedule.refresh_from_db()
    return due


def due(schedule: JobSchedule, by: timedelta = timedelta(minutes=1)) -> JobSchedule:
    """The schedule after its due time has come and was handled."""
    pass_time(schedule, by)
    fire(str(schedule.pk))
    schedule.refresh_from_db()
    return schedule


def ahead(schedule: JobSchedule) -> timedelta:
    """How far away its next due time is."""
    assert schedule.next_run is not None
    return schedule.next_run - timezone.now()


def jobs() -> list[str]:
    return list(Job.across_tenants.filter(kind="check").order_by("id").values_list("title", flat=True))


def finish(schedule: JobSchedule) -> None:
    assert schedule.last_job is not None
    end_cancelled(schedule.last_job)


class TestTheQueue:
    def test_its_timer_is_due_when_it_is(self, make_schedule):
        schedule = make_schedule()
        timer = schedule.timer
        assert (timer.next_run, timer.func) == (schedule.next_run, "apps.jobs.schedules.firing.fire")
        assert schedule.local_next_run.strftime("%A %H:%M %Z") in {"Monday 06:00 CET", "Monday 06:00 CEST"}

    def test_django_q2_sends_a_message_that_a_worker_runs(self, make_schedule, send):
        schedule = make_schedule()
        send()
        assert not OrmQ.objects.exists()
        was_due = pass_time(schedule)
        send()
        send()  # another worker's, a moment later: the timer is not due any more
        broker = get_broker()
        [(message, package)] = broker.dequeue()
        assert OrmQ.objects.count() == 1
        task = SignedPackage.loads(package)
        assert (task["name"], task["save"]) == (f"schedule {schedule.pk}", False)
        function = pydoc.locate(task["func"])
        assert callable(function)
        function(*task["args"], **task["kwargs"])
        broker.acknowledge(message)
        schedule.refresh_from_db()
        assert schedule.last_job.idempotency_key == f"schedule {schedule.pk} {was_due.isoformat()}"
        assert schedule.last_due == was_due
        assert ahead(schedule) > timedelta(0)
        assert schedule.timer.next_run == schedule.next_run
        assert not Task.objects.exists()

    def test_a_message_that_is_lost_with_its_worker_comes_again(self, make_schedule, send):
        schedule = make_schedule()
        pass_time(schedule)
        send()
        OrmQ.objects.all().delete()
        timer = Schedule.objects.get(pk=schedule.timer_id)
        assert timedelta(0) < timer.next_run - timezone.now() <= timedelta(minutes=timers.REPEAT_MINUTES)
        Schedule.objects.update(next_run=timezone.now() - timedelta(seconds=1))
        send()
        assert OrmQ.objects.count() == 1

    def test_a_timer_that_is_deleted_is_made_again(self, make_schedule, django_assert_num_queries):
        schedule, paused = make_schedule(), make_schedule(enabled=False)
        Schedule.objects.all().delete()  # in the admin
        timers.mend()
        schedule.refresh_from_db()
        paused.refresh_from_db()
        assert schedule.timer.next_run == schedule.next_run
        assert paused.timer is None
        with django_assert_num_queries(2):
            timers.mend()

    @pytest.mark.parametrize(
        "broken",
        [
            {"repeats": 0},
            {"next_run": None},
            {"next_run": datetime(2026, 1, 1, tzinfo=UTC), "cluster": "elsewhere"},
            {"next_run": datetime(2026, 1, 1, tzinfo=UTC), "schedule_type": Schedule.ONCE, "func": "x.y"},
            {"args": "(", "kwargs": "[1]"},
        ],
    )
    def test_a_timer_that_somebody_has_broken_is_put_right(self, make_schedule, send, broken):
        schedule = make_schedule()
        pass_time(schedule)
        right = Schedule.objects.values().get()
        Schedule.objects.update(**broken)
        timers.mend()
        assert Schedule.objects.values().get() == right
        send()
        assert OrmQ.objects.count() == 1

    @pytest.mark.parametrize("fields", [{"args": "(2, -2"}, {"kwargs": "[1]"}, {"args": "elsewhere"}])
    def test_a_row_that_django_q2_cannot_read_keeps_no_other_from_being_sent(self, make_schedule, send, caplog, fields):
        pass_time(make_schedule())
        earlier = timezone.now() - timedelta(hours=1)
        own = {"name": "an operator's own", "func": "math.copysign", "next_run": earlier, "schedule_type": "H"}
        broken = Schedule.objects.create(**own, **fields)
        fine = Schedule.objects.create(**own | {"name": "fine"}, args="2, -2", kwargs="a=1")
        send()
        assert OrmQ.objects.count() == 0
        timers.mend()
        send()
        assert OrmQ.objects.count() == 2
        assert list(Schedule.objects.filter(repeats=0)) == [broken]
        assert f"The scheduled task {broken.pk} (an operator's own) is stopped" in caplog.text
        fine.refresh_from_db()
        assert fine.next_run > timezone.now()

    def test_the_timer_of_a_project_that_is_gone_goes_with_its_next_message(self, make_schedule, project):
        schedule = make_schedule()
        Job.across_tenants.all().delete()
        project.delete()
        assert Schedule.objects.exists()
        fire(str(schedule.pk))
        assert not Schedule.objects.exists()


class TestFiring:
    def test_fired_twice_it_is_one_job(self, make_schedule):
        schedule = due(make_schedule())
        fire(str(schedule.pk))
        assert jobs() == ["Check digits"]

    def test_one_due_time_is_one_job_even_if_its_handling_was_forgotten(self, make_schedule):
        schedule = make_schedule()
        was_due = pass_time(schedule)
        fire(str(schedule.pk))
        finish(JobSchedule.across_tenants.get())
        JobSchedule.across_tenants.update(next_run=was_due)
        fire(str(schedule.pk))
        assert jobs() == ["Check digits"]

    def test_what_was_missed_while_no_worker_ran_is_run_once(self, make_schedule):
        schedule = due(make_schedule(every="hour", weekday=""), by=LATE)
        assert jobs() == ["Check digits"]
        assert timedelta(0) < ahead(schedule) <= timedelta(hours=1)

    def test_before_its_time_nothing_happens(self, make_schedule):
        schedule = make_schedule()
        Schedule.objects.update(next_run=timezone.now())  # the scheduling machine's clock is ahead
        fire(str(schedule.pk))
        assert jobs() == []
        assert Schedule.objects.get().next_run == schedule.next_run

    def test_the_job_is_in_the_name_of_the_person(self, make_schedule, developer):
        job = due(make_schedule()).last_job
        assert job.created_by == developer
        entry = AuditEntry.across_tenants.get(action="schedule.fired")
        assert (entry.user, entry.details) == (developer, {"job": str(job.pk)})

    def test_it_is_due_again_after_a_job_that_was_made(self, make_schedule):
        schedule = due(make_schedule())
        finish(schedule)
        assert (due(schedule).skip_code, len(jobs())) == ("", 2)


def leave(access: Access) -> None:
    Membership.across_tenants.filter(user=access.user).delete()


def lose_role(access: Access) -> None:
    Membership.across_tenants.filter(user=access.user).update(role="viewer")


def close_account(access: Access) -> None:
    assert access.user is not None
    access.user.delete()


def lock_account(access: Access) -> None:
    assert access.user is not None
    type(access.user).objects.filter(pk=access.user.pk).update(is_active=False)


def use_up_quota(access: Access) -> None:
    Organization.objects.update(used_bytes=2**30)


class TestSkipping:
    @pytest.mark.parametrize(
        ("happened", "code", "words"),
        [
            (leave, "person_gone", "developer@example.com is no longer a member of Acme"),
            (lock_account, "person_gone", "developer@example.com is no longer a member of Acme"),
            (close_account, "person_gone", "The account of whoever it ran for is deleted"),
            (lose_role, "role_too_low", "needs the role developer or above"),
            (use_up_quota, "quota_exceeded", "All of the 1.0 GB quota of Acme is used up"),
        ],
    )
    def test_it_says_why_nothing_was_started_and_goes_on(self, make_schedule, access, happened, code, words):
        schedule = make_schedule()
        happened(access)
        due(schedule)
        assert (schedule.skip_code, jobs()) == (code, [])
        assert words in schedule.skip_message
        assert ahead(schedule) > timedelta(0)
        assert schedule.timer.next_run == schedule.next_run

    def test_a_job_that_has_not_ended_is_waited_for(self, make_schedule):
        schedule = due(make_schedule())
        first = schedule.last_job
        due(schedule)
        assert (schedule.skip_code, schedule.last_job) == ("still_running", first)
        assert "Check digits, has not ended: it is queued" in schedule.skip_message
        finish(schedule)
        assert due(schedule).skip_code == ""
        assert schedule.last_job != first

    def test_what_refuses_to_be_started_says_why_and_leaves_nothing(self, make_schedule):
        schedule = due(make_schedule("nothing"))
        assert (schedule.skip_code, schedule.skip_message) == ("nothing_there", "There is nothing to check.")
        assert jobs() == []

    def test_a_fault_of_the_platform_is_logged_and_ends_no_schedule(self, make_schedule, caplog):
        schedule = due(make_schedule("dust"))
        assert (schedule.skip_code, jobs()) == ("internal_error", [])
        assert "ValueError: dust" in caplog.text
        assert ahead(schedule) > timedelta(0)

    @pytest.mark.parametrize("fault", [IntegrityError("a row too many"), DataError("too long")])
    def test_what_the_database_refuses_is_a_fault_as_well(self, make_schedule, monkeypatch, fault):
        schedule = make_schedule()
        monkeypatch.setattr("apps.jobs.schedules.firing.record", Mock(side_effect=fault))  # after the job was made
        due(schedule)
        assert (schedule.skip_code, schedule.last_job, jobs()) == ("internal_error", None, [])
        assert ahead(schedule) > timedelta(0)

    @pytest.mark.parametrize("fault", [OperationalError, InterfaceError])
    def test_a_database_that_does_not_answer_is_asked_again(self, make_schedule, monkeypatch, fault):
        schedule = make_schedule()
        was_due = pass_time(schedule)
        with monkeypatch.context() as patched:
            patched.setattr("apps.jobs.schedules.firing.record", Mock(side_effect=fault))
            with pytest.raises(fault):
                fire(str(schedule.pk))
        schedule.refresh_from_db()
        assert (schedule.next_run, schedule.skip_code) == (was_due, "")
        fire(str(schedule.pk))
        assert jobs() == ["Check digits"]

    def test_a_zone_that_the_platform_knows_no_longer_is_said_and_ends_no_schedule(
        self, make_schedule, access, page_of, developer
    ):
        schedule = make_schedule()
        JobSchedule.across_tenants.update(zone="Gone/Zone")
        due(schedule)
        assert (schedule.skip_code, jobs()) == ("zone_unknown", [])
        assert timedelta(0) < ahead(schedule) <= timedelta(hours=1)
        assert schedule.timer.next_run == schedule.next_run
        page = page_of(developer)
        for address in (
            reverse("schedule-list", args=["acme", "reader"]),
            reverse("schedule", args=["acme", "reader", schedule.pk]),
        ):
            assert "The platform does not know the time zone Gone/Zone any more." in page.get(address).content.decode()
        pause_schedule(access=access, schedule=schedule)
        answer = page.post(reverse("schedule-resume", args=["acme", "reader", schedule.pk]), follow=True)
        assert "does not know the time zone Gone/Zone" in answer.content.decode()
        change_schedule(access=access, schedule=schedule, changes={"zone": "UTC", "enabled": True})
        assert due(schedule).skip_code == ""

    def test_who_saves_it_is_who_it_runs_for_from_then_on(self, make_schedule, access, owner):
        schedule = make_schedule()
        leave(access)
        change_schedule(access=replace(access, actor=owner), schedule=schedule, changes=chosen())
        assert due(schedule).last_job.created_by == owner


class TestPeople:
    def test_all_that_is_done_is_in_the_audit_log(self, make_schedule, access):
        schedule = make_schedule()
        change_schedule(access=access, schedule=schedule, changes={"every": "day"})
        for change in (pause_schedule, pause_schedule, resume_schedule, run_now, delete_schedule):
            change(access=access, schedule=schedule)
        actions = AuditEntry.across_tenants.order_by("id").values_list("action", flat=True)
        done = ["created", "changed", "paused", "resumed", "run", "deleted"]
        assert list(actions) == [f"schedule.{one}" for one in done]
        assert AuditEntry.across_tenants.get(action="schedule.changed").details["when"] == "Every day at 06:00"

    def test_paused_nothing_is_due(self, make_schedule, access):
        schedule = make_schedule()
        pause_schedule(access=access, schedule=schedule)
        assert not Schedule.objects.exists()
        fire(str(schedule.pk))  # a message that was on its way
        assert jobs() == []
        resumed = resume_schedule(access=access, schedule=schedule)
        assert ahead(resumed) > timedelta(0)
        assert resumed.timer.next_run == resumed.next_run

    def test_a_change_moves_the_timer(self, make_schedule, access):
        schedule = make_schedule()
        changed = change_schedule(access=access, schedule=schedule, changes={"weekday": "tuesday"})
        assert changed.next_run.strftime("%A") == "Tuesday"
        assert Schedule.objects.get().next_run == changed.next_run

    @pytest.mark.parametrize(("changes", "fires"), [({"name": "Other"}, 1), ({"at": time(6, 5)}, 0)])
    def test_a_change_drops_a_run_that_is_due_only_if_the_times_change(self, make_schedule, access, changes, fires):
        schedule = make_schedule()
        pass_time(schedule)
        change_schedule(access=access, schedule=schedule, changes=changes)
        fire(str(schedule.pk))
        assert len(jobs()) == fires

    def test_a_change_undoes_nothing_that_somebody_else_has_changed_meanwhile(self, make_schedule, access):
        schedule = make_schedule()  # as a request has read it
        pause_schedule(access=access, schedule=schedule)
        changed = change_schedule(access=access, schedule=schedule, changes={"name": "Other"})
        assert (changed.name, changed.enabled, changed.timer) == ("Other", False, None)

    def test_what_was_deleted_meanwhile_is_not_there(self, make_schedule, access):
        schedule, again = make_schedule(), JobSchedule.across_tenants.get()
        delete_schedule(access=access, schedule=schedule)
        with pytest.raises(Http404):
            delete_schedule(access=access, schedule=again)

    def test_deleted_its_jobs_stay(self, make_schedule, access):
        schedule = due(make_schedule())
        delete_schedule(access=access, schedule=schedule)
        assert jobs() == ["Check digits"]
        assert not Schedule.objects.exists()
        assert not JobSchedule.across_tenants.exists()

    def test_run_now_is_besides_the_due_times_and_waits_for_the_last_job(self, make_schedule, access, owner):
        schedule = make_schedule()
        job = run_now(access=replace(access, actor=owner), schedule=schedule)
        assert job.created_by == owner
        with pytest.raises(Refused, match="has not ended"):
            run_now(access=access, schedule=schedule)
        was, now = schedule.next_run, JobSchedule.across_tenants.get()
        assert (now.next_run, now.last_job) == (was, job)

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"zone": "Europe/Bantam"}, "The zone can't be used. Received: 'Europe/Bantam'."),
            ({"zone": "../etc/passwd"}, "a name of the IANA database such as Europe/Berlin"),
            ({"every": "year"}, "Received: 'year'. Accepted: hour, day, week."),
            ({"weekday": ""}, "The weekday can't be used. Received: nothing. Accepted: monday,"),
            ({"every": "day"}, "Received: 'monday'. Accepted: nothing, unless it is due every week."),
            ({"wants": "chaos"}, "Chaos can't be checked."),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, make_schedule, fields, words):
        with pytest.raises(Refused) as caught:
            make_schedule(**fields)
        assert words in caught.value.message
        assert caught.value.details
        assert not Schedule.objects.exists()

    def test_a_project_has_at_most_a_hundred(self, make_schedule, monkeypatch):
        monkeypatch.setattr("apps.jobs.schedules.services.MOST_SCHEDULES", 1)
        make_schedule()
        with pytest.raises(Refused, match="at most 1 schedules"):
            make_schedule()

    def test_what_nobody_registered_is_refused(self, access):
        with pytest.raises(Refused, match="can't start 'cook'") as caught:
            create_schedule(access=access, starts="cook", plan=plan())
        assert caught.value.code == "starts_unknown"


class TestApi:
    BODY = {
        "starts": "check",
        "payload": {"wants": "digits"},
        "every": "week",
        "weekday": "monday",
        "at": "06:00",
        "zone": "Europe/Berlin",
    }

    @pytest.fixture
    def url(self, project, startable) -> str:
        return f"/api/v1/projects/{project.pk}/schedules"

    def test_from_making_to_deleting(self, api_of, developer, url):
        client = api_of(developer)
        made = client.post(url, self.BODY)
        assert made.status_code == 201, made.json()
        row = made.json()
        assert row == row | self.BODY
        about = ("name", "subject", "enabled", "last_job", "skipped", "runs_as")
        assert [row[name] for name in about] == [
            *("Check digits", "A check of digits", True, None, None),
            "developer@example.com",
        ]
        one = f"{url}/{row['id']}"
        changed = client.patch(one, {"every": "day", "at": "18:30"}).json()
        assert [changed[name] for name in ("every", "weekday", "at", "zone")] == ["day", "", "18:30", "Europe/Berlin"]
        assert client.patch(one, {"enabled": False}).json()["next_run"] is None
        assert client.post(f"{one}/run").json()["title"] == "Check digits"
        assert client.post(f"{one}/run").status_code == 409
        [listed] = client.get(url).json()["results"]
        assert listed == client.get(one).json()
        assert listed["last_job"]["state"] == "queued"
        assert client.delete(one).status_code == 204
        assert client.get(one).status_code == 404

    def test_enabled_alone_pauses_and_resumes_and_takes_nothing_over(
        self, api_of, owner, developer, make_schedule, startable, monkeypatch, url
    ):
        schedule = make_schedule()

        def describe(access: Access, payload: dict[str, Any]) -> Subject:
            raise Refused("run_unknown", "It is gone.")

        monkeypatch.setitem(starting._startables, "check", replace(startable, describe=describe))
        client = api_of(owner)
        assert client.patch(f"{url}/{schedule.pk}", {"enabled": False}).json()["next_run"] is None
        row = client.patch(f"{url}/{schedule.pk}", {"enabled": True}).json()
        assert (row["enabled"], row["runs_as"]) == (True, developer.email)
        actions = AuditEntry.across_tenants.order_by("id").values_list("action", flat=True)
        assert list(actions) == ["schedule.created", "schedule.paused", "schedule.resumed"]

    def test_why_it_was_skipped(self, api_of, viewer, make_schedule, access, url):
        schedule = make_schedule()
        leave(access)
        due(schedule)
        [row] = api_of(viewer).get(url).json()["results"]
        assert row["skipped"]["code"] == "person_gone"

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"at": "6 o'clock"}, "at"),
            ({"zone": "Mars"}, "zone"),
            ({"weekday": "someday"}, "weekday"),
            ({"payload": {"wants": "chaos"}}, "payload.wants"),
            ({"payload": []}, "payload"),
            ({"starts": "cook"}, "starts"),
        ],
    )
    def test_bad_input_is_named(self, api_of, developer, url, change, field):
        answer = api_of(developer).post(url, self.BODY | change)
        assert answer.status_code == 400
        assert field in [detail["field"] for detail in answer.json()["error"]["details"]]

    def test_keys_read_and_run_but_do_not_make(self, api_of, server_key, make_schedule, url):
        client, schedule = api_of(server_key), make_schedule()
        assert client.post(url, self.BODY).status_code == 403
        assert client.post(f"{url}/{schedule.pk}/run").status_code == 201
        assert client.get(f"{url}/{schedule.pk}").json()["last_job"]["title"] == "Check digits"

    def test_the_list_costs_the_same_however_long(self, api_of, viewer, make_schedule, url, django_assert_num_queries):
        for wants in ("digits", "letters", "faces"):
            due(make_schedule(wants))
        client = api_of(viewer)
        client.get(url)
        with django_assert_num_queries(5):  # session, user, project, role, schedules
            assert len(client.get(url).json()["results"]) == 3


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_fire_at_the_same_moment_make_one_job(make_schedule):
    schedule = make_schedule()
    pass_time(schedule)
    at_once(fire, [str(schedule.pk)] * 2)
    assert jobs() == ["Check digits"]
    schedule.refresh_from_db()
    assert (schedule.skip_code, ahead(schedule) > timedelta(0)) == ("", True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_due", [False, True])
def test_of_two_that_start_it_at_the_same_moment_one_waits_and_then_refuses(
    make_schedule, access, startable, monkeypatch, is_due
):
    """Run now twice, or once while it is due; the last job that both have read is an older one."""
    schedule = due(make_schedule())
    finish(schedule)
    if is_due:
        pass_time(schedule)

    def slowly(*given: Any) -> Job:
        sleep(0.5)  # with the lock, for which the other one waits by then
        return startable.start(*given)

    monkeypatch.setitem(starting._startables, "check", replace(startable, start=slowly))

    def press(_: object) -> str:
        try:
            run_now(access=access, schedule=schedule)
        except Refused as refused:
            return refused.code
        return "started"

    def handle(_: object) -> str:
        fire(str(schedule.pk))
        return "handled"

    said = at_once(lambda work: work(None), [press, handle if is_due else press])
    assert len(jobs()) == 2
    schedule.refresh_from_db()
    assert "still_running" in [*said, schedule.skip_code]


@pytest.mark.django_db(transaction=True)
def test_the_limit_holds_for_two_that_are_made_at_the_same_moment(make_schedule, startable, monkeypatch):
    monkeypatch.setattr("apps.jobs.schedules.services.MOST_SCHEDULES", 1)

    def slowly(access: Access, payload: dict[str, Any]) -> Subject:
        sleep(0.5)
        return startable.describe(access, payload)

    monkeypatch.setitem(starting._startables, "check", replace(startable, describe=slowly))

    def make(_: object) -> str:
        try:
            make_schedule()
        except Refused as refused:
            return refused.code
        return "made"

    assert sorted(at_once(make, [1, 2])) == ["made", "too_many_schedules"]
