"""The family: for each type of model a few skeletons, each one row of architectures from small to large."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ml.architectures import MODEL_TYPES
from ml.search.dense_space import dense_space
from ml.search.layers import STORAGE, bytes_of
from ml.search.picture_space import AVERAGE, FLATTEN, POOL, picture_space
from ml.search.space import Picked, Setting, Space, certain

_LINEAR = (4, 8, 12, 15, 20, 30, 45, 60, 75, 90, 120, 150, 180, 240)
_HIDDEN = (
    *((15, width) for width in (8, 12, 16)),
    *((30, width) for width in (16, 24, 32)),
    *((60, width) for width in (32, 48, 64)),
    *((90, width) for width in (64, 96, 128)),
    *((180, width) for width in (128, 192, 256)),
)
_WIDTHS = (4, 6, 8, 10, 12, 16, 20, 24, 28, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256)
_STEMS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32)
_LARGEST_FILTERS = 128
# So many positions are worth weights of their own in the output layer.
_FLAT_POSITIONS = 9


@dataclass(frozen=True)
class Skeleton:
    """Architectures of one shape in a space, small to large."""

    name: str
    space: Space
    steps: tuple[Picked, ...]


def spaces(setting: Setting) -> list[Space]:
    """The spaces of the model types that can learn the task from the feature."""
    task, feature = setting.task, setting.feature
    found: list[Space] = []
    for model_type in ("projection", "feed_forward", "depthwise_cnn", "cnn"):
        kind = MODEL_TYPES[model_type]
        if feature.type not in (kind.steps if setting.is_sequence else kind.takes):
            continue
        if task.type == "sequence" and feature.steps is None:
            continue
        is_dense = model_type in ("projection", "feed_forward")
        if not is_dense and feature.type == "text":  # its letters would need an embedding that is larger than all else
            continue
        space = dense_space(model_type, setting) if is_dense else picture_space(model_type, setting)
        if space is not None and _is_possible(space):
            found.append(space)
    return found


def _is_possible(space: Space) -> bool:
    params = MODEL_TYPES[space.model_type].params.model_validate(space.params(space.smallest()))
    return params.check(space.setting.feature, [space.setting.feature]) is None


def skeletons(space: Space) -> Iterator[Skeleton]:
    """Those of one space."""
    match space.model_type:
        case "projection":
            yield _row("linear", space, [{"projections": size, "depth": 0} for size in _LINEAR])
            hidden = [{"projections": size, "depth": 1, "units_0": width} for size, width in _HIDDEN]
            yield _row("hidden", space, hidden)
        case "feed_forward":
            one = [{"depth": 1, "units_0": width} for width in _WIDTHS]
            yield _row("dense", space, [{"depth": 0}, *one])
        case _:
            depths = space.sizes("depth")
            yield _row("average", space, _growing(space, depths, AVERAGE))
            if not space.setting.is_sequence:
                depth = next((depth for depth in depths if _positions(space, depth) <= _FLAT_POSITIONS), depths[-1])
                yield _row("flatten", space, _growing(space, (depth,), FLATTEN))


def _positions(space: Space, depth: int) -> int:
    """What poolings leave of the positions of a picture."""
    height, width, _ = space.setting.feature.picture
    scale = int(POOL**depth)
    return (height // scale) * max(width // scale, 1)


def _growing(space: Space, depths: Sequence[int], head: int) -> list[dict[str, int]]:
    """Wider and wider networks of the largest depth, and before them shallower ones for budgets that are too small."""

    def size(picked: Picked) -> float:
        return float(bytes_of(space.layers(certain(picked)), STORAGE["float32"]))

    steps: list[dict[str, int]] = []
    for depth in reversed(depths):
        row = [_blocks(space, stem, depth, head) for stem in _STEMS]
        steps = [picked for picked in row if not steps or size(picked) < size(steps[0])] + steps
    return steps


def _blocks(space: Space, stem: int, depth: int, head: int) -> dict[str, int]:
    """Each block with twice the channels of the one before."""
    filters = {f"filters_{block}": min(stem * 2 ** (block + 1), _LARGEST_FILTERS) for block in range(depth)}
    own = {"stem": stem} if space.sizes("stem") else {}
    return {"kernel": 3, **own, "depth": depth, **filters, "head": head}


def _row(name: str, space: Space, steps: list[dict[str, int]]) -> Skeleton:
    return Skeleton(f"{space.model_type}-{name}", space, tuple(steps))


def affordable(space: Space, fits: Callable[[Picked], bool]) -> Space:
    """The space without the sizes that are too much, however small all else is."""
    sizes = {
        choice.name: tuple(size for size in choice.sizes if any(map(fits, space.cheapest_with(choice.name, size))))
        or choice.sizes[:1]
        for choice in space.choices
    }
    return space.with_sizes(sizes)
