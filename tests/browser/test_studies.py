"""A study that is under way and one that is over, and the form of a new one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import problems_on

# Runs inside of the platform under test. Trials are of studies that no worker brings on: paused, or over.
SEED = """
import random
from django.utils import timezone
from datetime import timedelta
from apps.accounts.models import Role
from apps.jobs.models import Job
from apps.projects.models import Project
from apps.training.models import Study, TrainingRun, Trial
from tests.access.world import make_world

world = make_world("studied")
project, owner = world.project, world.people[Role.OWNER]
first = TrainingRun.objects.for_project(project).get()
draw = random.Random(5)
space = [
    {"path": "hyperparameters.learning_rate", "kind": "float", "low": 0.0001, "high": 0.1, "log": True},
    {"path": "students[0].params.projections", "kind": "int", "low": 8, "high": 64, "step": 8},
    {"path": "students[0].model_type", "kind": "categorical", "choices": ["projection", "cnn", "feed_forward"]},
]

def study(name, state, count, **more):
    made = Study.across_tenants.create(
        project=project, name=name, state=state, dataset_version=first.dataset_version, model=first.model,
        spec_yaml=first.spec_yaml, space=space, student="small", metric="accuracy", direction="maximize",
        trials_wanted=40, at_once=4, created_by=owner, max_bytes=30000,
        importance={"hyperparameters.learning_rate": 0.71, "students[0].model_type": 0.21,
                    "students[0].params.projections": 0.08}, **more)
    now = timezone.now()
    for number in range(1, count + 1):
        kind = "failed" if number == 7 else "pruned" if number % 4 == 0 else "complete"
        rate, wide = 10 ** draw.uniform(-4, -1), draw.randrange(8, 65, 8)
        size = 400 * wide + draw.randrange(8000)
        value = 0.98 - abs(__import__("math").log10(rate) + 2) / 6 + wide / 2000 - draw.random() / 20
        job = Job.across_tenants.create(project=project, kind="train", title="Train",
            state={"complete": "succeeded", "pruned": "cancelled", "failed": "failed"}[kind], finished_at=now)
        run = TrainingRun.across_tenants.create(
            project=project, number=TrainingRun.objects.for_project(project).count() + 1, name=f"{name} {number}",
            dataset_version=first.dataset_version, model=first.model, spec=first.spec, spec_yaml=first.spec_yaml,
            job=job)
        Trial.across_tenants.create(
            project=project, study=made, number=number, run=run, state=kind, finished_at=now + timedelta(seconds=95),
            params={"hyperparameters.learning_rate": float(f"{rate:.4g}"), "students[0].params.projections": wide,
                    "students[0].model_type": draw.choice(space[2]["choices"])},
            value=value if kind == "complete" else None, bytes=size if kind == "complete" else None,
            is_feasible=size <= 30000, intermediate={"4": value - 0.2} if kind == "pruned" else {},
            message={"failed": "The loss became infinite or not a number at step 40.",
                     "pruned": "The study's pruner stopped it after 4 of 20 parts: others were better by then."}.get(
                         kind, ""))
    return made

over = study("Learning rate and width", "finished", 40, note="Its time was up.")
trades = study("Small and good", "paused", 12, also_smallest=True, note="The last 5 trials failed.")
begun = study("Just begun", "paused", 0)
Project.across_tenants.create(organization=project.organization, name="Nothing yet", slug="nothing-yet")
here = f"/o/studied/p/{project.slug}"
seeded = {"list": f"{here}/training/studies/",
          "new": f"{here}/training/studies/new/?run={first.pk}", "over": f"{here}/training/studies/{over.pk}/",
          "trades": f"{here}/training/studies/{trades.pk}/", "begun": f"{here}/training/studies/{begun.pk}/",
          "empty": "/o/studied/p/nothing-yet/training/studies/"}
"""
PAGES = ("list", "new", "over", "trades", "begun", "empty")


def test_fields_are_added_to_the_space_and_the_study_is_started(open_page: Callable[..., Page], seed, state) -> None:
    page = open_page(state=state)
    page.goto(seed["new"])
    space = page.get_by_label("What to vary")
    expect(space).to_have_value("hyperparameters.learning_rate: {low: 0.0001, high: 0.01, log: true}")
    page.get_by_label("Add a field").select_option(label="students[0].params.bits")
    for _ in range(2):  # the second time only shows the line
        page.get_by_role("button", name="Add", exact=True).click()
    assert len(space.input_value().splitlines()) == 2
    page.get_by_label("Trials", exact=True).fill("3")
    page.get_by_label("At a time").fill("1")
    page.get_by_role("button", name="Start the study").click()
    expect(page.get_by_role("heading", name="Around First")).to_be_visible()
    # The worker of the platform under test begins the first trial, and the page shows it by itself.
    page.get_by_role("row", name="Queued").or_(page.get_by_role("row", name="Running")).first.wait_for()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("The study is cancelled, and so are its trials.")).to_be_visible()


def test_charts_show_each_trial_by_any_parameter(open_page: Callable[..., Page], seed, state) -> None:
    page = open_page(state=state)
    page.goto(seed["over"])
    points = "id => Chart.getChart(id).data.datasets.map(({label, data}) => [label, data.length])"
    page.wait_for_function("() => window.Chart?.getChart('history')")
    shown = dict(page.evaluate(points, "history"))
    assert shown["Best"] == 1
    assert shown["Complete"] + shown["Best"] + shown["File too large"] == 29
    assert shown["Stopped early"] == 10
    best = "Chart.getChart('history').data.datasets.at(-1).data.map(({y}) => y)"
    line = page.evaluate(best)
    assert line == sorted(line)
    page.get_by_label("Parameter", exact=True).select_option(label="small: model_type")
    assert set(page.evaluate("Chart.getChart('scatter').data.datasets[0].data.map(({x}) => x)")) <= {0, 1, 2}
    assert page.evaluate("Chart.getChart('importance').data.datasets[0].data") == [0.71, 0.21, 0.08]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible_and_fit_a_phone(open_page: Callable[..., Page], seed, state, scheme: str) -> None:
    desktop, phone = open_page(state=state, scheme=scheme), open_page(state=state, scheme=scheme, phone=True)
    problems = []
    for name in PAGES:
        problems += problems_on(desktop, seed[name])
        phone.goto(seed[name])
        if (width := phone.evaluate("document.documentElement.scrollWidth")) > phone.viewport_size["width"]:
            problems.append(f"{seed[name]} is {width} px wide on a phone")
    assert not problems, "\n".join(problems)
