from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytestmark = pytest.mark.engine


@pytest.fixture
def two_branches(tensorflow):
    """A model of two features, each read by a model of its own with a layer of the same name."""
    import tf_keras

    layers = tf_keras.layers
    raw = {name: tf_keras.Input((4,), name=name) for name in ("left", "right")}

    def branch(name):
        inner = tf_keras.Input((4,))
        return tf_keras.Model(inner, layers.Dense(3, activation="relu", name="dense")(inner), name=f"branch_{name}")

    merged = layers.Concatenate(name="both")([branch(name)(raw[name]) for name in raw])
    return tf_keras.Model(raw, layers.Dense(2, name="logits")(merged), name="model")


FEATURES = {"left": np.ones((5, 4), np.float32), "right": np.full((5, 4), -2, np.float32)}


def test_layers_of_inner_models_are_told_apart(two_branches):
    from ml.training.model_layers import named_layers, named_weights

    assert list(named_layers(two_branches)) == ["branch_left/dense", "branch_right/dense", "both", "logits"]
    weights = named_weights(two_branches)
    assert list(weights) == [
        *("branch_left/dense/kernel", "branch_left/dense/bias", "branch_right/dense/kernel"),
        *("branch_right/dense/bias", "logits/kernel", "logits/bias"),
    ]
    assert {id(weight) for weight in weights.values()} == {id(one) for one in two_branches.trainable_variables}


def test_each_call_is_recorded_with_what_goes_in_and_comes_out(two_branches):
    from ml.training.model_layers import named_layers, recording

    layers = named_layers(two_branches)
    seen = {}
    with recording(layers, lambda name, inputs, outputs: seen.update({name: (inputs, outputs)})):
        answer = two_branches(FEATURES, training=False)
    assert list(seen) == list(layers)
    inner = two_branches.get_layer("branch_right").get_layer("dense")
    expected = np.maximum(FEATURES["right"] @ inner.kernel.numpy() + inner.bias.numpy(), 0)
    assert np.allclose(seen["branch_right/dense"][1], expected, atol=1e-6)
    assert np.array_equal(seen["logits"][0], seen["both"][1])
    assert np.array_equal(seen["logits"][1], answer)


def test_nothing_is_recorded_after_the_block_even_if_it_fails(two_branches):
    from ml.training.model_layers import named_layers, recording

    def fail(*_):
        raise ZeroDivisionError

    seen = []
    with pytest.raises(ZeroDivisionError), recording(named_layers(two_branches), fail):
        two_branches(FEATURES)
    with recording(named_layers(two_branches), lambda name, *_: seen.append(name)):
        two_branches(FEATURES)
    seen.clear()
    two_branches(FEATURES)
    assert seen == []
    assert not any("call" in vars(layer) for layer in named_layers(two_branches).values())


def test_frozen_weights_are_not_learned(two_branches):
    from ml.training.model_layers import named_weights

    two_branches.get_layer("branch_left").trainable = False
    assert not any(name.startswith("branch_left") for name in named_weights(two_branches))


def test_weights_within_a_wrapper_have_different_names(tensorflow):
    import tf_keras

    from ml.training.model_layers import named_weights

    layers = tf_keras.layers
    inputs = tf_keras.Input((6, 2))
    read = layers.Bidirectional(layers.GRU(3), name="both_ways")(inputs)
    names = list(named_weights(tf_keras.Model(inputs, read)))
    assert names[0] == "both_ways/forward_gru/gru_cell/kernel"
    assert len(set(names)) == 6


def test_of_a_callable_only_its_variables_are_known(tensorflow):
    from ml.training.model_layers import named_layers, named_weights

    variables = [tensorflow.Variable([value], name="w") for value in (1.0, 2.0)]
    uploaded = SimpleNamespace(trainable_variables=variables)
    assert named_layers(uploaded) == {}
    assert {name: weight.numpy().tolist() for name, weight in named_weights(uploaded).items()} == {
        "w": [1.0],
        "w_1": [2.0],
    }
