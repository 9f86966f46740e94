"""TensorFlow costs seconds and hundreds of MB, and a fork after its use hangs: only a job's own process may load it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.jobs.processes import Platform, tree

HEAVY = ("tensorflow", "tf_keras", "ai_edge_litert")


def digits_archive() -> bytes:
    """Two classes of ten 8×8 images each, all different."""
    generator = np.random.default_rng(7)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for label in ("dark", "light"):
            for index in range(10):
                pixels = generator.integers(0, 100, (8, 8), dtype=np.uint8) + (100 if label == "light" else 0)
                image = io.BytesIO()
                Image.fromarray(pixels.astype(np.uint8)).save(image, "PNG")
                archive.writestr(f"{label}/{index}.png", image.getvalue())
    return packed.getvalue()


def heavy_files(pid: int) -> set[str]:
    """Libraries of the learning engine that the process has mapped into its memory."""
    mapped = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {path for line in mapped if any(f"/{name}/" in (path := line.split(maxsplit=5)[-1]) for name in HEAVY)}


@pytest.mark.engine
def test_no_web_or_worker_process_loads_tensorflow_while_a_real_job_runs(tmp_path):
    platform = Platform(tmp_path, "config.settings")
    try:
        worker = platform.start_worker()
        archive = digits_archive()
        upload = platform.api.post(
            "/uploads", json={"purpose": "dataset", "filename": "digits.zip", "size": len(archive)}
        ).json()
        sent = httpx.request(upload["method"], upload["url"], content=archive, headers=upload["headers"])
        assert sent.is_success, sent.text
        assert platform.api.post(f"/uploads/{upload['id']}/complete").is_success
        dataset = platform.api.post("/datasets", json={"name": "Digits"}).json()
        version = platform.api.post(f"/datasets/{dataset['id']}/versions", json={"upload": upload["id"]})
        assert version.status_code == 201, version.text
        [job] = platform.api.get("/jobs").json()["results"]
        assert platform.wait_for(job["id"], "succeeded")["result"]["num_examples"] == 20

        processes = tree(platform.web.pid) | tree(worker.pid)
        assert len(processes) >= 6
        assert [(pid, found) for pid in processes if (found := heavy_files(pid))] == []
    finally:
        platform.close()


def test_the_look_at_a_process_s_memory_finds_what_is_there():
    import ai_edge_litert.interpreter  # noqa: F401

    assert heavy_files(os.getpid())


def test_forms_and_addresses_need_the_engine_s_declared_specs_only():
    code = (
        "import sys, django; django.setup(); import config.urls, ml.data.import_spec, ml.spec_files; "
        "heavy = {'tensorflow', 'tf_keras', 'ai_edge_litert', 'numpy', 'PIL', 'optuna'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    root = Path(__file__).parents[2]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PYTHONPATH": os.pathsep.join((str(root), str(root / "platform"))),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
