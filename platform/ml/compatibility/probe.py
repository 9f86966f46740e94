"""Loads a .tflite file in LiteRT and runs it once on zeros: `python -m ml.compatibility.probe FILE`.

A process of its own, since a damaged or hostile file may crash the interpreter. Prints one line of why it failed and
exits with 1; exits with 0 if it ran.
"""

from __future__ import annotations

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def probe(path: str) -> None:
    """Raises ValueError or RuntimeError with LiteRT's own words if the file does not load and run."""
    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    for one in interpreter.get_input_details():
        # Strings have no zeros; LiteRT runs on the empty tensor.
        if one["dtype"] not in (np.bytes_, np.str_):
            interpreter.set_tensor(one["index"], np.zeros(one["shape"], one["dtype"]))
    interpreter.invoke()


if __name__ == "__main__":
    try:
        probe(sys.argv[1])
    except (ValueError, RuntimeError, MemoryError) as error:
        sys.stdout.write(f"{error}".strip().replace("\n", " ")[:500] + "\n")
        raise SystemExit(1) from None
