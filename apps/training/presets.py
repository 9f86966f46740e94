"""A TrainingSpec to start from, fitted to a dataset: good on small images, and small enough for a CPU."""

from __future__ import annotations

import re
from math import prod
from typing import Any

from apps.datasets.models import DatasetVersion

# Above this many values an image is no longer small: one dense layer on its pixels would be megabytes.
SMALL_IMAGE = 64 * 64 * 3
EPOCHS = 75


def defaults_for(version: DatasetVersion) -> dict[str, Any]:
    """A convolutional trainer and three students of different kind, as the data of a valid TrainingSpec."""
    shape = version.feature["shape"]
    examples = version.splits.get("train") or version.num_examples
    batch_size = _batch_size(examples)
    return {
        "version": 1,
        "experiment_name": _experiment_name(version.dataset.slug),
        **dataset_part(version),
        "hyperparameters": {
            "optimizer": "adam",
            "learning_rate": 0.003,
            "learning_rate_schedule": "cosine",
            "batch_size": batch_size,
            "steps": _steps(examples, batch_size),
            "activation": "relu",
            "seed": 7,
            "loss_weights": {"trainer": 1.0, "student": 1.0, "cross": 0.1},
            "cross_loss": "cross_entropy",
            "temperature": 1.0,
        },
        "trainer": new_trainer(shape),
        "students": _students(shape),
    }


def dataset_part(version: DatasetVersion) -> dict[str, Any]:
    """What a dataset decides in a spec: the task and the feature."""
    feature = version.feature
    return {
        "task": {"type": "classification", "label": "label", "num_classes": len(version.classes)},
        "features": [{"name": feature["name"], "type": feature["type"], "shape": list(feature["shape"])}],
    }


def new_student(spec: dict[str, Any]) -> dict[str, Any]:
    """One more student for a spec, with an id that is still free."""
    models = [*(spec.get("students") or []), spec.get("trainer") or {}]
    taken = {model.get("id") for model in models if isinstance(model, dict)}
    number = next(number for number in range(1, len(taken) + 2) if f"student-{number}" not in taken)
    return {"id": f"student-{number}", "model_type": "feed_forward", "params": {"units": [64]}}


def new_trainer(shape: list[int]) -> dict[str, Any]:
    """A trainer for images of `shape` (height, width, channels)."""
    side = min(shape[:2])
    params = {"filters": _widths(side, 32), "units": [128], **_pooling(side)}
    return {"id": "trainer", "model_type": "cnn", "params": params}


def _students(shape: list[int]) -> list[dict[str, Any]]:
    side = min(shape[:2])
    if prod(shape) > SMALL_IMAGE:
        return [_depthwise("narrow", 8, side, 8), _depthwise("medium", 12, side, 24), _depthwise("wide", 16, side, 48)]
    bits = 8 if prod(shape) <= 256 else 12
    return [
        {"id": "projection", "model_type": "projection", "params": {"projections": 60, "bits": bits}},
        {"id": "dense", "model_type": "feed_forward", "params": {"units": [32]}},
        _depthwise("depthwise", 12, side, 24),
    ]


def _depthwise(name: str, stem: int, side: int, first: int) -> dict[str, Any]:
    params = {"stem": stem, "filters": _widths(side, first), **_pooling(side)}
    return {"id": name, "model_type": "depthwise_cnn", "params": params}


def _widths(side: int, first: int) -> list[int]:
    """Filters of each block: halved by pooling until about 2 pixels of `side` are left, at most five blocks."""
    blocks = max(1, min(5, side.bit_length() - 2))
    return [min(first * 2**block, 8 * first) for block in range(blocks)]


def _pooling(side: int) -> dict[str, int]:
    """A line of pixels can't be halved."""
    return {} if side > 1 else {"pool_size": 1}


def _batch_size(examples: int) -> int:
    """A power of 2 from 8 to 64 that leaves at least 16 batches in `examples`, where 8 does."""
    return max(8, min(64, 1 << max(0, (examples // 16).bit_length() - 1)))


def _steps(examples: int, batch_size: int) -> int:
    """About 75 passes over the examples, from 300 to 3,000 steps, in hundreds."""
    return max(300, min(3000, round(EPOCHS * examples / batch_size / 100) * 100))


def _experiment_name(slug: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "-", slug.lower()).lstrip("-_")[:40] or "experiment"
