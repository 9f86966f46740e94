"""What an architecture costs is estimated well from a few real files."""

from __future__ import annotations

import numpy as np
import pytest

from ml.search.candidates import model_of
from ml.search.pricing import Price, Pricing
from ml.specs import TrainingSpec
from tests.ml.architectures.tiny import FEATURES, context_of
from tests.ml.profiling.profiles import plain_profile
from tests.ml.search.settings import space_of

pytestmark = pytest.mark.engine

# Of sizes, the largest relative error that was seen is 1.5 %; of predicted times 8 %.
BYTES_ERROR, MS_ERROR = 0.02, 0.15


def exporter_of(folder, quantize=None):
    from ml.search.exporting import Exporter
    from ml.training.objectives import objective_for

    context = context_of(FEATURES["image"])
    spec = TrainingSpec.parse(
        {
            "experiment_name": "sizes",
            "task": context.task.model_dump(),
            "features": [FEATURES["image"].model_dump()],
            "hyperparameters": {"quantize": quantize},
            "budget": {"max_bytes": 100_000},
        }
    )
    objective = objective_for(context.task)
    return Exporter(spec, context.statistics, objective, ["a", "b", "c"], spec_folder=folder, work=folder)


@pytest.fixture(scope="module")
def exporter(tensorflow, tmp_path_factory):
    return exporter_of(tmp_path_factory.mktemp("exported"))


@pytest.mark.parametrize(
    ("model_type", "picked"),
    [
        ("feed_forward", {"depth": 2, "units_0": 64, "units_1": 32}),
        ("depthwise_cnn", {"kernel": 5, "stem": 8, "depth": 2, "filters_0": 24, "filters_1": 48, "head": 1}),
        ("cnn", {"kernel": 3, "depth": 2, "filters_0": 12, "filters_1": 24, "head": 1}),
    ],
)
def test_an_estimate_is_near_the_real_file(exporter, model_type, picked):
    space, profile = space_of(model_type), plain_profile()
    pricing = Pricing(number="float32", profile=profile)

    def real(choice):
        return exporter.price(model_of("a", model_type, space.params(choice)), profile)

    smallest = pricing.measure_front(space, real)
    assert pricing.of_picked(space, space.smallest()).bytes == pytest.approx(smallest.bytes)
    estimate, found = pricing.of_picked(space, picked), real(picked)
    assert found.bytes > 1.5 * smallest.bytes
    assert estimate.bytes == pytest.approx(found.bytes, rel=BYTES_ERROR)
    assert estimate.ms == pytest.approx(found.ms, rel=MS_ERROR)


@pytest.mark.parametrize(
    ("model_type", "picked"),
    [
        ("feed_forward", {"depth": 1, "units_0": 64, "units_1": 8}),
        ("cnn", {"kernel": 3, "depth": 1, "filters_0": 24, "filters_1": 4, "head": 1}),
    ],
)
def test_an_estimate_in_8_bits_is_near_as_well(tensorflow, tmp_path, model_type, picked):
    """Dense layers have one scale, convolutions one for each output."""
    exporter, space = exporter_of(tmp_path, "int8"), space_of(model_type)
    pricing = Pricing(number="int8", profile=None)

    def real(choice):
        return exporter.price(model_of("a", model_type, space.params(choice)), None, measures=False)

    pricing.measure_front(space, real)
    assert pricing.of_picked(space, picked).bytes == pytest.approx(real(picked).bytes, rel=BYTES_ERROR)


def test_between_two_measured_front_ends_costs_are_interpolated():
    space = space_of("projection", "vector")
    pricing = Pricing(number="float32", profile=None)
    front = {4: 5000, 60: 6000, 240: 8000}

    def real(picked):
        logits = 4 * (8 * picked["projections"] * 3 + 3) + 208
        return Price(front[picked["projections"]] + logits, 0.0)

    pricing.measure_front(space, real)
    linear = {"depth": 0, "units_0": 8, "units_1": 8}
    for projections, expected in ((4, 5000), (32, 5500), (60, 6000), (150, 7000)):
        estimate = pricing.of_picked(space, {**linear, "projections": projections})
        assert estimate.bytes == pytest.approx(expected + 4 * (8 * projections * 3 + 3) + 208)


def test_a_file_is_made_once_and_does_not_depend_on_what_was_learned(exporter):
    model = model_of("a", "feed_forward", {"units": [8]})
    first = exporter.export(model)
    assert exporter.export(model_of("a", "feed_forward", {"units": [8]})) is first
    # The id stands in the file, which is longer with a longer one.
    assert exporter.export(model_of("a" * 40, "feed_forward", {"units": [8]})).bytes > first.bytes
    assert first.bytes == len(first.path.read_bytes())
    content = first.path.read_bytes()
    # Biases are of 8 and 3 outputs, and neither is zero or shared.
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    shapes = {(8,): 0, (3,): 0}
    for details in interpreter.get_tensor_details():
        shape = tuple(details["shape"])
        if shape in shapes and np.abs(interpreter.get_tensor(details["index"])).max() > 0:
            shapes[shape] += 1
    assert all(shapes.values())


def test_latency_is_left_out_where_nobody_asks(exporter):
    model = model_of("a", "feed_forward", {"units": [8]})
    assert exporter.price(model, None, measures=False).ms == 0.0
    assert exporter.price(model, None).ms > 0.0
    assert exporter.price(model, plain_profile(factor=3)).ms == pytest.approx(
        3 * exporter.price(model, plain_profile()).ms
    )
