"""A trainer that LiteRT can't run, behind the face of `ml.evaluation.runtime.Runtime`, so that it is measured alike."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from ml.conversion.export import Serving
from ml.evaluation.runtime import Inputs, Latency, Runtime
from ml.specs import TrainingSpec

MEASURED = 20


class UnconvertedRuntime(Runtime):
    """Answers by TensorFlow, one example at a time."""

    def __init__(self, serving: Serving, spec: TrainingSpec) -> None:
        self._signature = serving.signature(1)
        self.inputs = {feature.name: (feature.shape, np.dtype(feature.dtype)) for feature in spec.features}
        steps = (spec.features[0].steps or 0,) if spec.task.type == "sequence" else ()
        self.output_shape = (*steps, spec.task.num_outputs)

    def predict(self, inputs: Inputs) -> npt.NDArray[np.float32]:
        """The output for the raw values of one example, by input name."""
        answers = self._signature(**{name: inputs[name][np.newaxis] for name in self.inputs})
        result: npt.NDArray[np.float32] = next(iter(answers.values())).numpy()[0]
        return result

    def for_batch(self, size: int) -> None:
        """Not: one example at a time."""

    def latency(self) -> Latency:
        """On zeros; what it would take on a device is not known."""
        inputs = {name: np.zeros(shape, dtype) for name, (shape, dtype) in self.inputs.items()}
        times = []
        for _ in range(MEASURED):
            before = time.perf_counter()
            self.predict(inputs)
            times.append((time.perf_counter() - before) * 1000)
        p50, p95 = np.percentile(times, [50, 95])
        return {"p50": round(float(p50), 4), "p95": round(float(p95), 4)}
