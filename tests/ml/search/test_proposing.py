"""Proposals for real digits: what they cost, how they are ranked, and what is refused."""

from __future__ import annotations

import pytest

from ml.refusal import RefusedError
from ml.search.pricing import Price
from ml.search.settings import SearchSettings
from ml.specs import TrainingSpec
from tests.ml.conftest import quiet_reporter
from tests.ml.profiling.profiles import plain_profile
from tests.ml.search.conftest import MAX_BYTES, MAX_MS

pytestmark = pytest.mark.engine

SMALL = 2900


class Digits:
    """Proposals for one dataset, whose files are made once for all budgets."""

    def __init__(self, dataset, folder):
        from ml.data.dataset import DatasetInfo
        from ml.data.measuring import measure
        from ml.data.pipeline import Pipeline
        from ml.search.exporting import Exporter
        from ml.training.run import objective_of

        self.folder, self.pipeline = folder, Pipeline(dataset, DatasetInfo.read(dataset))
        self.measured = measure(self.pipeline)
        spec = self.spec({"max_bytes": SMALL})
        self.objective = objective_of(spec, self.measured)
        classes = self.pipeline.info.classes
        self.exporter = Exporter(
            spec, self.measured.statistics, self.objective, classes, spec_folder=folder, work=folder
        )

    def spec(self, budget):
        info = self.pipeline.info
        return TrainingSpec.parse(
            {
                "experiment_name": "digits",
                "task": info.task.model_dump(),
                "features": [feature.model_dump() for feature in info.features],
                "hyperparameters": {"learning_rate": 0.01, "batch_size": 64, "steps": 60},
                "budget": budget,
            }
        )

    def propose(self, budget, profile=None, exporter=None):
        from ml.search.proposing import Proposer

        return Proposer(
            self.spec(budget),
            self.pipeline,
            self.measured,
            self.objective,
            exporter or self.exporter,
            profile=profile,
            settings=SearchSettings(search_steps=20, score_steps=20),
            spec_folder=self.folder,
            reporter=quiet_reporter(),
        ).propose()


@pytest.fixture(scope="module")
def digits(tensorflow, digits_dataset, tmp_path_factory):
    return Digits(digits_dataset, tmp_path_factory.mktemp("proposing"))


@pytest.fixture(scope="module")
def small(digits):
    return digits.propose({"max_bytes": SMALL})


def test_every_candidate_fits_the_budget_by_its_real_file(digits, small, trained_for_budget):
    for student, row in zip(small.students, (row for row in small.table if row["is_chosen"]), strict=True):
        exported = digits.exporter.export(student)
        assert (row["id"], row["bytes"]) == (student.id, len(exported.path.read_bytes()))
    for rows, limit in ((small.table, SMALL), (trained_for_budget.rows, MAX_BYTES)):
        assert 0.7 * limit < max(row["bytes"] for row in rows) <= limit
        for row in rows:
            assert row["estimated_bytes"] == pytest.approx(row["bytes"], rel=0.02)
    for row in trained_for_budget.rows:
        assert row["latency_ms"] <= MAX_MS
        assert row["estimated_latency_ms"] == pytest.approx(row["latency_ms"], rel=0.15)
    assert {row["latency_ms"] for row in small.table} == {None}


def test_the_same_seed_gives_the_same_proposal(digits, small):
    assert digits.propose({"max_bytes": SMALL}) == small


def test_students_are_the_best_of_each_type(trained_for_budget):
    rows = trained_for_budget.rows
    accuracies = [row["accuracy"] for row in rows]
    assert accuracies == sorted(accuracies, reverse=True)
    assert accuracies[0] > 0.5
    chosen = [row for row in rows if row["is_chosen"]]
    assert [row["id"] for row in chosen] == trained_for_budget.proposal["students"]
    assert rows[0]["is_chosen"]
    types = [row["model_type"] for row in chosen]
    assert sorted(types) == ["feed_forward", "projection"]


def test_both_the_family_and_the_search_are_asked(trained_for_budget):
    assert {row["origin"] for row in trained_for_budget.rows} == {"search", "family"}
    ids = {row["id"] for row in trained_for_budget.rows}
    # The trainer of this spec has the id feed_forward-dense.
    assert {"projection-search", "feed_forward-search", "projection-linear", "feed_forward-dense-student"} <= ids


@pytest.mark.parametrize(
    ("budget", "field", "said"),
    [
        ({"max_bytes": 500}, "budget.max_bytes", "Received: 500. Accepted: at least 2"),
        ({"max_latency_ms": 0.0001}, "budget.max_latency_ms", "Received: 0.0001. Accepted: at least 0.0"),
        ({"max_bytes": 3600, "max_latency_ms": 0.0018}, "budget", "Received: max_bytes 3600 and max_latency_ms 0.0018"),
    ],
)
def test_an_impossible_budget_is_refused_with_the_smallest_that_is_possible(digits, budget, field, said):
    with pytest.raises(RefusedError) as refused:
        digits.propose(budget, plain_profile())
    assert refused.value.code == "budget_too_small"
    (detail,) = refused.value.details
    assert detail["field"] == field
    assert said in detail["message"]


class SlowerThanPredicted:
    """In place of the exporter, a machine on which everything takes a millisecond, whatever a prediction says."""

    def __init__(self, exporter):
        self._exporter = exporter

    def price(self, model, profile, *, measures=True):
        price = self._exporter.price(model, profile, measures=False)
        return Price(price.bytes, 1.0) if measures else price


def test_what_is_too_slow_only_when_it_is_measured_is_refused_as_well(digits, small, monkeypatch):
    from ml.search import proposing

    monkeypatch.setattr(proposing, "measure_profile", plain_profile)
    with pytest.raises(RefusedError) as refused:
        digits.propose({"max_bytes": SMALL, "max_latency_ms": 0.5}, exporter=SlowerThanPredicted(digits.exporter))
    assert refused.value.code == "budget_too_small"
    assert refused.value.details[0]["field"] == "budget.max_latency_ms"
    assert "Received: 0.5. Accepted: at least 1.1, for the smallest" in refused.value.details[0]["message"]
