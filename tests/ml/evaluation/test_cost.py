from __future__ import annotations

import subprocess
import sys
import zlib

import numpy as np

from ml.evaluation.cost import compressed_bytes, cost_of
from ml.evaluation.memory import smallest_model
from tests.ml.conftest import ENGINE


def test_the_cost_of_a_file(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(smallest_model())
    cost = cost_of(path)
    assert cost["bytes"] == len(smallest_model())
    assert cost["compressed_bytes"] == len(zlib.compress(smallest_model(), 9))
    assert cost["flops"] == 32


def test_a_file_is_compressed_as_a_whole(tmp_path):
    path = tmp_path / "large"
    values = np.random.default_rng(0).integers(0, 200, 2_500_000, dtype=np.uint8).tobytes()
    path.write_bytes(values)
    assert compressed_bytes(path) == len(zlib.compress(values, 9))


def test_measuring_needs_no_tensorflow():
    code = "import sys, ml.evaluation.cost, ml.evaluation.agreement_of_run; sys.exit('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ENGINE)}, check=False)
    assert done.returncode == 0
