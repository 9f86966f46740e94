"""The models that a spec declares, built and with their first weights."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import tensorflow as tf
import tf_keras

from ml.architectures import MODEL_TYPES, BuildContext
from ml.architectures.assemble import build_model
from ml.features.statistics import Statistics
from ml.refusal import Detail, RefusedError
from ml.specs import ModelSpec, TrainingSpec


@dataclass(frozen=True)
class Network:
    """One model of a run. `model` maps {feature: raw batch} to logits, or to the values of a regression.

    `parameters`: how many numbers it holds. `plain`, of a model that learns in 8 bits, is the one that it was made of.
    """

    spec: ModelSpec
    role: Literal["trainer", "student"]
    model: Any
    parameters: int = 0
    plain: Any = None

    @property
    def kept(self) -> Any:
        """The model that is kept for later runs, with the weights as they are learned, not as they are rounded.

        It is of the declared layers alone, so that its checkpoint can be loaded with `load_checkpoint`, and its Keras
        file by tf_keras.
        """
        if self.plain is None:
            return self.model
        from ml.training.quantizing import take_weights

        take_weights(self.plain, self.model)
        return self.plain

    @property
    def key(self) -> str:
        """How metrics name it: "trainer", or "student:<id>"."""
        return "trainer" if self.role == "trainer" else f"student:{self.spec.id}"

    @property
    def frozen(self) -> bool:
        return self.spec.freeze_model_from_checkpoint


def build_networks(spec: TrainingSpec, statistics: Mapping[str, Statistics], *, spec_folder: Path) -> list[Network]:
    """The trainer, if there is one, then the students. Raises RefusedError for a checkpoint that does not fit."""
    networks: list[Network] = []
    for location, model_spec in spec.located_models():
        context = BuildContext(
            name=model_spec.id,
            task=spec.task,
            features=tuple(spec.features),
            statistics=statistics,
            activation=spec.hyperparameters.activation,
            seed=_seed(spec.hyperparameters.seed, model_spec.id),
            output_buckets=model_spec.output_buckets,
            files=spec_folder,
        )
        model = build_model(MODEL_TYPES[model_spec.model_type], model_spec.params, context)
        if model_spec.share_with is not None:
            giver = next(network for network in networks if network.spec.id == model_spec.share_with)
            model = with_shared_layers(model, giver.model, model_spec)
        role: Literal["trainer", "student"] = "trainer" if location[0] == "trainer" else "student"
        network = Network(model_spec, role, model, int(model.count_params()))
        if model_spec.load_checkpoint is not None:
            load_weights(network, spec_folder / model_spec.load_checkpoint)
        if network.frozen:
            model.trainable = False
        networks.append(network)
    return _quantized(networks) if spec.hyperparameters.quantize else networks


def _quantized(networks: list[Network]) -> list[Network]:
    """The same with students that learn in 8 bits; layers that they share stay shared."""
    from ml.training.quantizing import DifferentlyRoundedError, quantized, with_layers_of

    found: dict[str, Any] = {}
    for network in networks:
        if network.role == "student":
            model, spec = quantized(network.model), network.spec
            if spec.share_with is not None:
                try:
                    model = with_layers_of(found[spec.share_with], model, spec.share_layers)
                except DifferentlyRoundedError as error:
                    raise _unshared(spec, f"{error} in {spec.share_with}. Accepted: quantize null") from None
            found[spec.id] = model
    return [
        replace(network, model=found[network.spec.id], plain=network.model) if network.role == "student" else network
        for network in networks
    ]


def _seed(seed: int, name: str) -> int:
    """A seed of its own for each model, so that adding one does not change the others."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4], "big") >> 1


def with_shared_layers(model: Any, giver: Any, spec: ModelSpec) -> Any:
    """`model` again, with the layers that `spec` names taken from `giver`. Raises RefusedError `layer_not_shared`."""
    layers = {layer.name: layer for layer in giver.layers}
    own = {layer.name: layer for layer in model.layers}
    for name in spec.share_layers:
        if name not in layers or name not in own:
            both = ", ".join(sorted(layers.keys() & own.keys() - set(giver.input_names)))
            raise _unshared(
                spec, f"both models have no layer of this name. Received: {name}. Accepted: {both or 'none'}"
            )
        given, wanted = ([tuple(weight.shape) for weight in one[name].weights] for one in (layers, own))
        if given != wanted or type(layers[name]) is not type(own[name]):
            message = f"the layer {name} has another form in {spec.share_with}. Received: {wanted}. Accepted: {given}"
            raise _unshared(spec, message)

    def chosen(layer: Any) -> Any:
        return (
            layers[layer.name] if layer.name in spec.share_layers else layer.__class__.from_config(layer.get_config())
        )

    shared = tf_keras.models.clone_model(model, clone_function=chosen)
    for layer in shared.layers:
        if layer.name not in spec.share_layers:
            layer.set_weights(own[layer.name].get_weights())
    return shared


def _unshared(spec: ModelSpec, message: str) -> RefusedError:
    field = f"{spec.id}.share_layers"
    return RefusedError("layer_not_shared", f"{field}: {message}", [{"field": field, "message": message}])


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
            status = checkpoint.read(str(Path(folder) / "weights"))
            status.assert_existing_objects_matched()
            status.assert_consumed()  # a larger model's would leave the rest unused
        except (ValueError, AssertionError, zipfile.BadZipFile, OSError, tf.errors.OpError) as error:
            message = (
                f"the checkpoint is not one of this architecture ({str(error).splitlines()[0][:200]}). "
                f"Received: {network.spec.load_checkpoint}. Accepted: a checkpoint.zip of a {network.spec.model_type} "
                f"with params {network.spec.params.model_dump()}"
            )
            details: list[Detail] = [{"field": field, "message": message}]
            raise RefusedError("checkpoint_mismatch", f"{field}: {message}", details) from None
