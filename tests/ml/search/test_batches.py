"""What the weights learn from, and what the gates do."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from ml.data.examples import Example
from tests.ml.architectures.tiny import FEATURES, TASKS
from tests.ml.training.written_dataset import write_dataset

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """A training split of 40 examples whose first value is their number."""
    from ml.data.pipeline import Pipeline

    examples = [Example({"values": [float(index)] * 6}, [index % 3], str(index)) for index in range(40)]
    folder = tmp_path_factory.mktemp("numbered")
    return Pipeline(folder, write_dataset(folder, TASKS["classification"], [FEATURES["vector"]], {"train": examples}))


def seen(batches, count=20):
    return [int(value) for features, _ in islice(batches, count) for value in features["values"][:, 0]]


def test_each_example_teaches_weights_or_gates_and_none_both(tensorflow, numbered):
    from ml.search.batches import batches_of_both

    weights, gates = (seen(batches) for batches in batches_of_both(numbered, batch_size=8, seed=3))
    assert len(weights) == len(gates) == 160
    assert (len(set(weights)), len(set(gates))) == (32, 8)
    assert set(weights) | set(gates) == set(range(40))


def test_the_order_follows_the_seed(tensorflow, numbered):
    from ml.search.batches import batches_of_both

    first, again, other = (seen(batches_of_both(numbered, batch_size=8, seed=seed)[0]) for seed in (3, 3, 4))
    assert first == again != other


def test_the_part_of_the_gates_is_random_so_that_no_order_of_the_classes_matters(tensorflow):
    from ml.search.batches import gates_part

    part = gates_part(1000, seed=7)
    assert part.sum() == 200
    # Of five classes in turn, each has about 40 of these: within four standard deviations.
    assert np.abs(np.bincount(np.flatnonzero(part) % 5) - 40).max() < 23
    assert (gates_part(1000, seed=8) != part).any()
    assert [int(gates_part(count, seed=7).sum()) for count in (2, 4, 9, 10)] == [1, 1, 1, 2]
