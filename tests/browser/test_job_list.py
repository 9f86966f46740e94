"""The list of jobs as people use it: what is selected outlives the updates, and one request changes all of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.browser.axe import problems_of

# Runs inside of the platform under test. The running job has no worker, but its lease holds.
SEED = """
from datetime import timedelta
from django.utils import timezone
from apps.accounts.models import Role
from apps.jobs.models import Job
from tests.access.world import make_world

world = make_world("listed")
project, owner, now = world.project, world.people[Role.OWNER], timezone.now()
Job.across_tenants.filter(project=project).update(state="succeeded", finished_at=now)
for state, fields in (
    ("running", {"started_at": now, "lease_expires_at": now + timedelta(days=1)}),
    ("failed", {"finished_at": now, "error_code": "broken", "error_message": "x is broken."}),
    ("cancelled", {"finished_at": now, "saved_work": "some/key"}),
):
    Job.across_tenants.create(
        project=project, kind="train", title=f"One that is {state}", state=state, created_by=owner, **fields)
seeded = {"list": f"/o/listed/p/{project.slug}/jobs/"}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_and_fits_a_phone(open_page: Callable[..., Page], seed, state, scheme: str) -> None:
    page = open_page(state=state, phone=True, scheme=scheme)
    page.goto(seed["list"])
    page.get_by_label("Select One that is failed").check()
    assert problems_of(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 375


def test_what_is_selected_outlives_an_update_and_is_changed_at_once(
    open_page: Callable[..., Page], seed, state
) -> None:
    page = open_page(state=state)
    questions: list[str] = []

    def agree(dialog: Dialog) -> None:
        questions.append(dialog.message)
        dialog.accept()

    page.on("dialog", agree)
    page.goto(f"{seed['list']}?who=owner@listed.example")
    bar = page.locator("#bulk")
    expect(bar.get_by_role("button", name="Start again")).to_be_disabled()
    with page.expect_response(lambda response: response.request.headers.get("hx-request") == "true"):
        page.get_by_label("Select One that is failed").press("Space")
        page.get_by_label("Select One that is running").press("Space")
    expect(page.locator("#jobs.htmx-swapping, #jobs.htmx-settling")).to_have_count(0)
    expect(bar.get_by_role("status")).to_have_text("2 selected")
    expect(page.get_by_label("Select One that is failed")).to_be_checked()
    expect(page.get_by_label("Select One that is cancelled")).not_to_be_checked()
    bar.get_by_role("button", name="Start again").press("Enter")
    alerts = page.locator("#messages [role=alert]")
    expect(alerts.nth(0)).to_contain_text("Waiting for a worker, to begin anew (1): One that is failed")
    expect(alerts.nth(1)).to_contain_text("Not changed (1): One that is running. Only training jobs that failed")
    assert page.url.endswith("?who=owner@listed.example")
    # One row's own button asks as well, and changes that row alone.
    page.get_by_role("button", name="Cancel One that is running").click()
    expect(page.get_by_text("The job is being stopped; this takes some seconds.")).to_be_visible()
    expect(page.locator("tr", has=page.get_by_label("Select One that is running"))).to_contain_text("Stopping…")
    assert [question.split("?")[0] for question in questions] == [
        "Start the selected jobs again from the beginning",
        "Cancel this job",
    ]
