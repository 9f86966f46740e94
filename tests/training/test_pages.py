from __future__ import annotations

import json
from typing import Any

import pytest
from django.urls import reverse
from uuid_utils.compat import uuid7

from apps.models.models import ModelVersion
from apps.training.models import TrainedModel, TrainingRun
from apps.training.services import start_run
from apps.training.spec_text import to_yaml

ABSENT = "01a2090c-d0bd-7403-845c-7bc31839f895"  # the same in every process that collects the tests


pytestmark = pytest.mark.usefixtures("project")


def url(name: str, *args: object) -> str:
    return reverse(name, args=["acme", "reader", *args])


@pytest.fixture
def run(access, dataset_version, small_spec) -> TrainingRun:
    return start_run(access=access, dataset_version=dataset_version, spec=small_spec, model_name="Digits", name="First")


@pytest.fixture
def fields(dataset_version, small_spec) -> dict[str, str]:
    return {
        "name": "",
        "dataset_version": str(dataset_version.pk),
        "model": "",
        "model_name": "Digit reader",
        "spec": to_yaml(small_spec),
    }


def test_list_says_what_to_do_next(page_of, developer, viewer, make_dataset_version):
    assert "Training starts with data" in page_of(developer).get(url("run-list")).content.decode()
    make_dataset_version()
    assert "Start a training run" in page_of(developer).get(url("run-list")).content.decode()
    assert "Start a training run" not in page_of(viewer).get(url("run-list")).content.decode()


def test_list_shows_runs_in_six_queries(
    page_of, viewer, access, run, dataset_version, small_spec, django_assert_num_queries
):
    for _ in range(4):
        start_run(access=access, dataset_version=dataset_version, spec=small_spec, model=run.model)
    page = page_of(viewer)
    page.get(url("run-list"))
    # session, user, project, role, runs
    with django_assert_num_queries(6):
        text = page.get(url("run-list")).content.decode()
    assert "First" in text
    assert text.count("Queued") == 5


def test_form_comes_filled_in_for_the_data(page_of, developer, dataset_version):
    text = page_of(developer).get(url("run-create") + f"?dataset_version={dataset_version.pk}").content.decode()
    assert "num_classes: 10" in text
    assert "300 images of 8 × 8 grey, 10 classes" in text
    for name in ("trainer.params.filters", "students[2].id", "hyperparameters.loss_weights.cross", "budget.max_bytes"):
        assert f'name="{name}"' in text
    assert 'id="spec-problems" aria-live="polite"></div>' in text.replace("\n", "")


@pytest.mark.parametrize("query", ["?dataset_version=x", "?model=x", f"?run={ABSENT}", "?dataset_version=&model="])
def test_address_that_names_nothing_gives_the_usual_form(page_of, developer, dataset_version, query):
    assert page_of(developer).get(url("run-create") + query).status_code == 200


def test_form_without_any_data_leads_to_the_datasets(page_of, developer):
    assert "Training starts with data" in page_of(developer).get(url("run-create")).content.decode()
    assert page_of(developer).post(url("run-create"), {"spec": "x"}).status_code == 400


def test_run_is_started_from_the_yaml(page_of, developer, fields):
    done = page_of(developer).post(url("run-create"), fields, follow=True)
    run = TrainingRun.across_tenants.get()
    assert done.redirect_chain == [(url("run", run.pk), 302)]
    assert "digits is in the queue" in done.content.decode()
    assert run.created_by == developer


def test_next_run_on_the_data_goes_into_the_same_model_by_default(page_of, developer, run):
    form = page_of(developer).get(url("run-create")).context["form"]
    assert form.initial["model"] == run.model_id


def test_earlier_run_is_a_start(page_of, developer, run):
    form = page_of(developer).get(url("run-create") + f"?run={run.pk}").context["form"]
    assert (form.initial["spec"], form.initial["model"], form.initial["name"]) == (run.spec_yaml, run.model_id, "First")


def test_problems_of_the_spec_stand_beside_their_fields_and_what_was_typed_stays(page_of, developer, fields):
    fields["spec"] = fields["spec"].replace("learning_rate: 0.003", "learning_rate: -1")
    answer = page_of(developer).post(url("run-create"), fields)
    text = answer.content.decode()
    assert answer.status_code == 400
    assert "learning_rate: -1" in text
    beside = text.partition('data-problem="hyperparameters.learning_rate"')[2]
    assert "must be greater than 0. Received: -1" in beside[:100]
    assert "1 problem" in text


def test_yaml_that_can_not_be_read_is_said_and_kept(page_of, developer, fields):
    answer = page_of(developer).post(url("run-create"), {**fields, "spec": "a: ["})
    assert answer.status_code == 400
    assert "can&#x27;t be read as YAML" in answer.content.decode()
    assert 'data-is-behind="true"' in answer.content.decode()


def test_what_is_wrong_with_the_run_stands_beside_its_fields(page_of, developer, fields, run, make_dataset_version):
    page = page_of(developer)
    taken = page.post(url("run-create"), {**fields, "model_name": "Digits"})
    assert "digits" in taken.context["form"].errors["model_name"][0]
    neither = page.post(url("run-create"), {**fields, "model_name": ""})
    assert "neither" in neither.context["form"].errors["model"][0]
    unknown = page.post(url("run-create"), {**fields, "dataset_version": str(uuid7())})
    assert unknown.context["form"].errors["dataset_version"]
    empty = page.post(url("run-create"), {})
    assert set(empty.context["form"].errors) == {"dataset_version", "spec"}
    assert TrainingRun.across_tenants.count() == 1


class TestEditing:
    @pytest.fixture
    def edit(self, page_of, developer, dataset_version):
        def post(**fields) -> dict:
            answer = page_of(developer).post(url("run-spec"), {"dataset_version": str(dataset_version.pk), **fields})
            assert answer.status_code == 200
            return json.loads(answer.content)

        return post

    def test_yaml_gives_the_form(self, edit, small_spec):
        answer = edit(source="yaml", spec=to_yaml(small_spec))
        assert answer["problems"] == []
        assert 'name="students[1].params.units"' in answer["form"]

    def test_form_gives_the_yaml(self, edit):
        answer = edit(source="form", **{"experiment_name": "x", "students[0].id": "a"})
        assert "experiment_name: x" in answer["yaml"]
        assert "form" not in answer
        assert {"field": "task", "slot": "", "message": "is required and was not given"} in answer["problems"]

    def test_action_gives_both(self, edit):
        answer = edit(source="form", action="add-student")
        assert "student-1" in answer["yaml"]
        assert 'name="students[0].id"' in answer["form"]

    @pytest.mark.parametrize(
        "fields", [{}, {"source": "yaml"}, {"source": "yaml", "spec": "[1]"}, {"action": "dataset"}]
    )
    def test_whatever_is_sent_gets_an_answer(self, edit, fields):
        assert set(edit(**fields)) >= {"yaml", "problems"}

    def test_data_that_is_not_there_is_said(self, page_of, developer, dataset_version):
        page = page_of(developer)
        for chosen in ("", "x", str(uuid7())):
            assert page.post(url("run-spec"), {"dataset_version": chosen}).status_code == 400


def test_run_page_shows_state_spec_and_what_came_out(
    page_of, developer, viewer, run, project, django_assert_num_queries
):
    for number, (role, label) in enumerate([("trainer", "trainer"), ("student", "bits"), ("student", "dense")], 1):
        version = ModelVersion.across_tenants.create(
            project=project,
            model=run.model,
            number=number,
            origin="trained",
            state="checking" if label == "dense" else "ready",
            label=label,
            model_type="cnn",
            parameters=1234,
            metrics={"test": {"accuracy": 0.9}},
            measurements={"latency_ms": {"p50": 0.25, "p95": 0.5}},
        )
        TrainedModel.across_tenants.create(project=project, run=run, role=role, spec_id=label, version=version)
    run.job.state, run.job.result = "succeeded", {"best_student": "bits"}
    run.job.save()
    page = page_of(viewer)
    page.get(url("run", run.pk))
    # session, user, project, role, run, its models with versions, artifacts, files, log, others to compare it with
    with django_assert_num_queries(10):
        text = page.get(url("run", run.pk)).content.decode()
    for said in ("90.00 %", "1,234", "0.250 ms", "best student", "Succeeded", "experiment_name: digits"):
        assert said in text
    assert 'id="checking"' in text
    assert '"key": "student:bits"' in text
    assert "Start one like it" not in text
    assert "style=" not in text
    assert "Start one like it" in page_of(developer).get(url("run", run.pk)).content.decode()


def test_run_page_of_a_regression_shows_errors_instead_of_accuracy(page_of, viewer, run, project):
    run.spec["task"] = {"type": "regression", "label": "label", "num_classes": None, "num_values": 1}
    run.save()
    version = ModelVersion.across_tenants.create(
        project=project, model=run.model, number=1, origin="trained", label="bits", metrics={"test": {"rmse": 0.12345}}
    )
    TrainedModel.across_tenants.create(project=project, run=run, role="student", spec_id="bits", version=version)
    text = page_of(viewer).get(url("run", run.pk)).content.decode()
    for said in (
        "Mean absolute error",
        'class="numeric">RMSE<',
        "0.1235",
        '"measures": [{"name": "mae", "title": "Mean absolute error", "is_share": false}]',
    ):
        assert said in text
    assert "Accuracy" not in text


def test_run_of_a_key_names_the_key(page_of, viewer, run, project, server_key):
    type(run).across_tenants.update(created_by=None, api_key=project.apikeys.get())
    for url in ("/o/acme/p/reader/training/", f"/o/acme/p/reader/training/{run.pk}/"):
        assert "server key (sk_sssssss" in page_of(viewer).get(url).content.decode()


def test_running_run_can_be_cancelled_by_a_developer(page_of, developer, viewer, run):
    cancel = url("job-cancel", run.job_id)
    assert cancel in page_of(developer).get(url("run", run.pk)).content.decode()
    assert cancel not in page_of(viewer).get(url("run", run.pk)).content.decode()
    assert f'name="next" value="{url("run", run.pk)}"' in page_of(developer).get(url("run", run.pk)).content.decode()
    response = page_of(developer).post(cancel, {"next": url("run", run.pk)}, follow=True)
    assert response.redirect_chain == [(url("run", run.pk), 302)]
    assert "The job was cancelled" in response.content.decode()


def test_the_jobs_state_stands_in_one_place_which_is_live(page_of, viewer, run):
    content = page_of(viewer).get(url("run", run.pk)).content.decode()
    assert f'<a href="{url("job", run.job_id)}">{run.job.title}</a>' in content
    assert content.count("Queued") == 1


def test_failed_run_says_why_field_by_field(page_of, viewer, run):
    job = run.job
    job.state, job.error_code, job.error_message = "failed", "loss_not_finite", "Training stopped: too fast."
    job.error_details = [{"field": "hyperparameters.learning_rate", "message": "usually a lower one"}]
    job.save()
    text = page_of(viewer).get(url("run", run.pk)).content.decode()
    assert "Training stopped: too fast." in text
    assert "<code>hyperparameters.learning_rate</code> usually a lower one" in text


def test_stranger_finds_nothing_and_viewer_starts_nothing(page_of, stranger, viewer, run, fields):
    for name, args in (("run-list", []), ("run", [run.pk]), ("run-create", [])):
        assert page_of(stranger).get(url(name, *args)).status_code == 404
    assert page_of(viewer).get(url("run-create")).status_code == 403
    assert page_of(viewer).post(url("run-create"), fields).status_code == 403
    assert page_of(viewer).post(url("run-spec"), {}).status_code == 403


PROPOSAL: dict[str, Any] = {
    "metric": "accuracy",
    "candidates": [
        {
            **{"id": "projection-search", "model_type": "projection", "params": {}, "origin": "search"},
            **{"estimated_bytes": 8000, "bytes": 8192, "estimated_latency_ms": 0.0312, "latency_ms": 0.03},
            **{"score": 0.875, "is_chosen": True},
        },
        {
            **{"id": "cnn-average", "model_type": "cnn", "params": {}, "origin": "family"},
            **{"estimated_bytes": 8900, "bytes": 8990, "estimated_latency_ms": None, "latency_ms": None},
            **{"score": 0.5, "is_chosen": False},
        },
    ],
}


class TestFoundStudents:
    @pytest.fixture
    def run(self, access, dataset_version, small_spec) -> TrainingRun:
        small_spec["students"], small_spec["budget"] = [], {"max_bytes": 9000}
        return start_run(access=access, dataset_version=dataset_version, spec=small_spec, model_name="Digits")

    @pytest.fixture
    def found(self, run) -> TrainingRun:
        run.proposal, run.found_yaml = PROPOSAL, run.spec_yaml.replace("students: []", "students: [{id: found}]")
        run.save()
        run.job.state = "succeeded"
        run.job.save()
        return run

    def test_page_says_what_the_run_is_going_to_do(self, page_of, viewer, run):
        text = page_of(viewer).get(url("run", run.pk)).content.decode()
        assert "the run looks for some that keep the budget" in text
        assert "What was considered" not in text

    def test_page_shows_what_was_considered_in_as_many_queries(
        self, page_of, viewer, developer, found, django_assert_num_queries
    ):
        page = page_of(viewer)
        page.get(url("run", found.pk))
        # session, user, project, role, run, its models, files, log, others to compare it with: no versions or artifacts
        with django_assert_num_queries(9):
            text = page.get(url("run", found.pk)).content.decode()
        for said in ("projection-search", "87.50 %", "8.0 KB", "0.030 ms", "0.031 ms", "cnn-average", "Family"):
            assert said in text
        assert text.count("bg-green-lt") == 2  # chosen, and the state
        assert "the run looks for some" not in text
        assert "Edit and train again" not in text
        assert "&amp;spec=found" in page_of(developer).get(url("run", found.pk)).content.decode()

    def test_page_without_a_limit_on_time_has_no_column_for_it(self, page_of, viewer, found):
        without = {"estimated_latency_ms": None, "latency_ms": None}
        found.proposal = {**PROPOSAL, "candidates": [{**row, **without} for row in PROPOSAL["candidates"]]}
        found.save()
        text = page_of(viewer).get(url("run", found.pk)).content.decode()
        assert "projection-search" in text
        assert 'data-label="Inference"' not in text

    def test_what_was_found_is_a_file_and_a_start(self, page_of, developer, found):
        page = page_of(developer)
        answer = page.get(url("run-spec-file", found.pk))
        assert answer.content.decode() == found.found_yaml
        assert answer["Content-Disposition"] == 'attachment; filename="digits.yaml"'
        form = page.get(url("run-create"), {"run": found.pk, "spec": "found"}).context["form"]
        assert form.initial["spec"] == found.found_yaml
        assert page.get(url("run-create"), {"run": found.pk}).context["form"].initial["spec"] == found.spec_yaml

    def test_spec_of_any_other_run_is_a_file_too(self, page_of, viewer, run):
        assert page_of(viewer).get(url("run-spec-file", run.pk)).content.decode() == run.spec_yaml

    def test_form_starts_such_a_run(self, page_of, developer, fields, small_spec):
        small_spec["students"], small_spec["budget"] = [], {"max_bytes": 9000}
        done = page_of(developer).post(url("run-create"), {**fields, "spec": to_yaml(small_spec)}, follow=True)
        assert "is in the queue" in done.content.decode()
        assert TrainingRun.across_tenants.get().looks_for_students


def test_form_offers_the_files_that_may_stand_in_a_field(page_of, developer, dataset_version, make_file):
    make_file("phone.json")
    make_file("weights.h5")
    text = page_of(developer).get(url("run-create")).content.decode()
    assert 'name="budget.device_profile"' in text
    assert 'list="files-device_profile"' in text
    assert '<datalist id="files-device_profile"><option value="files/phone.json"></option></datalist>' in text
    assert '<datalist id="files-path"><option value="files/weights.h5"></option></datalist>' in text
