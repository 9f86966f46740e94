"""Dense layers over everything of an example, or over random bits of it."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from ml.search.layers import Layer, Width
from ml.search.space import Choice, Picked, Setting, Space, Widths

BITS = 8
_PROJECTIONS = (4, 8, 15, 30, 60, 90, 120, 180, 240)
_UNITS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256)
_MAX_HIDDEN = 2
# Learned values of a text, whatever its length: `ml.layers.front_end.TEXT_WIDTH`, which can't be imported without
# TensorFlow; a test holds both against each other.
TEXT_VALUES = 32


@dataclass(frozen=True)
class DenseSpace(Space):
    """Dense layers over everything of an example ("feed_forward"), or over random bits of it ("projection").

    Gates: `projections` (of 8 bits each), `depth` (how many hidden layers), `units_0`, `units_1` …
    """

    inputs: int

    def layers(self, widths: Widths) -> list[Layer]:
        setting, depth = self.setting, widths["depth"]
        before: Any = BITS * widths["projections"].mean() if "projections" in widths else self.inputs
        last = before
        layers = []
        for index in range(max(depth.sizes)):
            width, chance = widths[f"units_{index}"], depth.chance_from(index + 1)
            layers.append(
                Layer(setting.kind, width, positions=setting.rows, inputs=before, share=chance, is_dense=True)
            )
            if setting.activates:
                layers.append(Layer("elementwise", width, positions=setting.rows, share=chance))
            # What the output layer reads: the width of the last hidden layer that there is.
            last = last + chance * (width.mean() - before)
            before = width.mean()
        return [
            *layers,
            Layer(setting.kind, Width.of(setting.task.num_outputs), positions=setting.rows, inputs=last, is_dense=True),
        ]

    def params(self, picked: Picked) -> dict[str, Any]:
        units = [picked[f"units_{index}"] for index in range(picked["depth"])]
        if self.model_type == "feed_forward":
            return {"units": units}
        return {"projections": picked["projections"], "bits": BITS, "units": units}

    def anchors(self) -> list[dict[str, int]]:
        first, sizes = self.smallest(), self.sizes("projections")
        if not sizes:
            return [first]
        places = sorted({0, len(sizes) // 2, len(sizes) - 1})
        return [{**first, "projections": sizes[place]} for place in places]


def dense_space(model_type: str, setting: Setting) -> DenseSpace:
    """All that is considered of "projection" or "feed_forward"."""
    hidden = tuple(Choice(f"units_{index}", _UNITS) for index in range(_MAX_HIDDEN))
    depth = Choice("depth", tuple(range(_MAX_HIDDEN + 1)), is_width=False)
    first = (Choice("projections", _PROJECTIONS),) if model_type == "projection" else ()
    return DenseSpace(model_type, setting, (*first, depth, *hidden), _values(setting))


def _values(setting: Setting) -> int:
    """How many numbers of a feature a dense layer reads, for a row."""
    feature = setting.feature
    if feature.type == "text":
        return TEXT_VALUES
    if feature.type == "audio":
        return feature.spectrogram.bands * (1 if setting.is_sequence else feature.frames)
    return prod(feature.shape[1:] if setting.is_sequence else feature.shape)
