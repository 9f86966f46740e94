"""Charts of runs as people use them: smoothing, axes, filters, links, keys, files, and several runs side by side."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import problems_of
from tests.browser.seeding import run_inside

# Runs inside of the platform under test: two runs that are over, and one that seems to run.
SEED = """
import copy
from datetime import timedelta
from django.utils import timezone
from apps.accounts.models import Role
from apps.jobs.models import Job, JobEvent
from apps.training.models import TrainingRun
from tests.access.world import COMPLETE, make_world

world = make_world("charts")
project, owner = world.project, world.people[Role.OWNER]
first = TrainingRun.objects.for_project(project).get()
now, begin = timezone.now(), timezone.now() - timedelta(hours=1)
found = []
for number, state in ((2, "succeeded"), (3, "succeeded"), (4, "running")):
    until = {"lease_expires_at": now + timedelta(days=1)} if state == "running" else {"finished_at": now}
    job = Job.across_tenants.create(
        project=project, kind="train", title=f"Train {number}", state=state, last_sequence=2000, started_at=begin,
        **until)
    spec = copy.deepcopy(COMPLETE)
    spec["hyperparameters"]["learning_rate"] = number / 1000
    JobEvent.across_tenants.bulk_create(
        JobEvent(project=project, job=job, sequence=step, kind="metrics", created_at=begin + timedelta(seconds=step),
                 data={"step": step, "values": {
                     "student:small/accuracy": 1 - number / (step + number), "student:small/loss": number * 100 / step
                     + (500 if step == 1000 else 0) + step % 2, **(
                     {"validation/student:small/loss": number * 120 / step} if step % 100 == 0 else {})}})
        for step in range(1, 2001))
    run = TrainingRun.across_tenants.create(
        project=project, number=number, name=f"Rate {number}", dataset_version=first.dataset_version, model=first.model,
        spec=spec, spec_yaml="students: []", job=job)
    found.append(str(run.pk))
seeded = {"list": f"/o/charts/p/{project.slug}/training/", "runs": found}
"""
MEASURE = """
from apps.jobs.events import NewEvent, append
from apps.jobs.models import Job, JobEvent
from django.db import transaction
with transaction.atomic():
    job = Job.across_tenants.select_for_update().get(title="Train 4")
    append(job, [NewEvent(JobEvent.Kind.METRICS, {"step": 3000, "values": {"student:small/accuracy": 0.5}})])
"""
# What a chart has drawn: (label, number of points, smallest and largest value) of each line.
DRAWN = """(id) => Chart.getChart(id).data.datasets.map(({ label, data }) => [
    label, data.length, Math.min(...data.map(({ y }) => y)), Math.max(...data.map(({ y }) => y))])"""
SCALE = (
    "(id) => Object.fromEntries(Object.entries(Chart.getChart(id).scales).map(([k, s]) => [k, [s.type, s.min, s.max]]))"
)


def shown(page: Page, address: str, chart: str = "loss-chart") -> Page:
    """The page at `address`, once the chart has lines."""
    page.goto(address)
    page.locator(f"#{chart}").scroll_into_view_if_needed()
    page.wait_for_function("(id) => Chart.getChart(id)?.data.datasets.length > 0", arg=chart)
    return page


def query_of(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def settle(page: Page) -> None:
    """Until what was chosen is drawn and in the address."""
    page.evaluate("new Promise((done) => setTimeout(() => requestAnimationFrame(() => setTimeout(done, 60)), 200))")


def test_choices_change_the_chart_and_a_link_shows_the_same(open_page: Callable[..., Page], seed, state) -> None:
    page = shown(open_page(state=state), f"{seed['list']}{seed['runs'][0]}/")
    plain = {line[0]: line for line in page.evaluate(DRAWN, "loss-chart")}
    assert set(plain) == {"small", "small, validation"}
    assert plain["small"][1] <= 400  # of 2,000
    assert plain["small"][3] > 500  # the outlier is among them
    page.get_by_label("Smoothing").fill("0.9")
    page.get_by_label("Logarithmic values").check()
    page.get_by_label("Ignore outliers").check()
    page.get_by_label("Logarithmic steps").check()
    page.get_by_label("Order at the pointer").select_option("Highest first")
    settle(page)
    faint, smooth = (line for line in page.evaluate(DRAWN, "loss-chart") if line[0] == "small")
    assert faint[2:] == plain["small"][2:]
    assert smooth[3] < 250
    scale = page.evaluate(SCALE, "loss-chart")
    assert (scale["x"][0], scale["y"][0]) == ("logarithmic", "logarithmic")
    assert scale["y"][2] < 100
    assert query_of(page) == {
        **{"smoothing": ["0.9"], "logx": ["1"], "logy": ["1"], "outliers": ["1"], "tooltip": ["descending"]}
    }
    other = shown(open_page(state=state), page.url)
    assert other.evaluate(DRAWN, "loss-chart") == page.evaluate(DRAWN, "loss-chart")
    assert other.evaluate(SCALE, "loss-chart")["y"] == scale["y"]
    expect(other.get_by_label("Smoothing")).to_have_value("0.9")
    # Without a word in the address, the browser remembers.
    expect(shown(page, f"{seed['list']}{seed['runs'][1]}/").get_by_label("Logarithmic values")).to_be_checked()
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_label("Logarithmic values")).not_to_be_checked()
    settle(page)
    assert query_of(page) == {"smoothing": ["0"]}


def test_time_is_an_axis_too(open_page: Callable[..., Page], seed, state) -> None:
    page = shown(open_page(state=state), f"{seed['list']}{seed['runs'][0]}/?axis=relative&logx=1")
    assert page.evaluate(SCALE, "loss-chart")["x"] == ["linear", 0, 1_999_000]
    expect(page.get_by_label("Logarithmic steps")).to_be_disabled()
    page.get_by_label("Horizontal").select_option("Time of day")
    settle(page)
    _, begin, end = page.evaluate(SCALE, "loss-chart")["x"]
    assert end - begin == 1_999_000
    assert begin > 1_600_000_000_000


def test_lines_are_filtered_and_a_broken_expression_is_said(open_page: Callable[..., Page], seed, state) -> None:
    page = shown(open_page(state=state), f"{seed['list']}{seed['runs'][0]}/")
    only = page.get_by_label("Only lines with")
    only.fill("^validation/.*LOSS$")
    expect(page.locator("#accuracy-chart")).to_be_hidden()
    settle(page)
    assert [line[0] for line in page.evaluate(DRAWN, "loss-chart")] == ["small, validation"]
    only.fill("(loss")
    expect(page.get_by_text("This is no regular expression: unterminated group.")).to_be_visible()
    expect(page.locator("#accuracy-chart")).to_be_visible()
    only.fill("nothing like it")
    expect(page.get_by_text("No line is left by the filter and the legend.")).to_be_visible()
    only.fill("")
    legend = page.get_by_role("button", name="small", exact=True)
    legend.press("Enter")
    expect(legend).to_have_attribute("aria-pressed", "false")
    expect(legend).to_be_focused()
    expect(page.locator("#loss-chart")).to_be_hidden()
    settle(page)
    assert query_of(page)["hide"] == ["student:small"]


def test_arrow_keys_and_fingers_read_the_lines(open_page: Callable[..., Page], seed, state) -> None:
    page = shown(open_page(state=state, phone=True), f"{seed['list']}{seed['runs'][0]}/")
    plot = page.locator("[data-plot]", has=page.locator("#loss-chart"))
    said = plot.get_by_role("status")
    plot.press("End")
    expect(said.get_by_role("row", name="small 0.1 step 2,000")).to_be_visible()
    plot.press("Home")
    expect(said.get_by_role("row", name="small 201 step 1", exact=True)).to_be_visible()
    plot.press("ArrowRight")
    expect(said.get_by_role("row", name="small 201 step 1", exact=True)).to_be_hidden()
    plot.press("Escape")
    expect(said).to_be_hidden()
    plot.click(position={"x": 180, "y": 60})
    expect(said).to_contain_text("small, validation")
    assert page.evaluate("document.documentElement.scrollWidth") == 375


def test_a_running_run_goes_on_by_itself(open_page: Callable[..., Page], seed, state, environment) -> None:
    page = shown(open_page(state=state), f"{seed['list']}{seed['runs'][2]}/", "accuracy-chart")
    assert page.evaluate(SCALE, "accuracy-chart")["x"][2] == 2000
    run_inside(environment, MEASURE)
    page.wait_for_function("(id) => Chart.getChart(id).scales.x.max === 3000", arg="accuracy-chart")


def test_files_have_every_point_of_one_series_or_all(open_page: Callable[..., Page], seed, state) -> None:
    page = shown(open_page(state=state), f"{seed['list']}{seed['runs'][0]}/?smoothing=0.9")
    page.locator(".curve-card", has=page.locator("#loss-chart")).get_by_role("button", name="Download").click()
    with page.expect_download() as one:
        page.get_by_role("link", name="student:small/loss as CSV", exact=True).click()
    rows = list(csv.DictReader(one.value.path().read_text().splitlines()))
    assert (len(rows), rows[999]["step"], rows[999]["value"]) == (2000, "1000", "500.2")
    page.get_by_role("button", name="All series").click()
    with page.expect_download() as everything:
        page.get_by_role("link", name="JSON", exact=True).click()
    [run] = json.loads(everything.value.path().read_text())["runs"]
    assert {one["name"]: len(one["values"]) for one in run["series"]} == {
        "student:small/accuracy": 2000,
        "student:small/loss": 2000,
        "validation/student:small/loss": 20,
    }


def test_runs_are_compared_from_the_list(open_page: Callable[..., Page], seed, state) -> None:
    page = open_page(state=state)
    page.goto(seed["list"])
    for number in (3, 2):
        page.get_by_label(f"Compare Rate {number} ({number})").check()
    page.get_by_role("button", name="Compare").click()
    chart = "student-small-loss-chart"
    shown(page, page.url, chart)
    page.wait_for_function("(id) => Chart.getChart(id).data.datasets.length === 4", arg=chart)
    assert {line[0] for line in page.evaluate(DRAWN, chart)} == {
        f"Run {number}{split}: Rate {number}" for number in (2, 3) for split in ("", ", validation")
    }
    expect(page.get_by_role("row", name="hyperparameters.learning_rate")).to_contain_text("0.002")
    final = page.get_by_role("row", name="validation/student:small/loss")
    expect(final).to_contain_text("best 0.12 at 2,000")
    page.get_by_label("Only lines with").fill("rate 2/")
    settle(page)
    assert [line[0] for line in page.evaluate(DRAWN, chart)] == ["Run 2: Rate 2", "Run 2, validation: Rate 2"]
    page.get_by_label("Add a run").select_option("Rate 4 (4)")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("tr[data-run]")).to_have_count(3)
    expect(page.get_by_label("Only lines with")).to_have_value("rate 2/")
    page.get_by_role("link", name="Leave out run 2: Rate 2").click()
    expect(page.locator("tr[data-run]")).to_have_count(2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_are_accessible_and_fit_a_phone(open_page: Callable[..., Page], seed, state, scheme: str) -> None:
    desktop, phone = open_page(state=state, scheme=scheme), open_page(state=state, scheme=scheme, phone=True)
    compare = f"{seed['list']}compare/?" + "&".join(f"run={run}" for run in seed["runs"])
    problems: list[tuple[str, str]] = []
    for address, chart in (
        (f"{seed['list']}{seed['runs'][0]}/?filter=(", "loss-chart"),
        (compare, "student-small-loss-chart"),
    ):
        shown(desktop, address, chart).locator("[data-plot]").first.press("End")
        desktop.locator(".curve-card").get_by_role("button", name="Download").first.click()
        problems += problems_of(desktop)
        shown(phone, address, chart)
        assert phone.evaluate("document.documentElement.scrollWidth") == 375, address
    phone.goto(f"{seed['list']}compare/")
    problems += problems_of(phone)
    assert not problems, problems
