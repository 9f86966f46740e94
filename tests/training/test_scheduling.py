"""Training on a schedule: what it starts again, and the pages from a run to the list of schedules."""

from __future__ import annotations

import html
import re
from datetime import time, timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.datasets.models import DatasetVersion, Upload
from apps.errors import Refused
from apps.jobs.endings import end_cancelled
from apps.jobs.models import Job
from apps.jobs.schedules.firing import fire
from apps.jobs.schedules.models import JobSchedule
from apps.jobs.schedules.services import Plan, create_schedule, run_now
from apps.projects.models import Project
from apps.training.models import TrainingRun
from apps.training.services import start_run

pytestmark = pytest.mark.usefixtures("project")
NEW = {"every": "week", "weekday": "monday", "at": "06:00", "zone": "Europe/Berlin", "data": "newest", "name": ""}


def url(name: str, *args: object) -> str:
    return reverse(name, args=["acme", "reader", *args])


def text(response) -> str:
    body = response.content.decode()
    main = body[body.index("<header class") :]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", main)).split())


@pytest.fixture
def run(access, dataset_version, small_spec) -> TrainingRun:
    about = {"dataset_version": dataset_version, "spec": small_spec, "model_name": "Digits", "name": "First"}
    run = start_run(access=access, **about)
    end_cancelled(run.job)
    return run


@pytest.fixture
def add_version(dataset_version):
    """`add_version(2)` → another version of the dataset; its files are those of the first."""

    def add(number: int, **fields) -> DatasetVersion:
        newer = DatasetVersion.across_tenants.get(pk=dataset_version.pk)
        upload, job = Upload.across_tenants.get(pk=newer.upload_id), Job.across_tenants.get(pk=newer.job_id)
        for row in (upload, job, newer):
            row.pk, row._state.adding = uuid4(), True
        upload.storage_key = f"uploads/{number}"
        newer.number, newer.upload, newer.job = number, upload, job
        for name, value in fields.items():
            setattr(newer, name, value)
        for row in (upload, job, newer):
            row.save()
        return newer

    return add


@pytest.fixture
def make_schedule(access, run):
    def make(data: str = "newest", **fields) -> JobSchedule:
        payload = {"run": str(run.pk), "data": data}
        when = {"every": "week", "weekday": "monday", "at": time(6, 0), "zone": "Europe/Berlin"}
        return create_schedule(access=access, starts="train", plan=Plan(**{"payload": payload, **when, **fields}))

    return make


def due(schedule: JobSchedule) -> JobSchedule:
    JobSchedule.across_tenants.filter(pk=schedule.pk).update(next_run=timezone.now() - timedelta(minutes=1))
    fire(str(schedule.pk))
    schedule.refresh_from_db()
    return schedule


@pytest.mark.parametrize(("data", "number"), [("newest", 2), ("same", 1)])
def test_the_run_is_started_again_on_the_chosen_data(make_schedule, add_version, run, data, number):
    add_version(2)
    add_version(3, state=DatasetVersion.State.IMPORTING)
    schedule = due(make_schedule(data))
    assert schedule.skip_message == ""
    again = TrainingRun.across_tenants.get(job=schedule.last_job)
    assert again.dataset_version.number == number
    assert (again.number, again.name, again.model, again.spec, again.spec_yaml) == (
        *(2, "First", run.model),
        *(run.spec, run.spec_yaml),
    )
    assert again.created_by == run.created_by


def test_one_due_time_is_one_run(make_schedule, run):
    schedule = make_schedule()
    was_due = timezone.now() - timedelta(minutes=1)
    for _ in range(2):
        JobSchedule.across_tenants.update(next_run=was_due, last_job=None)
        fire(str(schedule.pk))
    assert TrainingRun.across_tenants.count() == 2
    assert JobSchedule.across_tenants.get().last_job is not None


def test_data_that_does_not_fit_any_more_is_said(make_schedule, add_version):
    schedule = make_schedule()
    add_version(2, task={"type": "classification", "label": "label", "num_classes": 4})
    due(schedule)
    assert schedule.skip_code == "spec_dataset_mismatch"
    assert "does not fit Digits v2" in schedule.skip_message
    assert TrainingRun.across_tenants.count() == 1


def test_without_any_version_that_is_ready_it_is_said(make_schedule, access):
    schedule = make_schedule()
    DatasetVersion.across_tenants.update(state=DatasetVersion.State.FAILED)
    with pytest.raises(Refused, match="No version of Digits is ready"):
        run_now(access=access, schedule=schedule)


@pytest.mark.parametrize("of", ["nobody", "", "another project"])
def test_only_runs_of_the_project_are_started(make_schedule, run, organization, of):
    payload = {"run": {"nobody": str(uuid4()), "": ""}.get(of, str(run.pk)), "data": "newest"}
    if of == "another project":
        other = Project.across_tenants.create(organization=organization, name="Other", slug="other")
        TrainingRun.across_tenants.update(project=other)
    with pytest.raises(Refused, match="No training run of this project") as caught:
        make_schedule(payload=payload)
    assert [detail["field"] for detail in caught.value.details] == ["payload.run"]


@pytest.mark.parametrize(
    ("payload", "fields"),
    [
        ({}, ["data", "run"]),
        ({"run": "x"}, ["data"]),
        ({"data": "newest"}, ["run"]),
        ({"run": "x", "data": "oldest"}, ["data"]),
        ({"run": "x", "data": "same", "epochs": "2"}, ["epochs"]),
    ],
)
def test_a_payload_that_makes_no_sense_is_refused(make_schedule, payload, fields):
    with pytest.raises(Refused, match="Accepted: run, the id of a training run, and data: newest or same") as caught:
        make_schedule(payload=payload)
    assert [detail["field"] for detail in caught.value.details] == [f"payload.{field}" for field in fields]


@pytest.mark.parametrize("spelled", [lambda pk: str(pk).upper(), lambda pk: pk.hex, lambda pk: pk.urn])
def test_an_id_in_another_spelling_is_kept_in_the_usual_one(page_of, developer, make_schedule, run, spelled):
    schedule = make_schedule(payload={"run": spelled(run.pk), "data": "newest"})
    assert schedule.payload == {"run": str(run.pk), "data": "newest"}
    page = page_of(developer)
    for address in (url("schedule-list"), f"{url('schedule-create')}?starts=train&run={spelled(run.pk)}"):
        shown = page.get(address)
        assert shown.status_code == 200
        assert url("run", run.pk) in shown.content.decode()


def test_from_a_run_to_a_schedule(page_of, developer, run):
    page = page_of(developer)
    link = f"{url('schedule-create')}?starts=train&run={run.pk}"
    assert html.escape(link) in page.get(url("run", run.pk)).content.decode()
    form = page.get(link)
    assert "Train again: Train First" in text(form)
    assert f'value="{run.pk}"' in form.content.decode()
    done = page.post(link, NEW | {"run": str(run.pk)}, follow=True)
    assert done.redirect_chain == [(url("schedule-list"), 302)]
    said = text(done)
    for part in (
        "Train First is on a schedule.",
        "Run 1, First, on the newest version of Digits",
        "Mondays at 06:00 Europe/Berlin",
        "In the name of developer@example.com",
        "not yet",
    ):
        assert part in said
    assert re.search(r"Mon \d+ \w+ \d{4} 06:00", said)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"zone": "Mars"}, "Mars is not one of the available choices"),
        ({"at": "noon"}, "hours and minutes, such as 06:00"),
        ({"weekday": ""}, "The weekday can't be used. Received: nothing."),
        ({"run": "x"}, "No training run of this project has this id. Received: 'x'."),
    ],
)
def test_what_is_wrong_is_said_beside_the_field(page_of, developer, run, change, words):
    link = f"{url('schedule-create')}?starts=train&run={run.pk}"
    answer = page_of(developer).post(link, NEW | {"run": str(run.pk)} | change)
    assert answer.status_code == 400
    assert words in text(answer)
    assert not JobSchedule.across_tenants.exists()


def test_a_schedule_of_nothing_leads_to_the_runs(page_of, developer):
    assert "A schedule begins with a run" in text(page_of(developer).get(url("schedule-create")))
    assert page_of(developer).get(f"{url('schedule-create')}?starts=cook").status_code == 404


def test_the_list_says_what_to_do_next_when_it_is_empty(page_of, developer, viewer):
    assert "Open a training run" in text(page_of(developer).get(url("schedule-list")))
    assert "A developer, admin or owner makes them." in text(page_of(viewer).get(url("schedule-list")))


def test_buttons_of_the_list(page_of, developer, viewer, make_schedule):
    schedule = make_schedule()
    page = page_of(developer)

    def press(what: str) -> str:
        return text(page.post(url(f"schedule-{what}", schedule.pk), follow=True))

    assert "Train First is in the queue." in press("run")
    assert "has not ended: it is queued." in press("run")
    assert "Queued" in text(page_of(viewer).get(url("schedule-list")))
    assert "Train First is paused." in press("pause")
    assert "Resume Train First" in page.get(url("schedule-list")).content.decode()
    assert "Train First goes on." in press("resume")
    assert "Train First is deleted." in press("delete")
    assert TrainingRun.across_tenants.count() == 2


def test_the_settings_of_one(page_of, owner, make_schedule):
    schedule = make_schedule()
    page = page_of(owner)
    form = page.get(url("schedule", schedule.pk))
    assert "It runs in the name of developer@example.com. When you save it, it runs in yours." in text(form)
    shown = form.context["form"].initial
    changed = {**shown, "at": "18:30", "every": "day", "name": "Each evening"}
    done = page.post(url("schedule", schedule.pk), changed, follow=True)
    assert "Each evening" in text(done)
    assert "Every day at 18:30 Europe/Berlin" in text(done)
    assert "In the name of owner@example.com" in text(done)


def test_the_list_shows_why_one_was_skipped_in_five_queries(
    page_of, viewer, make_schedule, developer, django_assert_num_queries
):
    schedules = [make_schedule(name=f"Number {number}") for number in range(3)]
    run_now_of_first = due(schedules[0])
    assert run_now_of_first.last_job is not None
    developer.memberships.all().delete()
    due(schedules[1])
    page = page_of(viewer)
    page.get(url("schedule-list"))
    with django_assert_num_queries(5):  # session, user, project, role, schedules
        said = text(page.get(url("schedule-list")))
    assert "Skipped" in said
    assert "developer@example.com is no longer a member of Acme" in said
    assert "Train First Queued" in said
