"""What happens when a schedule is due: a job is made, or it says why not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from time import sleep
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.urls import reverse
from django.utils import timezone
from django_q.models import Schedule

from apps.errors import Refused
from apps.jobs.models import Job
from apps.jobs.schedules import starting
from apps.jobs.schedules.firing import fire
from apps.jobs.schedules.models import JobSchedule
from apps.jobs.schedules.services import (
    change_schedule,
    pause_schedule,
    run_now,
)
from apps.projects.models import AuditEntry
from tests.delivery.threads import at_once
from tests.jobs.schedules.moments import (
    LATE,
    ahead,
    chosen,
    close_account,
    due,
    finish,
    jobs,
    leave,
    lock_account,
    lose_role,
    pass_time,
    use_up_quota,
)

pytestmark = pytest.mark.django_db


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
