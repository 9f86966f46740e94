"""The networks that a new spec starts with: a trainer and three students of different size for each kind of data."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from ml.features import FeatureSpec
from ml.tasks import TaskSpec

Network = dict[str, Any]  # {model_type, params}
Model = dict[str, Any]  # {id, model_type, params, …}

# Above this many values an image is no longer small: one dense layer on its pixels would be megabytes.
SMALL_IMAGE = 64 * 64 * 3
# Beyond this many classes, one output for each would be most of the file.
MANY_CLASSES = 10_000


def new_trainer(features: Sequence[FeatureSpec], task: TaskSpec) -> Model:
    """A trainer for data of these features and this task."""
    if len(features) == 1:
        network = _trainer_of(features[0], task)
    else:
        network = _multimodal({one.name: _trainer_of(one, task) for one in features}, units=[128])
    return {"id": "trainer", **network, **_outputs(task)}


def new_students(features: Sequence[FeatureSpec], task: TaskSpec) -> list[Model]:
    """Three students for data of these features and this task, the smallest first where they are of one kind."""
    if len(features) == 1:
        found = _students_of(features[0], task)
    else:
        each = {one.name: list(_students_of(one, task).values()) for one in features}
        found = {
            name: _multimodal({feature: networks[size] for feature, networks in each.items()}, units=[width])
            for size, (name, width) in enumerate((("narrow", 16), ("medium", 32), ("wide", 64)))
        }
    return [{"id": name, **network, **_outputs(task)} for name, network in found.items()]


def _trainer_of(feature: FeatureSpec, task: TaskSpec) -> Network:
    if task.type == "sequence":
        return _network("bilstm", units=[64])
    match feature.type:
        case "text":
            return _network("feed_forward", units=[256])
        case "vector":
            return _network("feed_forward", units=[256, 128])
    side = _side(feature)
    head = {"head": "average"} if feature.type == "sensor" else {}
    return _network("cnn", filters=_widths(feature, 32), **head, units=[128], **_pooling(side))


def _students_of(feature: FeatureSpec, task: TaskSpec) -> dict[str, Network]:
    if task.type == "sequence":
        return {
            "narrow": _network("qrnn", units=[24], bidirectional=True),
            "wide": _network("qrnn", units=[64], bidirectional=True),
            "recurrent": _network("lstm", units=[32]),
        }
    match feature.type:
        case "text":
            return {
                "narrow": _network("projection", projections=56, bits=11),
                "medium": _network("projection", projections=80, bits=14),
                "wide": _network("projection", projections=120, bits=16, units=[16]),
            }
        case "vector":
            return {
                "narrow": _network("feed_forward", units=[16]),
                "wide": _network("feed_forward", units=[64]),
                "projection": _network("projection", projections=60, bits=12),
            }
        case "image" if prod(feature.shape) <= SMALL_IMAGE:
            bits = 8 if prod(feature.shape) <= 256 else 12
            return {
                "projection": _network("projection", projections=60, bits=bits),
                "dense": _network("feed_forward", units=[32]),
                "depthwise": _depthwise(feature, 12, 24),
            }
    return {
        "narrow": _depthwise(feature, 8, 8),
        "medium": _depthwise(feature, 12, 24),
        "wide": _depthwise(feature, 16, 48),
    }


def _network(model_type: str, **params: Any) -> Network:
    return {"model_type": model_type, "params": params}


def _multimodal(branches: dict[str, Network], *, units: list[int]) -> Network:
    return _network("multimodal", branches=branches, units=units)


def _depthwise(feature: FeatureSpec, stem: int, first: int) -> Network:
    return _network("depthwise_cnn", stem=stem, filters=_widths(feature, first), **_pooling(_side(feature)))


def _side(feature: FeatureSpec) -> int:
    """What pooling halves: the shorter side of a picture; the length of what has steps only."""
    height, width, _ = feature.picture
    return height if width == 1 and feature.type != "image" else min(height, width)


def _widths(feature: FeatureSpec, first: int) -> list[int]:
    """Filters of each block: halved by pooling until about 2 pixels of the side are left, at most five blocks.

    Signals and spectrograms need no more than three: what lies far apart in time is averaged.
    """
    most = 5 if feature.type in ("image", "video") else 3
    blocks = max(1, min(most, _side(feature).bit_length() - 2))
    return [min(first * 2**block, 8 * first) for block in range(blocks)]


def _pooling(side: int) -> dict[str, int]:
    """A line of pixels can't be halved."""
    return {} if side > 1 else {"pool_size": 1}


def _outputs(task: TaskSpec) -> dict[str, int]:
    """Buckets B for very many classes C, which are told apart as long as C is at most B²."""
    if task.type not in ("classification", "sequence") or (task.num_classes or 0) <= MANY_CLASSES:
        return {}
    return {"output_buckets": 512 if task.num_outputs <= 512**2 else 1024}
