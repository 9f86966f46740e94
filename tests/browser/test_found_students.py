"""A run that looked for its students, the files that specs name, and devices that report on a regression."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import problems_on

# Runs inside of the platform under test.
SEED = """
from uuid import uuid4
from django.utils import timezone
from apps.accounts.models import Role
from apps.analytics.models import Event
from apps.datasets.models import Upload
from apps.delivery.models import Installation
from apps.jobs.models import Job, JobEvent
from apps.models.models import ModelVersion
from apps.training.models import RunFile, SpecFile, TrainingRun
from tests.access.world import COMPLETE, make_world

world = make_world("found")
project, owner = world.project, world.people[Role.OWNER]
data, version = (model.objects.for_project(project).get() for model in (TrainingRun, ModelVersion))
job = Job.across_tenants.create(
    project=project, kind="train", title="Train a search", state="succeeded", last_sequence=40,
    finished_at=timezone.now())
for step in range(1, 41):
    values = {f"{where}student:{name}/{what}": 0.5 + step / 100 if what == "accuracy" else 2 / step
              for where in ("", "validation/") for name in ("projection-search", "cnn-average")
              for what in ("accuracy", "loss")}
    JobEvent.across_tenants.create(
        project=project, job=job, sequence=step, kind="metrics", data={"step": step * 10, "values": values})
rows = [("projection-search", "projection", "search", 0.91, True), ("cnn-average", "cnn", "family", 0.88, True),
        ("feed_forward-one-hidden-layer", "feed_forward", "family", 0.84, False)]
candidates = [
    {"id": name, "model_type": kind, "params": {}, "origin": origin, "estimated_bytes": 8300 - 90 * index,
     "bytes": 8192 - 7 * index, "estimated_latency_ms": 0.031, "latency_ms": 0.029 + index / 100, "score": score,
     "is_chosen": chosen}
    for index, (name, kind, origin, score, chosen) in enumerate(rows)]
spec = COMPLETE | {"students": [], "budget": {
    "max_bytes": 9000, "max_latency_ms": 2.5, "device_profile": "files/phone.json"}}
text = chr(10).join(["experiment_name: digits", "budget: {max_bytes: 9000}", "students:"]
                    + [f"- {{id: {name}, model_type: {kind}, params: {{}}}}" for name, kind, *_ in rows[:2]])
run = TrainingRun.across_tenants.create(
    project=project, number=2, name="Searched", dataset_version=data.dataset_version, model=data.model, spec=spec,
    spec_yaml="students: []", found_yaml=text, proposal={"metric": "accuracy", "candidates": candidates}, job=job)
file = SpecFile.objects.for_project(project).get()
RunFile.across_tenants.create(project=project, run=run, path=file.path, sha256="0" * 64, file=file)
Upload.objects.for_project(project).filter(spec_file=file).update(sha256="5f" * 32, size=51234)
metrics = {"test": {"rmse": 0.51234, "mae": 0.3456, "r2": 0.9, "num_examples": 90}}
heights = ModelVersion.across_tenants.create(
    project=project, model=version.model, number=2, state="ready", origin="trained", label="heights", metrics=metrics,
    compatibility={"ok": True, "metadata": {"task": "regression"}})
for index in range(5):
    Event.across_tenants.create(
        project=project, key=uuid4(), installation=Installation.objects.for_project(project).get(), type="feedback",
        model=heights.model, version=heights, error=0.1 * index, data={"label": "1", "correct": f"{1 + 0.1 * index}"},
        occurred_at=timezone.now())
here = f"/o/found/p/{project.slug}"
seeded = {"run": f"{here}/training/{run.pk}/",
          "files": f"{here}/training/files/", "new": f"{here}/training/new/", "analytics": f"{here}/analytics/",
          "upload": f"{here}/models/{version.model_id}/upload/"}
"""


def test_charts_have_lines_of_students_that_the_spec_does_not_name(open_page: Callable[..., Page], seed, state) -> None:
    page = open_page(state=state)
    page.goto(seed["run"])
    labels = "Chart.getChart('accuracy-chart').data.datasets.filter(({data}) => data.length).map(({label}) => label)"
    page.wait_for_function(f"() => window.Chart?.getChart('accuracy-chart') && {labels}.length === 4")
    assert sorted(page.evaluate(labels)) == [
        *("cnn-average", "cnn-average, validation"),
        *("projection-search", "projection-search, validation"),
    ]


def test_what_was_found_is_edited_and_trained_again(open_page: Callable[..., Page], seed, state) -> None:
    page = open_page(state=state)
    page.goto(seed["run"])
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    text = download.value.path().read_text()
    assert "id: projection-search" in text
    page.get_by_role("link", name="Edit and train again").click()
    expect(page.locator("textarea[name=spec]")).to_have_value(text)


def test_a_file_is_uploaded_named_and_deleted(open_page: Callable[..., Page], seed, state, tmp_path: Path) -> None:
    page = open_page(state=state, errors=True)  # a refused name is answered with 400
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(seed["files"])
    wrong, right = tmp_path / "phone.txt", tmp_path / "My tablet.json"
    for path in (wrong, right):
        path.write_text("{}")
    page.get_by_label("File", exact=True).set_input_files(wrong)
    expect(page.get_by_text("This is phone.txt")).to_be_visible()
    page.get_by_label("File", exact=True).set_input_files(right)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("A spec can name it now: files/My-tablet.json")).to_be_visible()
    # The bytes need not be sent again where only the name was wrong.
    page.get_by_label("File", exact=True).set_input_files(right)
    page.get_by_label("Name in specs").fill("phone.json")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("a file never changes. Choose another name.")).to_be_visible()
    page.get_by_label("Name in specs").fill("other.json")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("A spec can name it now: files/other.json")).to_be_visible()
    page.goto(seed["new"])
    assert page.locator("#files-device_profile option[value='files/My-tablet.json']").count() == 1
    page.goto(seed["files"])
    page.get_by_role("button", name="Delete My-tablet.json").click()
    expect(page.get_by_text("My-tablet.json is deleted.")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible_and_fit_a_phone(open_page: Callable[..., Page], seed, state, scheme: str) -> None:
    desktop, phone = open_page(state=state, scheme=scheme), open_page(state=state, scheme=scheme, phone=True)
    problems = []
    for name in ("run", "files", "new", "analytics", "upload"):
        problems += problems_on(desktop, seed[name])
        phone.goto(seed[name])
        if (width := phone.evaluate("document.documentElement.scrollWidth")) > phone.viewport_size["width"]:
            problems.append(f"{seed[name]} is {width} px wide on a phone")
    assert not problems, "\n".join(problems)
