"""What a file holds is decided by what is in it."""

from __future__ import annotations

import json
import zipfile

import h5py  # type: ignore[import-untyped]
import pytest

from ml.uploaded import kinds
from ml.uploaded.kinds import look_into

CONFIG = {"class_name": "Sequential", "config": {"layers": []}}


def zip_of(path, **entries):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return path


def keras_file(path, version):
    return zip_of(
        path,
        metadata_dot_json=json.dumps({"keras_version": version}),
        config_dot_json=json.dumps(CONFIG),
        model_dot_weights_dot_h5=b"",
    )


@pytest.mark.parametrize(("version", "kind"), [("2.21.0", "keras_2"), ("3.15.1", "keras_3")])
@pytest.mark.parametrize("name", ["m.keras", "m.zip"])
def test_a_keras_archive_tells_its_version(tmp_path, name, version, kind):
    found = look_into(keras_file(tmp_path / name, version))
    assert (found.kind, found.suffix, found.config) == (kind, ".keras", CONFIG)


@pytest.mark.parametrize(("version", "kind"), [("2.6.0", "keras_2"), (b"2.1.6", "keras_2"), ("3.0.5", "keras_3")])
def test_an_hdf5_file_tells_its_version(tmp_path, version, kind):
    with h5py.File(tmp_path / "m.keras", "w") as file:
        file.attrs["keras_version"] = version
        file.attrs["model_config"] = json.dumps(CONFIG)
    found = look_into(tmp_path / "m.keras")
    assert (found.kind, found.suffix, found.config) == (kind, ".h5", CONFIG)


@pytest.mark.parametrize("entry", ["saved_model_dot_pb", "folder__saved_model_dot_pb"])
def test_a_saved_model_may_lie_in_one_folder(tmp_path, entry):
    assert look_into(zip_of(tmp_path / "m.zip", **{entry: b""})).kind == "saved_model"


@pytest.mark.parametrize("entries", [{"a__b__saved_model_dot_pb": b""}, {"config_dot_json": b"{}"}, {}])
def test_another_archive_is_refused(tmp_path, entries):
    with pytest.raises(ValueError, match=r"zip archive without a saved_model\.pb"):
        look_into(zip_of(tmp_path / "m.zip", **entries))


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "m.keras"
    path.write_bytes(b"\x1c\0\0\0TFL3rest")
    with pytest.raises(ValueError, match=r"\.tflite"):
        look_into(path)
    path.write_bytes(b"words")
    with pytest.raises(ValueError, match="neither a zip archive nor an HDF5 file"):
        look_into(path)
    with h5py.File(path, "w") as file:
        file["weights"] = 1.0
    with pytest.raises(ValueError, match="weights and no model"):
        look_into(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="broken HDF5"):
        look_into(path)


def test_an_archive_without_measure_is_refused(tmp_path, monkeypatch):
    path = keras_file(tmp_path / "m.keras", "2.21.0")
    monkeypatch.setattr(kinds, "MAX_UNPACKED_BYTES", 10)
    with pytest.raises(ValueError, match="unpacks to more"):
        look_into(path)
    monkeypatch.undo()
    monkeypatch.setattr(kinds, "MAX_CONFIG_BYTES", 10)
    with pytest.raises(ValueError, match="more than 10 bytes"):
        look_into(path)
