"""The Keras models that a spec declares."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tensorflow as tf

from ml.architectures import MODEL_TYPES, BuildContext
from ml.layers.pixels import PixelStatistics
from ml.refusal import Detail, RefusedError
from ml.specs import ModelSpec, TrainingSpec


@dataclass(frozen=True)
class Network:
    """One model of a run. `model` maps a uint8 image batch to logits float32 [batch, num_classes]."""

    spec: ModelSpec
    role: Literal["trainer", "student"]
    model: Any

    @property
    def key(self) -> str:
        """How metrics name it: "trainer", or "student:<id>"."""
        return "trainer" if self.role == "trainer" else f"student:{self.spec.id}"

    @property
    def frozen(self) -> bool:
        return self.spec.freeze_model_from_checkpoint


def build_networks(spec: TrainingSpec, statistics: PixelStatistics, *, spec_folder: Path) -> list[Network]:
    """The trainer, if there is one, then the students. Raises RefusedError for a checkpoint that does not fit."""
    networks = []
    for location, model_spec in spec.located_models():
        context = BuildContext(
            name=model_spec.id,
            feature=spec.features[0].name,
            shape=spec.features[0].shape,
            num_classes=spec.task.num_classes,
            activation=spec.hyperparameters.activation,
            seed=_seed(spec.hyperparameters.seed, model_spec.id),
            statistics=statistics,
        )
        model = MODEL_TYPES[model_spec.model_type].build(model_spec.params, context)
        network = Network(model_spec, "trainer" if location[0] == "trainer" else "student", model)
        if model_spec.load_checkpoint is not None:
            load_weights(network, spec_folder / model_spec.load_checkpoint)
        if network.frozen:
            model.trainable = False
        networks.append(network)
    return networks


def _seed(seed: int, name: str) -> int:
    """A seed of its own for each model, so that adding one does not change the others."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4], "big") >> 1


def load_weights(network: Network, path: Path) -> None:
    """Loads a checkpoint.zip into the network. Raises RefusedError `checkpoint_not_found` or `checkpoint_mismatch`."""
    field = f"{network.spec.id}.load_checkpoint"
    if not path.is_file():
        message = (
            f"there is no such file. Received: {network.spec.load_checkpoint}. Accepted: a path relative to the spec"
        )
        raise RefusedError("checkpoint_not_found", f"{field}: {message}", [{"field": field, "message": message}])
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)  # zipfile drops ".." and absolute paths
            reader = tf.train.load_checkpoint(str(Path(folder) / "weights"))
            stored = {
                name.removeprefix("model/"): shape
                for name, shape in reader.get_variable_to_shape_map().items()
                if name.startswith("model/") and "OPTIMIZER_SLOT" not in name
            }
            if not stored:
                raise ValueError("it holds no model")
            checkpoint = tf.train.Checkpoint(model=network.model)
            checkpoint.read(str(Path(folder) / "weights")).assert_existing_objects_matched()
        except (ValueError, AssertionError, zipfile.BadZipFile, OSError, tf.errors.OpError) as error:
            message = (
                f"the checkpoint is not one of this architecture ({str(error).splitlines()[0][:200]}). "
                f"Received: {network.spec.load_checkpoint}. Accepted: a checkpoint.zip of a {network.spec.model_type} "
                f"with params {network.spec.params.model_dump()}"
            )
            details: list[Detail] = [{"field": field, "message": message}]
            raise RefusedError("checkpoint_mismatch", f"{field}: {message}", details) from None
