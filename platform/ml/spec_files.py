"""Specs on disk, and whether they fit a dataset. No TensorFlow and no NumPy here: web processes import this module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ml.features import FeatureSpec
from ml.refusal import Detail, RefusedError
from ml.specs import TrainingSpec
from ml.tasks import TaskSpec

if TYPE_CHECKING:
    from ml.data.dataset import DatasetInfo, Split


def read_spec(path: Path) -> TrainingSpec:
    """The spec in a .yaml, .yml or .json file. Raises SpecError, or RefusedError `unreadable_spec`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError("unreadable_spec", f"The spec {path} can't be read: {error}.") from None
    return TrainingSpec.from_json(text) if path.suffix == ".json" else TrainingSpec.from_yaml(text)


def check_dataset(spec: TrainingSpec, info: DatasetInfo) -> None:
    """Raises RefusedError `spec_dataset_mismatch` unless the spec's task and features are those of the dataset."""
    details = differences(spec, task=info.task, features=info.features, splits=info.splits)
    if details:
        listed = "; ".join(f"{detail['field']}: {detail['message']}" for detail in details)
        raise RefusedError("spec_dataset_mismatch", f"The spec does not fit the dataset. {listed}", details)


def differences(
    spec: TrainingSpec, *, task: TaskSpec, features: Sequence[FeatureSpec], splits: Mapping[Split, int]
) -> list[Detail]:
    """Each field of the spec that a dataset of this task, features and examples of each split does not fit."""
    pairs: list[tuple[str, object, object]] = [
        (f"task.{name}", getattr(spec.task, name), getattr(task, name)) for name in type(task).model_fields
    ]
    found = {feature.name: feature for feature in features}
    declared = [feature.name for feature in spec.features]
    if sorted(declared) != sorted(found):
        pairs.append(("features", declared, sorted(found)))
    for index, feature in enumerate(spec.features):
        if feature.name in found:
            other = found[feature.name]
            pairs += [
                (f"features[{index}].{name}", _plain(getattr(feature, name)), _plain(getattr(other, name)))
                for name in ("type", "shape", "sample_rate")
            ]
    details: list[Detail] = [
        {"field": field, "message": f"the dataset has another value. Received: {received}. Accepted: {accepted}"}
        for field, received, accepted in pairs
        if received != accepted
    ]
    if not splits.get("train"):
        details.append({"field": "dataset", "message": "the dataset has no examples to train on"})
    if spec.hyperparameters.unlabelled_batch_size and not splits.get("unlabelled"):
        received = spec.hyperparameters.unlabelled_batch_size
        message = f"the dataset has no examples without a label. Received: {received}. Accepted: 0"
        details.append({"field": "hyperparameters.unlabelled_batch_size", "message": message})
    return details


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
