"""What people do with schedules."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from time import sleep
from typing import Any

import pytest
from django.http import Http404
from django_q.models import Schedule

from apps.errors import Refused
from apps.jobs.schedules import starting
from apps.jobs.schedules.firing import fire
from apps.jobs.schedules.models import JobSchedule
from apps.jobs.schedules.services import (
    change_schedule,
    create_schedule,
    delete_schedule,
    pause_schedule,
    resume_schedule,
    run_now,
)
from apps.jobs.schedules.starting import Subject
from apps.projects.access import Access
from apps.projects.models import AuditEntry
from tests.delivery.threads import at_once
from tests.jobs.schedules.moments import ahead, due, jobs, pass_time, plan

pytestmark = pytest.mark.django_db


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
