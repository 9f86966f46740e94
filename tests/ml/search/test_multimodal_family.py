"""Models of several features: one row, small to large, of which the largest that fit are judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml.refusal import RefusedError
from ml.search.multimodal_family import MODEL_TYPE, RUNGS, params
from ml.search.pricing import Price
from ml.search.settings import SearchSettings
from ml.specs import ModelSpec, TrainingSpec
from tests.ml.architectures.tiny import FEATURES, TASKS, context_of, raw_batch, tiny_model
from tests.ml.conftest import quiet_reporter

TOGETHER = [FEATURES[name] for name in ("image", "bytes", "vector")]


def spec_of(task="classification", **budget):
    return TrainingSpec.parse(
        {
            "experiment_name": "several",
            "task": TASKS[task].model_dump(),
            "features": [feature.model_dump() for feature in TOGETHER],
            "budget": budget,
        }
    )


def test_every_rung_is_a_valid_model_that_is_larger_than_the_one_before():
    for rung in RUNGS:
        declared = {"id": "rung", "model_type": MODEL_TYPE, "params": params(rung, TASKS["classification"], TOGETHER)}
        model = ModelSpec.model_validate(declared)
        assert all(model.params.check(feature, TOGETHER) is None for feature in TOGETHER)
    sizes = [(rung.stem, rung.projections, rung.units) for rung in RUNGS]
    assert sizes == sorted(sizes)


@pytest.mark.engine
def test_a_rung_reads_all_features(tensorflow):
    context = context_of(*TOGETHER)
    model = tiny_model(MODEL_TYPE, params(RUNGS[0], context.task, TOGETHER), context)
    raw = {feature.name: tensorflow.constant(raw_batch(feature, np.arange(4) % 3)) for feature in TOGETHER}
    assert model(raw).shape == (4, 3)
    assert {name.partition(".")[0] for name in (layer.name for layer in model.layers) if "." in name} == {
        feature.name for feature in TOGETHER
    }


class PricedByUnits:
    """In place of the exporter: a thousand bytes for each unit."""

    def price(self, model, profile, *, measures=True):
        return Price(1000 * model.params.units[0], 0.0)


@pytest.fixture
def propose(tensorflow, monkeypatch):
    from ml.search import proposing
    from ml.training.objectives import objective_for

    # The smallest does best here.
    monkeypatch.setattr(
        proposing, "scores", lambda models, *_, **__: {one.id: 1 / one.params.units[0] for one in models}
    )

    def run(spec):
        return proposing.Proposer(
            spec,
            None,  # type: ignore[arg-type]  # what is not asked here
            None,  # type: ignore[arg-type]
            objective_for(TASKS["classification"]),
            PricedByUnits(),  # type: ignore[arg-type]
            profile=None,
            settings=SearchSettings(),
            spec_folder=Path(),
            reporter=quiet_reporter(),
        ).propose()

    return run


@pytest.mark.engine
def test_the_three_largest_that_fit_are_ranked_by_their_score(propose):
    proposal = propose(spec_of(max_bytes=30_000))
    assert [student.params.units for student in proposal.students] == [[12], [16], [24]]
    assert {student.model_type for student in proposal.students} == {MODEL_TYPE}
    assert [row["bytes"] for row in proposal.table] == [12_000, 16_000, 24_000]


@pytest.mark.engine
@pytest.mark.parametrize(
    ("task", "budget", "code"), [("classification", 7000, "budget_too_small"), ("sequence", 9000, "nothing_to_propose")]
)
def test_what_can_not_be_is_refused(propose, task, budget, code):
    with pytest.raises(RefusedError) as refused:
        propose(spec_of(task, max_bytes=budget))
    assert refused.value.code == code
