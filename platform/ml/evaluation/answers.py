"""A runtime's answers to many examples: several at a time where its file can do that and answers the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import numpy.typing as npt

from ml.evaluation.runtime import Inputs, Runtime

Outputs = npt.NDArray[np.float32]

AT_ONCE = 64
# Of all inputs and the output at once: what lies between them takes a multiple of it.
VALUES = 2**18
# What summing in another order may change.
TOLERANCE = 1e-4


class Answers:
    """The outputs [n, …] of a file for any number of examples.

    A file is made for one example. Most run a batch too, several times as fast; whether this one does, and gives each
    example the answer that it gets alone, is tried on the first batch.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        values = sum(prod(shape) for shape, _ in runtime.inputs.values()) + prod(runtime.output_shape)
        self._size = max(1, min(AT_ONCE, VALUES // values))
        self._batched: Callable[[Sequence[Inputs]], Outputs] | None = None
        self._is_tried = self._size == 1

    def __call__(self, examples: Sequence[Inputs]) -> Outputs:
        """In the order of `examples`, of which there is at least one."""
        parts = [examples[start : start + self._size] for start in range(0, len(examples), self._size)]
        return np.concatenate([self._answer(part) for part in parts])

    def _answer(self, examples: Sequence[Inputs]) -> Outputs:
        if len(examples) < self._size:
            return self._one_by_one(examples)
        if not self._is_tried:
            return self._try(examples)
        return self._batched(examples) if self._batched else self._one_by_one(examples)

    def _try(self, examples: Sequence[Inputs]) -> Outputs:
        self._is_tried = True
        outputs, batched = self._one_by_one(examples), self._runtime.for_batch(self._size)
        if batched is not None and np.allclose(batched(examples), outputs, TOLERANCE, TOLERANCE):
            self._batched = batched
        return outputs

    def _one_by_one(self, examples: Sequence[Inputs]) -> Outputs:
        return np.stack([self._runtime.predict(inputs) for inputs in examples])
