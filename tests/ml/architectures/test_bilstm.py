"""A bidirectional LSTM knows the whole text at each of its ends, whatever follows it."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from ml.architectures import MODEL_TYPES
from tests.ml.architectures.texts import outputs_in_fields
from tests.ml.architectures.tiny import FEATURES, context_of, tiny_model

pytestmark = pytest.mark.engine

PARAMS = {"units": [6, 5]}


def test_zeros_after_a_text_change_nothing(tensorflow):
    short, long = outputs_in_fields("bilstm", PARAMS, "tea", "hello world", "", lengths=(12, 40))
    assert short == pytest.approx(long, abs=1e-6)
    assert len(np.unique(short.round(4), axis=0)) == 3


def test_it_gives_where_each_direction_ends(tensorflow):
    import tf_keras

    motion = FEATURES["sensor"]
    model = tiny_model("bilstm", {"units": [6]}, context_of(motion))
    x = np.random.default_rng(0).normal(size=(4, *motion.shape)).astype(np.float32)
    reference = tf_keras.layers.Bidirectional(tf_keras.layers.LSTM(6))
    reference(x)
    reference.set_weights(
        [*model.get_layer("lstm_0_forwards").get_weights(), *model.get_layer("lstm_0_backwards").get_weights()]
    )
    encoded = tf_keras.Model(model.inputs, model.get_layer("lstm_0").output)
    # The statistics of the feature are those of standardized values.
    assert encoded({"motion": x}).numpy() == pytest.approx(reference(x).numpy(), abs=1e-6)


def test_the_first_of_many_steps_knows_the_last_token(tensorflow):
    words = FEATURES["tokens"]
    model = tiny_model("bilstm", PARAMS, context_of(words, task="sequence"))
    raw = np.zeros((2, *words.shape), np.uint8)
    raw[:, 0, :3] = 65
    raw[:, 1, :3] = [[66] * 3, [67] * 3]
    outputs = model({"words": raw}).numpy()
    assert outputs.shape == (2, 5, 3)
    assert np.abs(outputs[0, 0] - outputs[1, 0]).max() > 1e-4


def test_bad_parameters_are_refused():
    with pytest.raises(ValidationError, match="units"):
        MODEL_TYPES["bilstm"].params.model_validate({"units": []})
