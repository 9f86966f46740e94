from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml.data.examples import Example
from ml.evaluation import agreement_of_run
from ml.evaluation.agreement_of_run import agreements
from ml.features import FeatureSpec
from ml.tasks import TaskSpec
from tests.ml.training.written_dataset import write_dataset

VECTOR = FeatureSpec(name="values", type="vector", shape=(2,))
STEPS = FeatureSpec(name="steps", type="sensor", shape=(3, 1))


class Answering:
    """Stands for a Runtime: gives what `answer` makes of the only input, and counts how often it was asked."""

    def __init__(self, answer, shape=(2,)):
        self.answer, self.output_shape, self.asked = answer, shape, 0
        self.inputs = {"values": ((2,), np.dtype(np.float32))}

    def for_batch(self, size):
        """One example at a time."""

    def predict(self, inputs):
        self.asked += 1
        (values,) = inputs.values()
        return np.asarray(self.answer(values), np.float32)


def answering(answer, shape=(2,)) -> Any:
    return Answering(answer, shape)


def vectors(count):
    return [Example({"values": [float(number), 0.0]}, [0], str(number)) for number in range(count)]


@pytest.fixture(params=[256, 2])
def batch(request, monkeypatch):
    monkeypatch.setattr(agreement_of_run, "BATCH", request.param)


@pytest.mark.usefixtures("batch")
def test_every_model_is_asked_once_for_each_example_of_the_split(tmp_path):
    task = TaskSpec(num_classes=2)
    info = write_dataset(tmp_path, task, [VECTOR], {"test": vectors(5), "train": vectors(3)}, ["a", "b"])
    trainer = answering(lambda values: [0.9, 0.1])
    students = {
        "same": answering(lambda values: [0.6, 0.4]),
        "from_three_on": answering(lambda values: [0.4, 0.6] if values[0] < 3 else [1.0, 0.0]),
    }
    found = agreements(trainer, students, tmp_path, "test", info)
    assert found["same"] == {"measure": "top1_agreement", "value": 1.0, "count": 5}
    assert found["from_three_on"] == {"measure": "top1_agreement", "value": 0.4, "count": 5}
    assert [trainer.asked, *(student.asked for student in students.values())] == [5, 5, 5]


@pytest.mark.usefixtures("batch")
def test_a_limit_takes_the_first_examples(tmp_path):
    info = write_dataset(tmp_path, TaskSpec(num_classes=2), [VECTOR], {"test": vectors(5)}, ["a", "b"])
    trainer = answering(lambda values: [0.9, 0.1])
    student = answering(lambda values: [0.4, 0.6] if values[0] < 1 else [1.0, 0.0])
    found = agreements(trainer, {"one": student}, tmp_path, "test", info, limit=2)
    assert found == {"one": {"measure": "top1_agreement", "value": 0.5, "count": 2}}
    assert trainer.asked == 2


def test_padding_does_not_count_but_all_steps_of_a_sequence_without_labels_do(tmp_path):
    examples = [
        Example({"steps": [0.0, 0.0, 0.0]}, [1], "one step"),
        Example({"steps": [0.0, 0.0, 0.0]}, None, "unlabelled"),
    ]
    info = write_dataset(tmp_path, TaskSpec(type="sequence", num_classes=2), [STEPS], {"test": examples}, ["a", "b"])
    trainer = answering(lambda values: [[1.0, 0.0]] * 3, (3, 2))
    student = answering(lambda values: [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], (3, 2))
    found = agreements(trainer, {"one": student}, tmp_path, "test", info)
    assert found == {"one": {"measure": "token_agreement", "value": 0.5, "count": 4}}


def test_without_students_nothing_is_read(tmp_path):
    info = write_dataset(tmp_path, TaskSpec(num_classes=2), [VECTOR], {"test": vectors(1)}, ["a", "b"])
    trainer = answering(lambda values: [0.9, 0.1])
    assert agreements(trainer, {}, tmp_path, "test", info) == {}
    assert trainer.asked == 0
