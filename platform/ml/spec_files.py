"""Specs on disk, and whether they fit a dataset. No TensorFlow here."""

from __future__ import annotations

from pathlib import Path

from ml.data.dataset import DatasetInfo
from ml.refusal import Detail, RefusedError
from ml.specs import TrainingSpec


def read_spec(path: Path) -> TrainingSpec:
    """The spec in a .yaml, .yml or .json file. Raises SpecError, or RefusedError `unreadable_spec`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError("unreadable_spec", f"The spec {path} can't be read: {error}.") from None
    return TrainingSpec.from_json(text) if path.suffix == ".json" else TrainingSpec.from_yaml(text)


def check_dataset(spec: TrainingSpec, info: DatasetInfo) -> None:
    """Raises RefusedError `spec_dataset_mismatch` unless the spec's task and features are those of the dataset."""
    declared, found = spec.features[0], info.feature
    pairs = [
        ("task.num_classes", spec.task.num_classes, len(info.classes)),
        ("features[0].name", declared.name, found.name),
        ("features[0].shape", list(declared.shape), list(found.shape)),
    ]
    details: list[Detail] = [
        {"field": field, "message": f"the dataset has another value. Received: {received}. Accepted: {accepted}"}
        for field, received, accepted in pairs
        if received != accepted
    ]
    if not info.splits.get("train"):
        details.append({"field": "dataset", "message": "the dataset has no examples to train on"})
    if details:
        listed = "; ".join(f"{detail['field']}: {detail['message']}" for detail in details)
        raise RefusedError("spec_dataset_mismatch", f"The spec does not fit the dataset. {listed}", details)
