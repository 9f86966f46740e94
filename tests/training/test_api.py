from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections
from django.urls import reverse

from apps.jobs.models import Job
from apps.models.models import RegisteredModel
from apps.projects.models import Project
from apps.training.models import TrainingRun
from apps.training.services import start_run
from apps.training.spec_text import to_yaml
from tests.training.test_pages import PROPOSAL


def url(name: str, project: Project, *args: object) -> str:
    return reverse(f"api-{name}", args=[project.pk, *args])


@pytest.fixture
def body(dataset_version, small_spec) -> dict:
    return {"dataset_version": str(dataset_version.pk), "model_name": "Digit reader", "spec": to_yaml(small_spec)}


def test_run_is_started_from_yaml_with_a_server_key(api_of, server_key, project, body, dataset_version):
    answer = api_of(server_key).post(url("run-list", project), {**body, "name": "First"})
    assert answer.status_code == 201
    run = answer.json()
    assert (run["name"], run["number"], run["model"]["slug"]) == ("First", 1, "digit-reader")
    assert (run["job"]["state"], run["trained_models"], run["best_student"]) == ("queued", [], None)
    assert run["dataset_version"] == {
        "id": str(dataset_version.pk),
        "dataset": str(dataset_version.dataset_id),
        "name": "Digits",
        "number": 1,
    }
    assert api_of(server_key).get(url("run", project, run["id"])).json() == run


def test_run_is_started_from_an_object_into_an_existing_model(api_of, developer, project, body, small_spec):
    model = RegisteredModel.across_tenants.create(project=project, name="Mine", slug="mine")
    del body["model_name"]
    answer = api_of(developer).post(url("run-list", project), {**body, "spec": small_spec, "model": str(model.pk)})
    assert answer.status_code == 201
    assert answer.json()["model"]["id"] == str(model.pk)
    assert answer.json()["spec_yaml"] == to_yaml(small_spec)


def test_a_request_that_is_sent_again_starts_nothing_twice(api_of, server_key, project, body):
    def sent(key: str, **change: object):
        return api_of(server_key).post(url("run-list", project), body | change, headers={"Idempotency-Key": key})

    first, again = sent("nightly-7"), sent("nightly-7")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    assert TrainingRun.across_tenants.count() == Job.across_tenants.filter(kind="train").count() == 1
    other = sent("nightly-7", spec=body["spec"].replace("steps: 30", "steps: 31"))
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
    other = sent("nightly-8", model_name="Another")
    assert other.json()["number"] == 2


@pytest.mark.parametrize("key", ["", "two words", "k" * 81, "ключ"])
def test_a_key_of_a_request_is_checked(api_of, developer, project, body, key):
    answer = api_of(developer).post(url("run-list", project), body, headers={"Idempotency-Key": key})
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == "Idempotency-Key"
    assert "1 … 80 visible characters" in answer.json()["error"]["message"]
    assert not TrainingRun.across_tenants.exists()


@pytest.mark.services
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite lets one write at a time anyway.")
def test_requests_with_one_key_at_the_same_moment_start_one_run(transactional_db, access, dataset_version, small_spec):
    together = threading.Barrier(4)

    def ask(_: int) -> object:
        try:
            together.wait()
            return start_run(
                access=access,
                dataset_version=dataset_version,
                spec=small_spec,
                model_name="Digit reader",
                idempotency_key="request 1",
            ).pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, range(4)))) == 1
    assert TrainingRun.across_tenants.count() == RegisteredModel.across_tenants.filter(slug="digit-reader").count() == 1


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        (
            {"spec": "experiment_name: x\nhyperparameters: {lerning_rate: 1}"},
            "hyperparameters.lerning_rate",
            "Accepted",
        ),
        ({"spec": "a: ["}, "", "line 1"),
        ({"spec": 7}, "spec", "Received: int"),
        ({"spec": None}, "spec", "null"),
        ({"spec": {}}, "task", "required"),
        ({"dataset_version": "x"}, "dataset_version", "UUID"),
        ({"model_name": ""}, "model_name", "blank"),
        ({"model_name": None}, "model_name", "null"),
        ({"model_name": "x" * 101}, "model_name", "100"),
    ],
)
def test_bad_input_is_named_by_field(api_of, developer, project, body, change, field, said):
    answer = api_of(developer).post(url("run-list", project), {**body, **change})
    assert answer.status_code == 400
    found = {detail["field"]: detail["message"] for detail in answer.json()["error"]["details"]}
    assert said in found[field]
    assert not TrainingRun.across_tenants.exists()
    assert not RegisteredModel.across_tenants.exists()


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("hyperparameters", "learning_rate"), -0.001, "hyperparameters.learning_rate"),
        (("task", "num_classes"), 3, "task.num_classes"),
        (("students",), [], "students"),
        (("trainer", "colour"), "red", "trainer.colour"),
    ],
)
def test_bad_spec_is_named_by_its_path(api_of, developer, project, body, small_spec, path, value, field):
    place = small_spec
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    answer = api_of(developer).post(url("run-list", project), {**body, "spec": small_spec})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"] in {"invalid_spec", "spec_dataset_mismatch"}) == (400, True)
    assert [detail["field"] for detail in error["details"]] == [field]
    assert not Job.across_tenants.filter(kind=Job.Kind.TRAIN).exists()


@pytest.mark.parametrize("data", [[], "x", {}])
def test_body_of_another_shape_is_refused(api_of, developer, project, data):
    answer = api_of(developer).post(url("run-list", project), data)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid")


def test_data_and_models_of_another_project_are_not_found(
    api_of, developer, organization, project, body, make_dataset_version
):
    other = Project.across_tenants.create(organization=organization, name="Other", slug="other")
    foreign_data = make_dataset_version(project=other)
    foreign_model = RegisteredModel.across_tenants.create(project=other, name="Theirs", slug="theirs")
    api = api_of(developer)
    assert api.post(url("run-list", project), {**body, "dataset_version": str(foreign_data.pk)}).status_code == 404
    assert api.post(url("run-list", project), {**body, "model": str(foreign_model.pk)}).status_code == 404
    assert not TrainingRun.across_tenants.exists()


def test_data_that_is_not_ready_is_refused(api_of, developer, project, body, dataset_version):
    dataset_version.state = "importing"
    dataset_version.save()
    error = api_of(developer).post(url("run-list", project), body).json()["error"]
    assert (error["code"], error["details"][0]["field"]) == ("dataset_not_ready", "dataset_version")


def test_runs_are_listed_in_three_queries(
    api_of, server_key, project, access, dataset_version, small_spec, django_assert_num_queries
):
    first = start_run(access=access, dataset_version=dataset_version, spec=small_spec, model_name="Digits")
    for _ in range(4):
        start_run(access=access, dataset_version=dataset_version, spec=small_spec, model=first.model)
    api = api_of(server_key)
    api.get(url("run-list", project))
    # the key, the project, the runs
    with django_assert_num_queries(3):
        rows = api.get(url("run-list", project)).json()["results"]
    assert [row["number"] for row in rows] == [5, 4, 3, 2, 1]
    assert "spec" not in rows[0]


def test_stranger_finds_nothing_and_viewer_starts_nothing(
    api_of, stranger, viewer, project, access, body, dataset_version, small_spec
):
    run = start_run(access=access, dataset_version=dataset_version, spec=small_spec, model_name="Digits")
    assert api_of(stranger).get(url("run-list", project)).status_code == 404
    assert api_of(stranger).get(url("run", project, run.pk)).status_code == 404
    assert api_of(stranger).post(url("run-list", project), body).status_code == 404
    assert api_of(viewer).post(url("run-list", project), body).status_code == 403
    assert api_of(viewer).get(url("run", project, run.pk)).status_code == 200


def test_run_without_students_is_started_and_tells_what_was_found(api_of, developer, project, body, small_spec):
    small_spec["students"], small_spec["budget"] = [], {"max_bytes": 9000}
    api = api_of(developer)
    answer = api.post(url("run-list", project), {**body, "spec": small_spec})
    assert answer.status_code == 201
    run = answer.json()
    assert (run["proposal"], run["found_yaml"], run["files"]) == (None, "", [])
    TrainingRun.across_tenants.update(proposal=PROPOSAL, found_yaml="students: [{id: found}]")
    run = api.get(url("run", project, run["id"])).json()
    assert run["proposal"] == PROPOSAL
    assert run["found_yaml"] == "students: [{id: found}]"
