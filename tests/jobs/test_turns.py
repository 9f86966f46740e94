"""Whose turn it is, between organizations and within one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from apps.accounts.models import Organization, Role
from apps.jobs.endings import end_failed, pause_before
from apps.jobs.leases import held, take
from apps.jobs.models import Job, Share
from apps.jobs.queue import enqueue
from apps.jobs.services import create_job
from apps.jobs.states import move
from apps.jobs.sweep import sweep
from apps.jobs.turns import has_next
from apps.jobs.worker import run_job
from apps.projects.access import Access
from apps.projects.models import Project
from tests.jobs.conftest import RESULT

pytestmark = pytest.mark.django_db


@pytest.fixture
def add(scripted, developer):
    """`add("acme", 3)` → three queued jobs of that organization, which is made where it does not exist."""

    def add(name: str, count: int = 1, **options) -> list[Job]:
        organization, _ = Organization.objects.get_or_create(slug=name, defaults={"name": name, "quota_bytes": 2**30})
        project = Project.across_tenants.filter(organization=organization).first()
        project = project or Project.across_tenants.create(organization=organization, name="Reader", slug="reader")
        access = Access(developer, organization, Role.DEVELOPER, project)
        steps = {"steps": [RESULT]}
        return [
            create_job(access=access, kind=Job.Kind.CHECK, title=f"{name} {n}", payload=steps, **options)
            for n in range(count)
        ]

    return add


def next_titles(count: int) -> list[str]:
    """Take and end so many jobs, one after the other."""
    titles = []
    for _ in range(count):
        taken = take()
        assert taken is not None
        end_failed(held(taken[1]), "over", "Over.", [])
        titles.append(taken[0].title)
    return titles


class TestBetweenOrganizations:
    def test_a_hundred_jobs_of_one_do_not_keep_another_s_single_one_waiting(self, add):
        add("many", 100)
        add("one", 1)
        assert "one 0" in next_titles(2)

    def test_they_take_turns_where_one_worker_serves_all(self, add):
        add("a", 3)
        add("b", 3)
        add("c", 1)
        assert next_titles(7) == ["a 0", "b 0", "c 0", "a 1", "b 1", "a 2", "b 2"]

    def test_the_one_with_the_fewest_running_jobs_is_next(self, add):
        add("a", 5)
        for _ in range(3):
            take()
        add("b", 5)
        taken = [take()[0].title for _ in range(4)]
        assert taken == ["b 0", "b 1", "b 2", "a 3"]

    def test_priority_never_goes_ahead_of_another_organization(self, add):
        add("a", 3, priority=100)
        add("b", 1)
        assert "b 0" in next_titles(2)

    def test_one_look_takes_the_same_number_of_queries_for_any_number_of_jobs(self, add, django_assert_num_queries):
        add("a", 30)
        add("b", 30)
        take()
        with django_assert_num_queries(3):
            assert has_next(timezone.now())
        with django_assert_num_queries(11):
            take()


class TestWithinOne:
    def test_higher_priority_first_then_the_oldest(self, add):
        add("a", 2)
        [urgent] = add("a", 1, priority=5)
        [idle] = add("a", 1, priority=-5)
        Job.across_tenants.filter(pk=urgent.pk).update(title="urgent")
        Job.across_tenants.filter(pk=idle.pk).update(title="idle")
        assert next_titles(4) == ["urgent", "a 0", "a 1", "idle"]

    def test_one_that_is_handed_back_has_its_old_place(self, add):
        add("a", 2)
        taken = take()
        assert taken is not None
        job, lease = taken
        move(held(lease), Job.State.QUEUED)
        assert take()[0].pk == job.pk


class TestLimits:
    def test_an_organization_at_its_limit_is_passed_over(self, add, settings):
        settings.JOB_MAX_RUNNING = 2
        add("a", 4)
        assert [take() is not None for _ in range(3)] == [True, True, False]
        assert not has_next(timezone.now())
        add("b", 1)
        assert take()[0].title == "b 0"

    def test_an_operator_s_number_counts_instead_of_the_setting(self, add, settings):
        settings.JOB_MAX_RUNNING = 1
        add("a", 3)
        Share.across_tenants.update_or_create(
            organization=Organization.objects.get(slug="a"), defaults={"max_running": 2}
        )
        assert [take() is not None for _ in range(3)] == [True, True, False]
        Share.across_tenants.update(max_running=0)  # no limit
        assert take() is not None

    def test_the_end_of_a_job_sends_for_one_that_had_to_wait(self, add, settings):
        settings.JOB_MAX_RUNNING = 1
        first, second = add("a", 2)
        OrmQ.objects.all().delete()
        run_job(str(first.pk))
        assert OrmQ.objects.count() == 1
        run_job(str(second.pk))
        assert OrmQ.objects.count() == 1  # nobody waits any more
        assert set(Job.across_tenants.values_list("state", flat=True)) == {"succeeded"}


class TestTryingAgain:
    def test_the_pauses_grow_up_to_ten_minutes(self, settings):
        settings.JOB_RETRY_S = 2
        pauses = [pause_before(attempt).total_seconds() for attempt in (2, 3, 4, 9)]
        assert [round(pause / expected, 1) for pause, expected in zip(pauses, (2, 8, 32, 600), strict=True)] == [
            pytest.approx(1, abs=0.11)
        ] * 4

    def test_a_job_that_waits_for_its_moment_is_not_taken_and_the_sweep_sends_for_it_then(self, add):
        [job] = add("a")
        OrmQ.objects.all().delete()
        enqueue(job, after=timedelta(minutes=1))
        assert (OrmQ.objects.count(), take()) == (0, None)
        Job.across_tenants.update(ready_at=timezone.now(), remind_at=timezone.now() - timedelta(seconds=1))
        sweep()
        assert OrmQ.objects.count() == 1
        assert take()[0].pk == job.pk
