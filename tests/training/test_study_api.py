from __future__ import annotations

import pytest

from apps.training.models import Study
from apps.training.studies.advancing import sweep
from tests.training.studying import open_trials, succeed, trials_of

RATE = "hyperparameters.learning_rate"


@pytest.fixture
def address(project) -> str:
    return f"/api/v1/projects/{project.pk}/studies"


def test_script_starts_a_study_and_reads_what_came_of_it(api_of, server_key, address, dataset_version, small_spec):
    api = api_of(server_key)
    body = {
        "dataset_version": str(dataset_version.pk),
        "model_name": "Digits",
        "spec": small_spec,
        "space": {RATE: {"low": 0.001, "high": 0.1, "log": True}},
        "trials": 2,
        "max_bytes": 5000,
    }
    made = api.post(address, body)
    assert made.status_code == 201
    assert (made.data["state"], made.data["trials"], made.data["begun"], made.data["best"]) == ("running", 2, 0, [])
    study = Study.across_tenants.get()
    sweep()
    first, second = open_trials(study)
    succeed(first, accuracy=0.5, size=2000)
    succeed(second, accuracy=0.75, size=6000)
    sweep()
    found = api.get(f"{address}/{study.pk}").data
    assert (found["state"], found["over"], found["best_value"]) == ("finished", 2, 0.5)
    assert [(one["number"], one["value"], one["run"]) for one in found["best"]] == [(1, 0.5, str(first.run_id))]
    assert found["space"] == [{"path": RATE, "kind": "float", "low": 0.001, "high": 0.1, "log": True}]
    trials = api.get(f"{address}/{study.pk}/trials").data["results"]
    assert [(one["number"], one["state"], one["is_feasible"]) for one in trials] == [
        (2, "complete", False),
        (1, "complete", True),
    ]
    assert api.get(address).data["results"][0]["best_value"] == 0.5


def test_what_is_refused_has_the_usual_shape(api_of, developer, address, dataset_version, small_spec):
    body = {"dataset_version": str(dataset_version.pk), "model_name": "Digits", "spec": small_spec}
    error = api_of(developer).post(address, body | {"space": {RATE: {"low": 0.1, "high": 500}}}).data["error"]
    assert error["code"] == "invalid_space"
    assert error["details"][0]["field"] == "space"
    assert "= 500 gives a spec that is refused" in error["message"]
    assert "Received: int" in str(api_of(developer).post(address, body | {"space": 5}).data)
    assert Study.across_tenants.count() == 0


def test_study_is_changed_paused_continued_and_cancelled(api_of, developer, address, make_study):
    api, study = api_of(developer), make_study()
    sweep()
    here = f"{address}/{study.pk}"
    assert api.patch(here, {"trials": 9, "at_once": 3}).data["trials"] == 9
    assert api.post(f"{here}/pause").data["state"] == "paused"
    assert api.post(f"{here}/pause").status_code == 409
    assert api.post(f"{here}/continue").data["state"] == "running"
    assert api.post(f"{here}/cancel").data["state"] == "cancelled"
    assert {trial.run.job.state for trial in trials_of(study)} == {"cancelled"}
    assert api.patch(here, {"trials": 20}).data["error"]["code"] == "study_is_over"


def test_lists_cost_as_many_queries_for_many_as_for_one(api_of, viewer, address, make_study, django_assert_num_queries):
    study = make_study(trials=4, at_once=4)
    make_study()
    sweep()
    api = api_of(viewer)
    api.get(address)
    with django_assert_num_queries(5):
        api.get(address)
    with django_assert_num_queries(6):
        api.get(f"{address}/{study.pk}/trials")
