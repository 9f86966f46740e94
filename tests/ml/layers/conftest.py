"""A layer in the runtime of devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@dataclass(frozen=True)
class InLitert:
    """A converted layer: called with one array for each input, without a batch, it gives the output without one."""

    content: bytes
    operators: set[str]
    interpreter: Any

    def __call__(self, *inputs: np.ndarray) -> np.ndarray:
        details = sorted(self.interpreter.get_input_details(), key=lambda detail: detail["name"])
        for detail, value in zip(details, inputs, strict=True):
            self.interpreter.set_tensor(detail["index"], value[np.newaxis])
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self.interpreter.get_output_details()[0]["index"])[0]


@pytest.fixture
def in_litert(tensorflow, tmp_path: Path) -> Callable[..., InLitert]:
    """`in_litert(layer, shape, …, dtype=…, int8_weights=False)` → the layer for a batch of one, builtin operators only.

    A layer with several inputs takes a list of them.
    """
    tf = tensorflow

    def convert(layer: Any, *shapes: Sequence[int], dtype: str = "float32", int8_weights: bool = False) -> InLitert:
        from ai_edge_litert.interpreter import Interpreter

        from ml.compatibility.flatbuffer import read_model

        class Serving(tf.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.layer = layer

            @tf.function(
                input_signature=[
                    tf.TensorSpec([1, *shape], dtype, name=f"input_{index}") for index, shape in enumerate(shapes)
                ]
            )
            def serve(self, *inputs: Any) -> dict[str, Any]:
                return {"output": self.layer(inputs[0] if len(inputs) == 1 else list(inputs))}

        folder = tmp_path / f"saved_{len(list(tmp_path.iterdir()))}"
        serving = Serving()
        tf.saved_model.save(serving, str(folder), signatures={"serving_default": serving.serve})
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if int8_weights:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        content = converter.convert()
        info = read_model(content)
        assert not info.custom
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
        return InLitert(content, {name for name, _ in info.operators}, interpreter)

    return convert
