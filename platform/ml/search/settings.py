"""How long a search may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from ml.hyperparameters import Hyperparameters
from ml.profiling.device_profile import Speed
from ml.search.layers import Width, millions_of
from ml.search.space import Space

SEARCH_STEPS, SCORE_STEPS = 600, 400
# Of the whole search, in 10⁶ floating-point operations: a few minutes of two processor cores.
WORK = 5.0e6
# Batches become smaller before there are fewer than GOOD_STEPS.
GOOD_STEPS, LEAST_STEPS = 200, 50
BATCH, LEAST_BATCH = 64, 8
# Values of the largest layer for a batch: memory.
BATCH_VALUES = 2**24
# For a step of weights and one of gates, each forward and, for twice as much, backward.
_PASSES = 6


@dataclass(frozen=True)
class SearchSettings:
    """Steps of the differentiable search, and of the short training by which candidates are judged."""

    search_steps: int = SEARCH_STEPS
    score_steps: int = SCORE_STEPS

    @classmethod
    def of(cls, hyper: Hyperparameters) -> Self:
        """Not more steps than the training itself."""
        return cls(min(SEARCH_STEPS, hyper.steps), min(SCORE_STEPS, hyper.steps))

    def effort(self, spaces: Sequence[Space], examples: int) -> tuple[int, int]:
        """Steps and batch size of a search in these spaces, less where these are large or the examples few."""
        plain = Speed(overhead_ms=0.0, ms_per_million=0.0)
        values, millions = 1.0, 0.0
        for space in spaces:
            widest = {choice.name: Width.of(max(choice.sizes)) for choice in space.choices}
            layers = space.layers(widest)
            values = max(values, *(layer.positions * layer.outputs.mean() for layer in layers))
            millions += sum(float(millions_of(layer, plain)) for layer in layers)
        affordable = WORK / (_PASSES * max(millions, 1e-3))  # examples
        batch = max(LEAST_BATCH, min(BATCH, int(BATCH_VALUES / values), int(affordable / GOOD_STEPS)))
        steps = max(LEAST_STEPS, int(affordable / batch))
        return min(self.search_steps, steps), min(batch, examples)
