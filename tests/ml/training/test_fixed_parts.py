"""What never changes about a network is computed once an example, and nothing else is different for that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.data.augmentation import Augmentation
from ml.data.examples import Example
from ml.data.images import encode_png
from ml.features import FeatureSpec
from ml.specs import ModelSpec, TrainingSpec
from ml.tasks import TaskSpec
from tests.ml.architectures.tiny import FEATURES, context_of, raw_batch, tiny_model
from tests.ml.training.written_dataset import write_dataset

pytestmark = pytest.mark.engine

BRANCHES = {
    "motion": {"model_type": "cnn", "params": {"filters": [4]}},
    "values": {"model_type": "projection", "params": {"projections": 3, "bits": 3}},
    "image": {"model_type": "projection_sparse", "params": {"projections": 5, "bits": 2, "width": 4}},
}
CASES: dict[str, tuple[str, dict[str, Any], tuple[str, ...], str]] = {
    "image": ("projection", {"projections": 7, "bits": 5, "units": [4]}, ("image",), "classification"),
    "sound": ("projection", {"projections": 8, "bits": 4}, ("audio",), "classification"),
    "text": ("projection", {"projections": 9, "bits": 3}, ("bytes",), "classification"),
    "tokens": ("projection", {"projections": 5, "bits": 5}, ("tokens",), "sequence"),
    "lookup": ("projection_sparse", {"projections": 6, "bits": 4, "width": 4}, ("sensor",), "classification"),
    "patches": ("projection_cnn", {"filters": [4], "bits": 12}, ("image",), "classification"),
    "several": ("multimodal", {"branches": BRANCHES, "units": [8]}, ("image", "sensor", "vector"), "classification"),
}


def network_of(name: str, *, quantize: bool = False) -> tuple[Any, dict[str, Any]]:
    """A student of one case, and a raw batch of 12 examples."""
    from ml.training.networks import Network
    from ml.training.quantizing import quantized

    model_type, params, names, task = CASES[name]
    features = [FEATURES[one] for one in names]
    model = tiny_model(model_type, params, context_of(*features, task=task))
    raw = {one.name: raw_batch(one, np.arange(12) % 3) for one in features}
    spec = ModelSpec.model_validate({"id": "student", "model_type": model_type, "params": params})
    return Network(spec, "student", quantized(model) if quantize else model), raw


@pytest.mark.parametrize("quantize", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients_are_those_of_the_whole_network(tensorflow, name, quantize):
    from ml.training.fixed_parts import fixed_part

    network, raw = network_of(name, quantize=quantize)
    part = fixed_part(network)
    assert part is not None
    derived = {one.name: one.compute(raw) for one in part.derived}
    for one in part.derived:
        assert derived[one.name].nbytes == 12 * one.bytes
    batch = {key: tensorflow.constant(values) for key, values in {**raw, **derived}.items()}
    assert part.is_in(batch)
    assert not part.is_in(raw)
    network.model(raw, training=True)  # ranges of 8 bits begin somewhere
    with tensorflow.GradientTape(persistent=True) as tape:
        whole = network.model(raw, training=False)
        found = part.outputs(batch, training=False)
    assert np.array_equal(found, whole)
    variables = network.model.trainable_variables
    assert {id(one) for one in part.rest.trainable_variables} == {id(one) for one in variables}
    for one, other in zip(tape.gradient(whole, variables), tape.gradient(found, variables), strict=True):
        assert np.array_equal(tensorflow.convert_to_tensor(one), tensorflow.convert_to_tensor(other))


def test_a_network_that_learns_everything_has_no_fixed_part(tensorflow):
    from ml.training.fixed_parts import fixed_part
    from ml.training.networks import Network

    model = tiny_model("feed_forward", {"units": [4]}, context_of(FEATURES["image"]))
    spec = ModelSpec.model_validate({"id": "student", "model_type": "feed_forward"})
    assert fixed_part(Network(spec, "student", model)) is None


IMAGE = FeatureSpec(name="image", shape=(6, 6, 1))


@pytest.fixture
def data(tensorflow, tmp_path) -> Any:
    """50 labelled and 30 unlabelled pictures."""
    from ml.data.pipeline import Pipeline

    pixels = raw_batch(IMAGE, np.arange(80) % 3)
    examples = [Example({"image": encode_png(image)}, [index % 3], "") for index, image in enumerate(pixels)]
    splits: Any = {"train": examples[:50], "unlabelled": [Example(one.features, None, "") for one in examples[50:]]}
    return Pipeline(tmp_path, write_dataset(tmp_path, TaskSpec(num_classes=3), [IMAGE], splits, ["a", "b", "c"]))


def joint_of(data: Any, folder: Path | None = None, **hyperparameters: Any) -> Any:
    """A trainer, frozen if it has a checkpoint in `folder`, and a student with bits."""
    from ml.data.measuring import measure
    from ml.training.joint import JointTrainer
    from ml.training.networks import build_networks
    from ml.training.objectives import objective_for

    frozen = {"load_checkpoint": "trainer.zip", "freeze_model_from_checkpoint": True} if folder else {}
    trainer: dict[str, Any] = {"id": "trainer", "model_type": "feed_forward", "params": {"units": [8]}, **frozen}
    hyper: dict[str, Any] = {"batch_size": 10, "learning_rate": 0.01, **hyperparameters}
    spec = TrainingSpec.parse(
        {
            "experiment_name": "fixed",
            "task": {"num_classes": 3},
            "features": [{"shape": [6, 6, 1]}],
            "hyperparameters": hyper,
            "trainer": trainer,
            "students": [{"id": "student", "model_type": "projection", "params": {"projections": 7, "bits": 3}}],
        }
    )
    networks = build_networks(spec, measure(data).statistics, spec_folder=folder or Path())
    return JointTrainer(networks, spec.hyperparameters, objective_for(spec.task))


def trained(data: Any, joint: Any, derived: Any, *, unlabelled: int = 0) -> list[np.ndarray]:
    batches = data.training_batches(batch_size=10, seed=3, unlabelled_batch_size=unlabelled, derived=derived)
    joint.run_steps(iter(batches), 25)
    return [weight.numpy() for network in joint.networks for weight in network.model.weights]


def test_training_with_fixed_bits_ends_with_the_same_weights(tensorflow, data):
    joint, plain = joint_of(data), joint_of(data)
    assert [one.name for one in joint.derived] == ["student:student/image_projection"]
    for one, other in zip(trained(data, joint, joint.derived), trained(data, plain, []), strict=True):
        assert np.array_equal(one, other)


def test_a_frozen_trainer_answers_once_for_each_example(tensorflow, data, tmp_path):
    from ml.files import pack_folder

    first = joint_of(data)
    trained(data, first, [])
    checkpoint = tmp_path / "checkpoint"
    tensorflow.train.Checkpoint(model=first.networks[0].model).write(str(checkpoint / "weights"))
    pack_folder(checkpoint, tmp_path / "trainer.zip")
    joint, plain = joint_of(data, tmp_path), joint_of(data, tmp_path)
    answers = joint.derived[0]
    assert (answers.name, answers.bytes) == ("trainer/outputs", 12)
    calls = []

    def compute(raw: Any) -> Any:
        calls.append(len(raw["image"]))
        return answers.compute(raw)

    model = joint.networks[0].model
    counting = answers.__class__(answers.name, compute, answers.bytes)
    found = trained(data, joint, [counting, *joint.derived[1:]], unlabelled=5)
    assert calls == [50, 30]  # each example once
    assert np.array_equal(answers.compute(raw := {"image": raw_batch(IMAGE, np.arange(4) % 3)}), model(raw))
    for one, other in zip(found, trained(data, plain, [], unlabelled=5), strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_what_is_varied_or_too_large_brings_nothing_with_it(tensorflow, data, monkeypatch):
    from ml.data import pipeline as module

    derived = joint_of(data).derived
    settings = {"batch_size": 10, "seed": 3, "derived": derived}

    def names(pipeline: Any) -> set[str]:
        return set(pipeline.training_batches(**settings).element_spec[0])

    assert names(data) == {"image", derived[0].name}
    varied = data.info.model_copy(update={"augmentation": Augmentation(flip=True)})
    assert names(module.Pipeline(data.folder, varied)) == {"image"}
    monkeypatch.setattr(module, "CACHE_BYTES", 50 * 37)  # there is room for the pictures alone
    assert names(data) == {"image"}
