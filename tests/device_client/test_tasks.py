"""Models of every task and kind of input, from predict() to the events."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from device_client import FeedbackError, ModelLoadError
from device_client._interpreter import LoadedModel
from tests.device_client.model_files import linear_model

VECTOR = {"name": "x", "type": "vector", "shape": [2], "dtype": "float32"}
TOKENS = {"name": "tokens", "type": "text", "shape": [3, 4], "dtype": "uint8"}
TEXT = {"name": "text", "type": "text", "shape": [8], "dtype": "uint8"}
SOUND = {"name": "sound", "type": "audio", "shape": [4], "dtype": "int16", "sample_rate": 8000}
MOTION = {"name": "motion", "type": "sensor", "shape": [4, 2], "dtype": "float32"}

LABELS = ("cat", "dog", "owl")
PETS = linear_model("multi_label", [VECTOR], [np.array([[1, 0], [-1, 0], [0, 1]])], labels=LABELS)
SUMS = linear_model(
    "regression", [TEXT, SOUND], [np.array([np.ones(8), np.zeros(8)]), np.array([np.zeros(4), np.ones(4)])]
)
# Of each token, the larger of its first two bytes decides: "n" is a name, "ab" is outside.
SLOTS = linear_model(
    "sequence",
    [TOKENS],
    [np.array([np.eye(12)[4 * step + byte] for step in range(3) for byte in (1, 0)])],
    labels=("O", "name"),
    steps=3,
)


@pytest.fixture
def predict(server, make_client):
    """`predict(content, x=…)` → the model, the prediction, and a function that gives its events on the server."""

    def run(content: bytes, **inputs):
        server.publish("model", content)
        client = make_client()
        model = client.model("model")
        model.wait(timeout=5)
        prediction = model.predict(**inputs)

        def data_of(kind: str):
            client.flush()
            return server.events_of(kind)[-1]["data"]

        return model, prediction, data_of

    return run


def test_a_classification_tells_its_label_in_both_ways(predict):
    content = linear_model("classification", [VECTOR], [np.array([[1, 0], [0, 1], [0, 0]])], labels=LABELS)
    _, prediction, _ = predict(content, x=[0, 2])
    assert (prediction.task, prediction.label, prediction.labels) == ("classification", "dog", ("dog",))
    assert prediction.label_scores == (prediction.score,) == (prediction.scores["dog"],)
    assert prediction.values == ()
    assert pickle.loads(pickle.dumps(prediction)) == prediction


def test_several_labels_are_those_of_at_least_one_half(predict):
    model, prediction, data_of = predict(PETS, x=[2, 0])
    assert model.labels == LABELS
    assert (prediction.label, prediction.labels) == ("cat|owl", ("cat", "owl"))
    assert prediction.scores == {
        "cat": pytest.approx(1 / (1 + np.exp(-2))),
        "dog": pytest.approx(1 / (1 + np.exp(2))),
        "owl": 0.5,
    }
    assert (prediction.score, prediction.label_scores) == (prediction.scores["cat"], (prediction.score, 0.5))
    model.feedback(prediction, correct=["owl", "cat"])
    assert data_of("inferred")["label"] == "cat|owl"
    assert data_of("feedback") == {"prediction": prediction.id, "label": "cat|owl", "correct": "cat|owl"}
    model.feedback(prediction, correct=[])
    assert data_of("feedback")["correct"] == ""


def test_none_of_several_labels_may_hold(predict):
    content = linear_model("multi_label", [VECTOR], [-np.ones((3, 2))], labels=LABELS)
    model, prediction, data_of = predict(content, x=[1, 1])
    assert (prediction.label, prediction.labels, prediction.label_scores) == ("", (), ())
    model.feedback(prediction, correct=[])
    assert data_of("feedback")["correct"] == data_of("inferred")["label"] == ""


def test_a_regression_gives_values_of_all_inputs(predict):
    model, prediction, data_of = predict(SUMS, text="ab", sound=np.array([1, 2, -5], np.int16))
    assert prediction.values == (97.0 + 98.0, -2.0)
    assert (prediction.label, prediction.score, prediction.scores, prediction.labels) == ("195, -2", 0.0, {}, ())
    assert model.labels == ()
    assert model.inputs == {
        "text": "text, of which 8 bytes of UTF-8 count",
        "sound": "int16 (4,) at 8000 samples a second, or shorter",
    }
    assert set(data_of("inferred")) == {"latency_ms", "label"}
    model.feedback(prediction, correct=(195, np.float32(-2.5)))
    assert data_of("feedback") == {"prediction": prediction.id, "label": "195, -2", "correct": "195, -2.5"}


def test_a_sequence_has_a_label_for_each_token_that_was_given(predict):
    model, prediction, data_of = predict(SLOTS, tokens=["n", "ab"])
    assert (prediction.labels, prediction.label) == (("name", "O"), "name O")
    assert len(prediction.label_scores) == 2
    assert prediction.score == pytest.approx(sum(prediction.label_scores) / 2)
    assert list(prediction.scores) == ["O", "name"]
    assert prediction.scores["name"] == prediction.label_scores[0]
    model.feedback(prediction, correct=["O", "O"])
    assert data_of("feedback") == {"prediction": prediction.id, "label": "name O", "correct": "O O"}


def test_a_sequence_of_nothing_has_no_labels(predict):
    _, prediction, _ = predict(SLOTS, tokens=[])
    assert (prediction.labels, prediction.label, prediction.score) == ((), "", 0.0)


@pytest.mark.parametrize(
    ("content", "inputs", "correct", "message"),
    [
        (PETS, {"x": [1, 1]}, "cat", r"correct='cat' is no list; a list of labels of 'model' is accepted"),
        (
            PETS,
            {"x": [1, 1]},
            ["cat", "cow"],
            r"correct='cow' is no label of 'model'; accepted are 'cat', 'dog', 'owl'",
        ),
        (SLOTS, {"tokens": ["a", "b"]}, ["O"], r"has 1 labels; one for each of the 2 steps is accepted"),
        (SLOTS, {"tokens": ["a", "b"]}, ["O", "cow"], r"correct='cow' is no label"),
        (SUMS, {"text": "", "sound": [1]}, 1.0, r"correct=1.0 does not fit; 2 finite numbers of 'model' are accepted"),
        (SUMS, {"text": "", "sound": [1]}, [1.0, float("nan")], "does not fit; 2 finite numbers"),
        (SUMS, {"text": "", "sound": [1]}, ["1", "2"], "does not fit; 2 finite numbers"),
        (SUMS, {"text": "", "sound": [1]}, None, "does not fit; 2 finite numbers"),
    ],
)
def test_feedback_must_fit_the_task(predict, content, inputs, correct, message):
    model, prediction, _ = predict(content, **inputs)
    with pytest.raises(FeedbackError, match=message):
        model.feedback(prediction, correct=correct)


def test_a_long_answer_is_shortened_in_events_so_that_it_stays_comparable(predict):
    labels = ("a" * 1500, "b" * 1500, "c" * 1500)
    content = linear_model("multi_label", [VECTOR], [np.array([[1, 0], [1, 0], [-1, 0]])], labels=labels)
    model, prediction, data_of = predict(content, x=[1, 0])
    assert prediction.labels == labels[:2]
    model.feedback(prediction, correct=labels[:2])
    same = data_of("feedback")
    assert len(same["label"]) == 2000
    assert same["label"] == same["correct"] == data_of("inferred")["label"]
    model.feedback(prediction, correct=(labels[0], labels[2]))
    assert data_of("feedback")["correct"] != same["label"]


def test_a_sensor_that_is_too_short_gets_labels_for_its_own_steps():
    weights = [np.eye(8)[2 * step + channel] for step in range(4) for channel in range(2)]
    content = linear_model("sequence", [MOTION], [np.array(weights)], labels=("left", "right"), steps=4)
    answer = LoadedModel(content).run({"motion": [[1, 0], [0, 1]]})
    assert answer.labels == ("left", "right")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (linear_model("detection", [VECTOR], [np.eye(2)], labels=("a", "b")), "task is 'detection', which this client"),
        (linear_model("sequence", [VECTOR], [np.eye(2)], labels=("a", "b")), "steps and labels of a sequence"),
        (
            linear_model("sequence", [VECTOR], [np.ones((6, 2))], labels=("a", "b"), steps=2),
            "gives 3 scores but names 2",
        ),
        (linear_model("multi_label", [VECTOR], [np.eye(2)], labels=("a",)), "gives 2 scores but names 1"),
    ],
)
def test_a_model_that_does_not_fit_its_task_is_refused(content, message):
    with pytest.raises(ModelLoadError, match=message):
        LoadedModel(content)
