"""A job's page in a real browser, while the job runs and while the web server goes away and comes back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.jobs.conftest import RESULT
from tests.jobs.processes import Platform

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and "browser" not in os.environ.get("REQUIRE", ""), reason="needs Chromium, and PATH has none"
    ),
]


@pytest.fixture(scope="module")
def platform(tmp_path_factory) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("live"), "tests.jobs.scripted.settings", debug=True)
    platform.start_worker()
    yield platform
    platform.close()


@pytest.fixture
def page(platform) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context()
        context.add_cookies(
            [{"name": "sessionid", "value": platform.session, "url": f"http://127.0.0.1:{platform.port}"}]
        )
        page = context.new_page()
        page.set_default_timeout(30_000)
        expect.set_options(timeout=30_000)
        yield page
        browser.close()


def counting(lines: int) -> list[list]:
    """A script that says a number every half second, with progress."""
    return [
        step
        for number in range(lines)
        for step in (["log", "info", f"number {number}"], ["progress", number + 1, lines], ["sleep", 0.5])
    ]


def test_a_job_is_followed_from_the_queue_to_its_end(platform, page):
    job_id = platform.create(*counting(6), RESULT)
    page.goto(f"http://127.0.0.1:{platform.port}/o/acme/p/reader/jobs/{job_id}/")
    expect(page.locator("[data-state=running]")).to_be_visible()
    expect(page.get_by_role("log")).to_contain_text("number 3")
    expect(page.locator("[data-job-share]")).not_to_have_text("0 %")
    # The end reads the page again, which then leads on to what was made.
    expect(page.get_by_role("link", name="What it made")).to_be_visible()
    expect(page.locator("[data-state=succeeded]")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)


def test_a_web_server_that_goes_away_and_comes_back_leaves_no_gap(platform, page):
    job_id = platform.create(*counting(40), RESULT)
    page.goto(f"http://127.0.0.1:{platform.port}/o/acme/p/reader/jobs/{job_id}/")
    expect(page.get_by_role("log")).to_contain_text("number 2")
    platform.web.kill()
    platform.web.wait(10)
    expect(page.get_by_text("The connection is lost.")).to_be_visible()
    platform.start_web()
    expect(page.get_by_text("The connection is lost.")).to_be_hidden()
    expect(page.get_by_role("log")).to_contain_text("number 30")
    lines = [line for line in page.get_by_role("log").inner_text().splitlines() if line.startswith("number")]
    assert lines[:31] == [f"number {number}" for number in range(31)]


def test_a_job_is_cancelled_from_its_page(platform, page):
    job_id = platform.create(["log", "info", "at work"], ["sleep", 60])
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"http://127.0.0.1:{platform.port}/o/acme/p/reader/jobs/{job_id}/")
    expect(page.get_by_role("log")).to_contain_text("at work")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert").filter(has_text="The job was cancelled.")).to_be_visible()
    expect(page.locator("[data-state=cancelled]")).to_be_visible()


def test_the_list_follows_by_itself(platform, page):
    job_id = platform.create(["sleep", 4], RESULT)
    page.goto(f"http://127.0.0.1:{platform.port}/o/acme/p/reader/jobs/")
    row = page.locator("tr", has=page.locator(f"#job-{job_id}"))
    expect(row).to_contain_text("Running")
    expect(row).to_contain_text("Succeeded")
