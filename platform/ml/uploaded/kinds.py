"""What kind of model a file holds, decided by what is in it and not by its name. No TensorFlow here."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

Kind = Literal["saved_model", "keras_2", "keras_3"]

MAX_CONFIG_BYTES = 64 * 2**20
MAX_UNPACKED_BYTES = 8 * 2**30
MAX_FILES = 10_000


@dataclass(frozen=True)
class UploadedFile:
    """A model in a file. `config` is a Keras model's architecture; `suffix` what its loader knows the format by."""

    path: Path
    kind: Kind
    suffix: str
    config: dict[str, Any] | None = None


def look_into(path: Path) -> UploadedFile:
    """What `path` holds. Raises ValueError that says what it is instead."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return _archive(path, archive)
    with path.open("rb") as file:
        start = file.read(8)
    if start == b"\x89HDF\r\n\x1a\n":
        return _hdf5(path)
    if start[4:8] == b"TFL3":
        raise ValueError("it is a .tflite file, which can't be called or trained here")
    raise ValueError("it is neither a zip archive nor an HDF5 file")


def _archive(path: Path, archive: zipfile.ZipFile) -> UploadedFile:
    entries = archive.infolist()
    if len(entries) > MAX_FILES or sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise ValueError(f"it unpacks to more than {MAX_FILES} files or {MAX_UNPACKED_BYTES} bytes")
    names = set(archive.namelist())
    if {"config.json", "metadata.json", "model.weights.h5"} <= names:
        version = _json(archive.read(_small(archive, "metadata.json"))).get("keras_version")
        return UploadedFile(path, _keras(version), ".keras", _json(archive.read(_small(archive, "config.json"))))
    if saved_model_folder(archive) is not None:
        return UploadedFile(path, "saved_model", ".zip")
    raise ValueError("it is a zip archive without a saved_model.pb or the parts of a .keras file")


def saved_model_folder(archive: zipfile.ZipFile) -> str | None:
    """The folder in the archive that saved_model.pb lies in: "" or one name; None if there is no such file."""
    for name in archive.namelist():
        path = PurePosixPath(name)
        if path.name == "saved_model.pb" and len(path.parts) <= 2:
            return "" if len(path.parts) == 1 else path.parts[0]
    return None


def _hdf5(path: Path) -> UploadedFile:
    import h5py  # type: ignore[import-untyped]

    try:
        with h5py.File(path, "r") as file:
            config, version = file.attrs.get("model_config"), file.attrs.get("keras_version")
    except OSError as error:
        raise ValueError(f"it is a broken HDF5 file: {error}") from None
    if config is None:
        raise ValueError("it holds weights and no model")
    return UploadedFile(path, _keras(version), ".h5", _json(config))


def _keras(version: object) -> Kind:
    text = version.decode() if isinstance(version, bytes) else str(version)
    return "keras_3" if text.startswith("3.") else "keras_2"


def _small(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    entry = archive.getinfo(name)
    if entry.file_size > MAX_CONFIG_BYTES:
        raise ValueError(f"its {name} has more than {MAX_CONFIG_BYTES} bytes")
    return entry


def _json(text: str | bytes) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("its description is not a JSON object")
    return found
