"""Schedules as they fire: django-q2's own scheduler and the real broker send, and what they send is run here."""

from __future__ import annotations

import pydoc
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import OrmQ, Schedule, Task
from django_q.signing import SignedPackage

from apps.jobs.models import Job
from apps.jobs.schedules import timers
from apps.jobs.schedules.firing import fire
from tests.jobs.schedules.moments import ahead, pass_time

pytestmark = pytest.mark.django_db


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
