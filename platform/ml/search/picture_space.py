"""Blocks of convolutions with pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ml.profiling.reference_models import Kind
from ml.search.layers import Layer, Width
from ml.search.space import Choice, Picked, Setting, Space, Widths

AVERAGE, FLATTEN = 0, 1
POOL = 2
_STEM = (2, 4, 8, 12, 16, 24, 32)
_FILTERS = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128)
_MAX_BLOCKS = 4


@dataclass(frozen=True)
class PictureSpace(Space):
    """Blocks of convolutions with pooling: depthwise separable ones ("depthwise_cnn"), or ordinary ones ("cnn").

    Gates: `kernel`, `stem` (of depthwise_cnn), `depth` (how many blocks), `filters_0`, `filters_1` …, and `head`:
    0 for the average over positions, 1 to keep them.
    """

    def layers(self, widths: Widths) -> list[Layer]:
        setting, depth, head = self.setting, widths["depth"], widths["head"]
        height, width, channels = setting.feature.picture
        frames = setting.feature.shape[0] if setting.feature.type == "video" else 1
        kernel = widths["kernel"].expected([size if width == 1 else size**2 for size in widths["kernel"].sizes])
        layers: list[Layer] = []

        def convolved(kind: Kind, outputs: Width, positions: int, **about: Any) -> None:
            layers.append(Layer(kind, outputs, positions=frames * positions, **about))
            if setting.activates:
                layers.append(Layer("elementwise", outputs, positions=frames * positions, share=about["share"]))

        before = Width.of(channels)
        if self.model_type == "depthwise_cnn":
            convolved("convolution", widths["stem"], height * width, kernel=kernel, inputs=channels, share=1.0)
            before = widths["stem"]
        last: Any = 0.0
        for block in range(max(depth.sizes)):
            filters, share = widths[f"filters_{block}"], depth.chance_from(block + 1)
            if self.model_type == "depthwise_cnn":
                convolved("depthwise", before, height * width, kernel=kernel, share=share)
                convolved("convolution", filters, height * width, inputs=before.mean(), share=share)
            else:
                inputs = before.mean()
                convolved("convolution", filters, height * width, kernel=kernel, inputs=inputs, share=share)
            if not setting.is_sequence:
                height, width = height // POOL, max(width // POOL, 1)
                window = POOL if setting.feature.picture[1] == 1 else POOL * POOL
                layers.append(
                    Layer("elementwise", filters, positions=frames * height * width, kernel=window, share=share)
                )
            kept = width if setting.is_sequence else 1 + head.chance_of(FLATTEN) * (height * width - 1)
            last = last + (share - depth.chance_from(block + 2)) * filters.mean() * kept
            before = filters
        return [
            *layers,
            Layer(setting.kind, Width.of(setting.task.num_outputs), positions=setting.rows, inputs=last, is_dense=True),
        ]

    def params(self, picked: Picked) -> dict[str, Any]:
        filters = [picked[f"filters_{block}"] for block in range(picked["depth"])]
        stem = {"stem": picked["stem"]} if self.model_type == "depthwise_cnn" else {}
        head = "flatten" if picked["head"] == FLATTEN else "average"
        pool = 1 if self.setting.is_sequence else POOL
        return {**stem, "filters": filters, "kernel_size": picked["kernel"], "pool_size": pool, "head": head}

    def cheapest_with(self, name: str, size: int) -> list[dict[str, int]]:
        """A layer is at most four times as wide as the others: what is beyond is no use, and slow to search."""
        found = super().cheapest_with(name, size)
        if name != "stem" and not name.startswith("filters"):
            return found
        others = [choice for choice in self.choices if choice.is_width and choice.name != name]
        near = {one.name: next((least for least in one.sizes if 4 * least >= size), one.sizes[-1]) for one in others}
        return [{**picked, **near} for picked in found]


def picture_space(model_type: str, setting: Setting) -> PictureSpace | None:
    """All that is considered of "depthwise_cnn" or "cnn"; None if nothing is left after a single pooling."""
    height, width, _ = setting.feature.picture
    blocks, side = 0, height if width == 1 else min(height, width)
    while blocks < _MAX_BLOCKS and (setting.is_sequence or side >= POOL):
        side //= POOL
        blocks += 1
    if blocks == 0:
        return None
    return PictureSpace(
        model_type,
        setting,
        (
            Choice("kernel", (3, 5), is_width=False),
            *((Choice("stem", _STEM),) if model_type == "depthwise_cnn" else ()),
            Choice("depth", tuple(range(1, blocks + 1)), is_width=False),
            *(Choice(f"filters_{block}", _FILTERS) for block in range(blocks)),
            Choice("head", (AVERAGE,) if setting.is_sequence else (AVERAGE, FLATTEN), is_width=False),
        ),
    )
