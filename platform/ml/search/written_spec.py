"""A spec as a file that a person can read and edit, and the files that it names."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from ml.architectures.published import IMAGENET, PublishedParams
from ml.architectures.uploaded import UploadedParams
from ml.files import write_bytes_atomically
from ml.search.conditions import SPEC_NAME
from ml.specs import TrainingSpec


def write_spec(spec: TrainingSpec, out: Path) -> None:
    """spec.yaml, with all parameters of the students."""
    data = spec.model_dump(mode="json", exclude_defaults=True)
    for student, plain in zip(spec.students, data["students"], strict=True):
        plain["params"] = student.params.model_dump(mode="json")
    text = yaml.safe_dump(
        {"version": spec.version, **data}, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None
    )
    write_bytes_atomically(out / SPEC_NAME, text.encode())


def copy_named_files(spec: TrainingSpec, out: Path, *, spec_folder: Path) -> None:
    """What the spec names by relative paths, so that a spec in `out` finds it there."""
    for name in dict.fromkeys(_named_files(spec)):
        if (spec_folder / name).is_file() and spec_folder.resolve() != out.resolve():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(spec_folder / name, out / name)


def _named_files(spec: TrainingSpec) -> Iterator[str]:
    if spec.budget.device_profile is not None:
        yield spec.budget.device_profile
    for model in spec.models():
        if model.load_checkpoint is not None:
            yield model.load_checkpoint
        yield from _in_params(model.params)


def _in_params(value: Any) -> Iterator[str]:
    """Parameters may hold those of other networks: the base of a transfer, the branches of several inputs."""
    if isinstance(value, UploadedParams):
        yield value.path
    elif isinstance(value, PublishedParams):
        if value.weights is not None and value.weights != IMAGENET:
            yield value.weights
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _in_params(getattr(value, name))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _in_params(one)
