"""Making a schedule from a run's page, and how its pages look."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import problems_on

# Runs inside of the platform under test. Nothing here is due while the tests run.
SEED = """
from datetime import time, timedelta
from django.utils import timezone
from apps.accounts.models import Role
from apps.jobs.schedules.models import JobSchedule
from apps.projects.models import Project
from apps.training.models import TrainingRun
from tests.access.world import make_world

world = make_world("planned")
project, owner = world.project, world.people[Role.OWNER]
run = TrainingRun.objects.for_project(project).get()
now = timezone.now()
first = JobSchedule.objects.for_project(project).get()
about = dict(project=project, starts="train", payload=first.payload, subject=first.subject, runs_as=owner)
JobSchedule.across_tenants.create(
    name="Each evening, for the kiosk in the entrance hall", every="day", at=time(18, 30), zone="America/New_York",
    next_run=now + timedelta(hours=20), last_due=now - timedelta(hours=4), last_job=run.job,
    skip_code="still_running",
    skip_message="The job of the last time, A job to train, has not ended: it is queued.", **about)
JobSchedule.across_tenants.create(
    name="Each hour", every="hour", at=time(0, 15), zone="Asia/Kolkata", enabled=False, last_job=run.job,
    last_due=now - timedelta(days=2), **about)
Project.across_tenants.create(organization=project.organization, name="Nothing yet", slug="nothing-yet")
here = f"/o/planned/p/{project.slug}"
seeded = {"run": f"{here}/training/{run.pk}/", "list": f"{here}/jobs/schedules/",
          "one": f"{here}/jobs/schedules/{first.pk}/",
          "new": f"{here}/jobs/schedules/new/?starts=train&run={run.pk}",
          "nothing": f"{here}/jobs/schedules/new/", "empty": "/o/planned/p/nothing-yet/jobs/schedules/"}
"""
PAGES = ("run", "list", "one", "new", "nothing", "empty")


def test_from_a_run_to_a_schedule_that_is_run_paused_and_deleted(open_page: Callable[..., Page], seed, state) -> None:
    page = open_page(state=state)
    page.goto(seed["run"])
    page.get_by_role("button", name="Go on from it").click()
    page.get_by_role("link", name="Train on a schedule").click()
    mine = page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    expect(page.get_by_label("Time zone")).to_have_value(mine)
    expect(page.get_by_label("Day", exact=True)).to_be_visible()
    page.get_by_label("How often").select_option(label="Every day")
    expect(page.get_by_label("Day", exact=True)).to_be_hidden()
    page.get_by_label("Name").fill("Each night")
    page.get_by_label("Time", exact=True).fill("02:30")
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    page.get_by_role("button", name="Make the schedule").click()
    row = page.get_by_role("row", name="Each night")
    expect(row).to_contain_text("Every day at 02:30")
    page.get_by_role("button", name="Pause Each night").click()
    expect(row).to_contain_text("Paused")
    page.get_by_role("button", name="Run now: Each night").click()
    expect(page.get_by_text("Train First is in the queue.")).to_be_visible()
    page.get_by_role("link", name="Each night").click()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Each night is deleted. The jobs that it has started stay.")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible_and_fit_a_phone(open_page: Callable[..., Page], seed, state, scheme: str) -> None:
    desktop, phone = open_page(state=state, scheme=scheme), open_page(state=state, scheme=scheme, phone=True)
    problems = []
    for name in PAGES:
        problems += problems_on(desktop, seed[name])
        problems += problems_on(phone, seed[name])
        if (width := phone.evaluate("document.documentElement.scrollWidth")) > phone.viewport_size["width"]:
            problems.append(f"{seed[name]} is {width} px wide on a phone")
    assert not problems, "\n".join(problems)
