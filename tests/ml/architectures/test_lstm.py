"""An LSTM gives what it knows after the last byte of a text, whatever follows."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from ml.architectures import MODEL_TYPES
from tests.ml.architectures.texts import outputs_in_fields, outputs_of, text_model
from tests.ml.architectures.tiny import FEATURES, context_of, converted, raw_batch, tiny_model

pytestmark = pytest.mark.engine

PARAMS = {"units": [6, 5]}


def test_zeros_after_a_text_change_nothing(tensorflow):
    short, long = outputs_in_fields("lstm", PARAMS, "tea", "hello world", "", lengths=(12, 40))
    assert short == pytest.approx(long, abs=1e-6)
    assert len(np.unique(short.round(4), axis=0)) == 3


def test_the_order_counts(tensorflow):
    there, back = outputs_of(text_model("lstm", PARAMS, 8), "abcd", "dcba")
    assert np.abs(there - back).max() > 1e-3


def test_one_file_serves_many_inferences(tensorflow):
    motion = FEATURES["sensor"]
    model = tiny_model("lstm", PARAMS, context_of(motion))
    raw = raw_batch(motion, np.arange(6) % 3)
    file = converted(model)
    twice = [file.predict(motion=example) for example in [*raw, *raw]]
    assert np.stack(twice) == pytest.approx(np.tile(model({"motion": raw}), (2, 1)), abs=1e-5)


def test_a_sequence_task_gets_every_step(tensorflow):
    motion = FEATURES["sensor"]
    raw = raw_batch(motion, np.arange(3))
    steps = tiny_model("lstm", PARAMS, context_of(motion, task="sequence"))
    last = tiny_model("lstm", PARAMS, context_of(motion))
    last.set_weights(steps.get_weights())
    assert steps({"motion": raw}).numpy()[:, -1] == pytest.approx(last({"motion": raw}).numpy(), abs=1e-6)


@pytest.mark.parametrize("params", [{"units": []}, {"units": [0]}, {"units": [8] * 5}, {"projection_size": 3}])
def test_bad_parameters_are_refused(params):
    with pytest.raises(ValidationError, match=next(iter(params))):
        MODEL_TYPES["lstm"].params.model_validate(params)
