"""`python -m ml profile`."""

from __future__ import annotations

import subprocess
import sys

from ml.commands import main
from ml.profiling.device_profile import DeviceProfile
from tests.ml.conftest import engine_environment


def test_it_writes_a_file_that_a_budget_can_name(tmp_path, capfd):
    assert main(["profile", "--out", str(tmp_path / "profile.json"), "--name", "bench"]) == 0
    assert DeviceProfile.read(tmp_path / "profile.json").name == "bench"
    assert "convolution/float32" in capfd.readouterr().out


def test_what_is_no_json_file_is_refused_before_anything_is_measured(tmp_path, capfd):
    (tmp_path / "folder.json").mkdir()
    for out in (tmp_path / "profile", tmp_path / "folder.json"):
        assert main(["profile", "--out", str(out)]) == 2
        assert f"Received: {out}" in capfd.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["folder.json"]


def test_a_device_needs_no_tensorflow():
    code = "import sys, ml.profiling.measuring; print('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=engine_environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
