"""Real LiteRT on real files."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from device_client import ModelLoadError
from device_client._interpreter import LoadedModel
from tests.device_client.model_files import LABELS, digits_model, unknown_op_model


def test_the_scores_are_those_of_the_model_in_the_order_of_its_labels(image):
    content = digits_model(seed=3, labels=tuple("abcdefghij"))
    result = LoadedModel(content).run({"image": image})
    weights = np.random.default_rng(3).normal(0, 0.003, (10, 64)).astype(np.float32)
    logits = weights @ image.ravel().astype(np.float32)
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert list(result.scores) == list("abcdefghij")
    np.testing.assert_allclose(list(result.scores.values()), expected, rtol=1e-4)
    assert 0 < result.latency_ms < 1000


def test_inputs_and_labels_come_from_the_file():
    loaded = LoadedModel(digits_model(shape=(4, 5, 3), dtype="float32", classes=2, labels=("no", "yes")))
    assert loaded.labels == ("no", "yes")
    assert {name: spec.accepted for name, spec in loaded.inputs.items()} == {"image": "float32 (4, 5, 3)"}


def test_a_file_without_metadata_has_numbers_as_labels(image):
    loaded = LoadedModel(digits_model(metadata=None, classes=3))
    assert loaded.labels == ("0", "1", "2")
    assert len(loaded.run({"image": image}).scores) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no .tflite: it has 0 bytes"),
        (b"<html>not found</html>", "is no .tflite: it has 22 bytes and no TFL3 mark"),
        (unknown_op_model(), "Didn't find op for builtin opcode 'CAST' version '99'"),
        (digits_model(signature=False), "has no signature"),
        (digits_model(labels=("a", "b")), "gives 10 scores but names 2 different labels"),
        (digits_model(labels=("a",) * 10), "gives 10 scores but names 1 different labels"),
        (digits_model(metadata="{"), "metadata entry `bantam` .* can't be read"),
        (digits_model(metadata={"version": 2}), "version 2; this client reads version 1"),
        (digits_model(metadata={"version": 1, "labels": [1, 2]}), "a list of text is accepted"),
        (
            digits_model(metadata={"version": 1, "inputs": [{"name": "image", "shape": [28, 28, 1]}]}),
            r"shape \(8, 8, 1\), but the model's metadata says \(28, 28, 1\)",
        ),
    ],
    ids=["empty", "html", "op", "signature", "labels", "equal", "json", "version", "types", "shape"],
)
def test_a_file_that_can_not_be_used_says_why(content, message):
    with pytest.raises(ModelLoadError, match=message):
        LoadedModel(content)


def test_a_file_cut_short_is_refused_and_does_not_end_the_process():
    content = digits_model()
    for length in (8, 100, 1000, len(content) - 100):
        with pytest.raises(ModelLoadError):
            LoadedModel(content[:length])


def test_threads_get_the_answers_to_their_own_questions():
    loaded = LoadedModel(digits_model())
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8)).astype(np.uint8)
    expected = [loaded.run({"image": image}).scores for image in images]
    wrong: list[int] = []

    def work(start: int) -> None:
        for index in range(start, 40, 4):
            if loaded.run({"image": images[index]}).scores != expected[index]:
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert loaded.labels == LABELS
