from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.analytics.models import Event
from tests.delivery.rows import make_model, make_version

NOT_MEASURED = {"measured": 0, "mean_absolute_error": None}


@pytest.fixture
def url(project) -> str:
    return f"/api/v1/projects/{project.pk}/analytics"


# --- One version -----------------------------------------------------------------------------------------------------


def test_the_figures_of_a_version(api_of, viewer, url, version, report):
    device = str(uuid4())
    for label, correct in [("7", "7"), ("7", "7"), ("1", "7")]:
        report(version, "inferred", installation=device, latency_ms=0.5, label=label)
        report(version, "feedback", installation=device, label=label, correct=correct)
    answer = api_of(viewer).get(f"{url}/versions/{version.pk}")
    assert answer.status_code == 200
    assert answer.json() == {
        "version": str(version.pk),
        "events": {"assigned": 0, "downloaded": 0, "loaded": 0, "inferred": 3, "feedback": 3, "failed": 0},
        "feedback": {"count": 3, "correct": 2, "accuracy": 2 / 3, **NOT_MEASURED},
        "latency_ms": {"p50": 0.5, "p95": 0.5},
        "installations": 1,
        "confusion_matrix": {"labels": ["1", "7"], "matrix": [[0, 0], [1, 2]]},
    }


def test_a_version_without_events_has_noughts(api_of, viewer, url, version):
    figures = api_of(viewer).get(f"{url}/versions/{version.pk}").json()
    assert figures["feedback"] == {"count": 0, "correct": 0, "accuracy": None, **NOT_MEASURED}
    assert figures["latency_ms"] == {"p50": None, "p95": None}
    assert (figures["installations"], figures["confusion_matrix"]) == (0, None)


def test_a_version_costs_few_queries(api_of, server_key, url, version, report, django_assert_num_queries):
    for _ in range(3):
        report(version, "inferred", latency_ms=1.0)
    api = api_of(server_key)
    api.get(f"{url}/versions/{version.pk}")
    with django_assert_num_queries(7):  # key, project, version, counts, devices, latencies, confusion matrix
        api.get(f"{url}/versions/{version.pk}")


def test_a_version_of_another_project_is_not_there(api_of, viewer, url, other_project):
    theirs = make_version(make_model(other_project))
    assert api_of(viewer).get(f"{url}/versions/{theirs.pk}").status_code == 404


# --- All of a project ------------------------------------------------------------------------------------------------


def test_the_overview_of_a_project(api_of, viewer, url, project, version, report):
    version.metrics = {"test": {"accuracy": 0.9361}}
    version.save()
    report(version, "inferred", latency_ms=0.5)
    report(version, "feedback", label="7", correct="1")
    report(version, "failed", stage="load", code="model_load_failed", message="no op")
    Event.objects.for_project(project).filter(type="inferred").update(received_at=timezone.now() - timedelta(days=3))
    overview = api_of(viewer).get(url, {"days": 7}).json()
    assert len(overview["days"]) == 7
    assert overview["events"]["inferred"] == [0, 0, 0, 1, 0, 0, 0]
    assert overview["events"]["failed"][-1] == 1
    assert overview["installations"] == 3
    assert overview["feedback"] == {"count": 1, "correct": 0, "accuracy": 0.0, **NOT_MEASURED}
    (row,) = overview["versions"]
    assert (row["model"], row["number"]) == ("digits", 1)
    assert row["test_metric"] == {"name": "accuracy", "value": 0.9361}
    assert row["events"]["inferred"] == 1
    (failure,) = overview["failures"]
    assert (failure["stage"], failure["code"], failure["message"]) == ("load", "model_load_failed", "no op")


def test_feedback_on_a_regression_is_measured(api_of, viewer, url, project, report):
    version = make_version(
        make_model(project, "heights"), compatibility={"ok": True, "metadata": {"task": "regression"}}
    )
    version.metrics = {"test": {"rmse": 0.5, "mae": 0.25, "r2": 0.9}}
    version.save()
    for label, correct in [("1.5", "1"), ("2, 4", "2, 3"), ("much", "1"), ("1", "1, 2"), ("1e999", "1")]:
        report(version, "feedback", label=label, correct=correct)
    measured = {"count": 0, "correct": 0, "accuracy": None, "measured": 2, "mean_absolute_error": 0.5}
    overview = api_of(viewer).get(url).json()
    assert overview["feedback"] == measured
    (row,) = overview["versions"]
    assert row["test_metric"] == {"name": "mae", "value": 0.25}
    figures = api_of(viewer).get(f"{url}/versions/{version.pk}").json()
    assert (figures["feedback"], figures["events"]["feedback"]) == (measured, 5)
    assert figures["confusion_matrix"] is None


def test_labels_that_are_numbers_are_still_labels(api_of, viewer, url, version, report):
    report(version, "feedback", label="7", correct="1")
    assert api_of(viewer).get(url).json()["feedback"] == {"count": 1, "correct": 0, "accuracy": 0.0, **NOT_MEASURED}


@pytest.mark.parametrize(
    ("measured", "metric"),
    [
        ({"micro_f1": 0.9, "subset_accuracy": 0.5}, {"name": "subset_accuracy", "value": 0.5}),
        ({"token_f1": 0.9, "accuracy": 0.95, "sequence_accuracy": 0.6}, {"name": "sequence_accuracy", "value": 0.6}),
        ({"rmse": 0.5}, None),
        ({}, None),
    ],
)
def test_whole_answers_are_held_against_whole_answers(api_of, viewer, url, version, report, measured, metric):
    version.metrics = {"test": measured}
    version.save()
    report(version, "inferred")
    assert api_of(viewer).get(url).json()["versions"][0]["test_metric"] == metric


def test_older_events_are_not_counted(api_of, viewer, url, project, version, report):
    report(version, "inferred", latency_ms=0.5)
    Event.objects.for_project(project).update(received_at=timezone.now() - timedelta(days=7))
    assert sum(api_of(viewer).get(url, {"days": 7}).json()["events"]["inferred"]) == 0
    assert sum(api_of(viewer).get(url).json()["events"]["inferred"]) == 1


def test_one_model_only(api_of, viewer, url, project, version, report):
    sounds = make_version(make_model(project, "sounds"))
    report(version, "inferred")
    report(sounds, "inferred")
    overview = api_of(viewer).get(url, {"model": str(sounds.model_id)}).json()
    assert [row["model"] for row in overview["versions"]] == ["sounds"]
    assert api_of(viewer).get(url, {"model": str(uuid4())}).status_code == 404


@pytest.mark.parametrize(("query", "field"), [({"days": 8}, "days"), ({"model": "digits"}, "model")])
def test_a_question_that_can_not_be_answered_is_refused(api_of, viewer, url, query, field):
    answer = api_of(viewer).get(url, query)
    assert answer.status_code == 400
    assert [detail["field"] for detail in answer.json()["error"]["details"]] == [field]


def test_the_overview_costs_the_same_however_many_versions(
    api_of, server_key, url, project, version, report, django_assert_num_queries
):
    for number in range(4):
        report(make_version(version.model), "failed" if number % 2 else "inferred")
    api = api_of(server_key)
    api.get(url)
    with django_assert_num_queries(8):  # key, project; counts, devices (twice), latencies, versions, failures
        api.get(url)


def test_a_stranger_finds_nothing(api_of, stranger, url, version, device_key):
    assert api_of(stranger).get(url).status_code == 404
    assert api_of(stranger).get(f"{url}/versions/{version.pk}").status_code == 404
    assert api_of(device_key).get(url).status_code in {401, 403}
