from __future__ import annotations

import pytest

from apps.datasets.models import DatasetVersion
from apps.errors import Refused
from apps.jobs.models import Job
from apps.models.models import RegisteredModel
from apps.projects.models import AuditEntry
from apps.training.models import TrainingRun
from apps.training.services import start_run
from apps.training.spec_text import to_yaml
from tests.delivery.threads import at_once


@pytest.fixture
def start(access, dataset_version, small_spec):
    def start(**fields) -> TrainingRun:
        about = {"dataset_version": dataset_version, "spec": to_yaml(small_spec), "model_name": "Digit reader"}
        return start_run(access=access, **{**about, **fields})

    return start


def nothing_was_made() -> bool:
    rows = (TrainingRun, RegisteredModel, Job.across_tenants.filter(kind=Job.Kind.TRAIN))
    return not any(row.across_tenants.exists() if isinstance(row, type) else row.exists() for row in rows)


def test_run_is_queued_with_its_spec_and_a_new_model(start, access, dataset_version, small_spec):
    run = start(name="  First try ")
    assert (run.number, run.name, run.model.slug) == (1, "First try", "digit-reader")
    assert (run.job.kind, run.job.state, run.job.payload) == ("train", "queued", {"run": str(run.pk)})
    assert run.spec_yaml == to_yaml(small_spec)
    assert run.spec["students"][0]["params"]["projections"] == 20
    actions = AuditEntry.across_tenants.order_by("id").values_list("action", flat=True)
    assert list(actions) == ["model.registered", "run.started"]


def test_runs_are_numbered_without_gaps_and_named_after_the_experiment(start):
    first = start()
    with pytest.raises(Refused):
        start(spec="nonsense")
    second = start(model=first.model, model_name="")
    assert [(run.number, run.name) for run in (first, second)] == [(1, "digits"), (2, "digits")]


def test_data_may_be_an_object(start, small_spec):
    run = start(spec=small_spec)
    assert run.spec_yaml == to_yaml(small_spec)


@pytest.mark.parametrize("state", [DatasetVersion.State.IMPORTING, DatasetVersion.State.FAILED])
def test_data_that_is_not_ready_is_refused(start, dataset_version, state):
    dataset_version.state = state
    with pytest.raises(Refused, match=f"a version that is {state}") as caught:
        start()
    assert caught.value.code == "dataset_not_ready"
    assert nothing_was_made()


def test_bad_spec_is_refused_and_no_model_is_registered(start, small_spec):
    small_spec["task"]["num_classes"] = 4
    with pytest.raises(Refused) as caught:
        start(spec=small_spec)
    assert [detail["field"] for detail in caught.value.details] == ["task.num_classes"]
    assert nothing_was_made()


def test_one_of_model_and_name_is_needed(start):
    with pytest.raises(Refused, match="neither"):
        start(model_name=" ")
    run = start()
    with pytest.raises(Refused, match="both"):
        start(model=run.model)


def test_taken_name_of_a_new_model_is_said_beside_it(start):
    start()
    with pytest.raises(Refused) as caught:
        start()
    assert [detail["field"] for detail in caught.value.details] == ["model_name"]
    assert TrainingRun.across_tenants.count() == 1


@pytest.mark.django_db(transaction=True)
def test_runs_that_start_at_the_same_moment_take_turns(access, dataset_version, small_spec):
    def begin(name: str) -> int:
        about = {"dataset_version": dataset_version, "spec": to_yaml(small_spec), "model_name": name}
        return start_run(access=access, **about).number

    assert sorted(at_once(begin, ["Letters", "Sounds", "Words", "Signs"])) == [1, 2, 3, 4]
