from __future__ import annotations

import shutil

import numpy as np
import pytest

from ml.refusal import RefusedError
from ml.specs import TrainingSpec

pytestmark = pytest.mark.engine


def declared(**trainer: object) -> TrainingSpec:
    base: dict[str, object] = {
        "id": "teacher",
        "model_type": "cnn",
        "params": {"filters": [16, 16], "units": [32]},
        "load_checkpoint": "trainer.zip",
    }
    return TrainingSpec.parse(
        {
            "experiment_name": "again",
            "task": {"num_classes": 10},
            "features": [{"shape": [8, 8, 1]}],
            "hyperparameters": {"learning_rate": 0.05, "batch_size": 16},
            "trainer": base | trainer,
            "students": [{"id": "small", "model_type": "feed_forward", "params": {"units": [8]}}],
        }
    )


def build(spec, folder):
    from ml.features.statistics import Statistics
    from ml.training.networks import build_networks

    return build_networks(spec, {"image": Statistics(mean=(80.0,), std=(90.0,))}, spec_folder=folder)


def test_a_frozen_trainer_keeps_its_loaded_weights_while_the_student_learns(tensorflow, trained, tmp_path):
    from ml.training.joint import JointTrainer
    from ml.training.objectives import objective_for

    shutil.copy(trained.out / "trainer" / "checkpoint.zip", tmp_path / "trainer.zip")
    spec = declared(freeze_model_from_checkpoint=True)
    networks = build(spec, tmp_path)
    fresh = build(declared(load_checkpoint=None), tmp_path)
    before = [weight.numpy() for weight in networks[0].model.weights]
    student_before = [weight.numpy() for weight in networks[1].model.weights]
    assert not all(np.array_equal(a, b) for a, b in zip(before, fresh[0].model.get_weights(), strict=True))
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1), dtype=np.uint8)
    data = tensorflow.data.Dataset.from_tensors(({"image": images}, {"label": np.arange(16) % 10})).repeat()
    JointTrainer(networks, spec.hyperparameters, objective_for(spec.task)).run_steps(iter(data), 3)
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, networks[0].model.weights, strict=True))
    assert not np.array_equal(student_before[0], networks[1].model.weights[0].numpy())


def test_a_checkpoint_of_another_shape_is_refused(tensorflow, trained, tmp_path):
    shutil.copy(trained.out / "trainer" / "checkpoint.zip", tmp_path / "trainer.zip")
    with pytest.raises(RefusedError, match=r"teacher\.load_checkpoint: .* not one of this architecture") as caught:
        build(declared(params={"filters": [8, 8]}), tmp_path)
    assert caught.value.code == "checkpoint_mismatch"


def test_a_checkpoint_of_another_model_type_is_refused(tensorflow, trained, tmp_path):
    shutil.copy(trained.out / "dense" / "checkpoint.zip", tmp_path / "trainer.zip")
    with pytest.raises(RefusedError, match="not one of this architecture"):
        build(declared(), tmp_path)


def test_a_checkpoint_with_more_layers_is_refused(tensorflow, trained, tmp_path):
    shutil.copy(trained.out / "trainer" / "checkpoint.zip", tmp_path / "trainer.zip")
    with pytest.raises(RefusedError, match="not one of this architecture"):
        build(declared(params={"filters": [16, 16], "units": [32, 16]}), tmp_path)


def test_a_checkpoint_of_which_only_a_part_would_be_used_is_refused(tensorflow, trained, tmp_path):
    shutil.copy(trained.out / "trainer" / "checkpoint.zip", tmp_path / "trainer.zip")
    # Of all models that are no smaller: the same convolutions without what follows, and as many classes as units.
    part = declared(params={"filters": [16, 16]})
    wider = part.model_copy(update={"task": part.task.model_copy(update={"num_classes": 32})})
    with pytest.raises(RefusedError, match="not one of this architecture"):
        build(wider, tmp_path)


@pytest.mark.parametrize("content", [b"", b"no zip"])
def test_a_file_that_is_no_checkpoint_is_refused(tensorflow, tmp_path, content):
    (tmp_path / "trainer.zip").write_bytes(content)
    with pytest.raises(RefusedError, match="not one of this architecture"):
        build(declared(), tmp_path)


def test_a_missing_checkpoint_is_refused_by_name(tensorflow, tmp_path):
    with pytest.raises(RefusedError, match=r"no such file\. Received: trainer\.zip") as caught:
        build(declared(), tmp_path)
    assert caught.value.code == "checkpoint_not_found"
