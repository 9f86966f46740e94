"""Inputs and tasks of a dataset version in words."""

from __future__ import annotations

from typing import Any

from apps.datasets.models import DatasetVersion

NOUNS = {
    "image": "images",
    "text": "texts",
    "sensor": "sensor recordings",
    "audio": "recordings",
    "video": "videos",
    "vector": "vectors",
}
TASKS = {
    "classification": "Classification",
    "multi_label": "Several labels for each example",
    "regression": "Regression",
    "sequence": "A label for each step",
}


def feature_words(feature: dict[str, Any]) -> str:
    """One entry of `DatasetVersion.features`: "image, 8 × 8 grey"."""
    return f"{feature['type']}, {_size(feature)}"


def contents(version: DatasetVersion) -> str:
    """What a ready version holds: "1,797 images of 8 × 8 grey, 10 classes"."""
    if len(version.features) == 1:
        (feature,) = version.features
        what = f"{NOUNS[feature['type']]} of {_size(feature)}"
    else:
        what = f"examples of {' + '.join(feature['type'] for feature in version.features)}"
    return f"{version.num_examples:,} {what}, {learned(version)}"


def learned(version: DatasetVersion) -> str:
    """What there is to learn, counted: "10 classes"."""
    match version.task.get("type"):
        case "regression":
            return _counted(version.task["num_values"], "value")
        case "multi_label":
            return _counted(len(version.classes), "label")
        case "sequence":
            return f"{_counted(len(version.classes), 'class')} for each step"
    return _counted(len(version.classes), "class")


def _size(feature: dict[str, Any]) -> str:
    shape = feature["shape"]
    match feature["type"]:
        case "image":
            return _picture(shape)
        case "video":
            return f"{_counted(shape[0], 'frame')} of {_picture(shape[1:])}"
        case "text" if len(shape) == 2:
            return f"up to {_counted(shape[0], 'token')} of {_counted(shape[1], 'byte')}"
        case "text":
            return f"up to {_counted(shape[0], 'byte')}"
        case "sensor":
            return f"{_counted(shape[0], 'step')} of {_counted(shape[1], 'channel')}"
        case "audio":
            return f"{shape[0] / feature['sample_rate']:.3g} s at {feature['sample_rate']:,} samples a second"
    return _counted(shape[0], "value")


def _picture(shape: list[int]) -> str:
    height, width, channels = shape
    return f"{height} × {width} {'grey' if channels == 1 else 'colour'}"


def _counted(number: int, noun: str) -> str:
    plural = "classes" if noun == "class" else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"
