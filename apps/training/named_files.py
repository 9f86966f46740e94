"""The files that a spec names, and what they are on the platform: uploaded files, and checkpoints of model versions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from apps.datasets.models import DatasetVersion
from apps.errors import Detail
from apps.models.models import Artifact
from apps.projects.models import Project
from apps.training.models import SpecFile
from apps.training.spec_fields import FILES
from apps.training.spec_text import raise_details
from ml.architectures.published import IMAGENET, PublishedParams
from ml.architectures.uploaded import UploadedParams
from ml.specs import ModelSpec, TrainingSpec

CHECKPOINT = re.compile(r"versions/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.zip")
UPLOADED = re.compile(r"files/([^/]+)")
NAMES_SHOWN = 5
CHOICES = 500


@dataclass(frozen=True)
class NamedFile:
    """A stored file that belongs at `path` beside the spec. `file`: the uploaded one; None for a checkpoint."""

    path: str
    storage_key: str
    sha256: str
    file: SpecFile | None


@dataclass(frozen=True)
class _Mention:
    """A field of the spec that names a file, by one of `suffixes`."""

    field: str
    path: str
    suffixes: tuple[str, ...]


def files_of(spec: TrainingSpec, version: DatasetVersion, *, lock: bool = False) -> list[NamedFile]:
    """Each file that the spec for `version` names, once, in at most three queries; in none if it names none.

    `files/<name>` is a file uploaded to its project, `versions/<id>.zip` the checkpoint of a model version in it.
    With `lock` the uploaded ones can't be deleted before the transaction ends. Raises Refused `unknown_file`, with a
    detail for each field that names neither.
    """
    mentions = list(_mentions(spec))
    if not mentions:
        return []
    project = version.project
    known = _uploaded(mentions, project, lock=lock) | _checkpoints(mentions, project)
    if missing := [mention for mention in mentions if mention.path not in known]:
        names = list(SpecFile.objects.for_project(project).order_by("-id").values_list("name", flat=True)[:CHOICES])
        details: list[Detail] = [{"field": one.field, "message": _message(one, names)} for one in missing]
        raise_details("unknown_file", "The training spec names a file that is not there.", details)
    return [known[path] for path in dict.fromkeys(mention.path for mention in mentions)]


def choices_of(project: Project) -> dict[str, list[str]]:
    """For each field that names a file, the project's files that may stand there. One query."""
    paths = [file.path for file in SpecFile.objects.for_project(project).only("name").order_by("name")[:CHOICES]]
    return {field: [path for path in paths if path.endswith(suffixes)] for field, suffixes in FILES.items()}


def _uploaded(mentions: list[_Mention], project: Project, *, lock: bool) -> dict[str, NamedFile]:
    names = [found[1] for mention in mentions if (found := UPLOADED.fullmatch(mention.path))]
    rows = SpecFile.objects.for_project(project).select_related("upload").filter(name__in=names).order_by("pk")
    if lock:
        rows = rows.select_for_update(of=("self",), no_key=True)
    files = rows if names else ()
    return {file.path: NamedFile(file.path, file.upload.storage_key, file.sha256, file) for file in files}


def _checkpoints(mentions: list[_Mention], project: Project) -> dict[str, NamedFile]:
    paths = {UUID(found[1]): mention.path for mention in mentions if (found := CHECKPOINT.fullmatch(mention.path))}
    rows = Artifact.objects.for_project(project).filter(version__in=paths, kind=Artifact.Kind.CHECKPOINT)
    artifacts = rows if paths else ()
    named = ((paths[artifact.version_id], artifact) for artifact in artifacts)
    return {path: NamedFile(path, artifact.storage_key, artifact.sha256, None) for path, artifact in named}


def _mentions(spec: TrainingSpec) -> Iterator[_Mention]:
    if (profile := spec.budget.device_profile) is not None:
        yield _Mention("budget.device_profile", profile, FILES["device_profile"])
    for location, model in spec.located_models():
        where = "trainer" if location[0] == "trainer" else f"students[{location[1]}]"
        yield from _mentions_of(model, where)


def _mentions_of(model: ModelSpec, where: str) -> Iterator[_Mention]:
    if model.load_checkpoint is not None:
        yield _Mention(f"{where}.load_checkpoint", model.load_checkpoint, FILES["load_checkpoint"])
    yield from _in_params(model.params, f"{where}.params")


def _in_params(value: Any, where: str) -> Iterator[_Mention]:
    """Parameters may hold those of other networks: the base of a transfer, the branches of several inputs."""
    if isinstance(value, UploadedParams):
        yield _Mention(f"{where}.path", value.path, FILES["path"])
    elif isinstance(value, PublishedParams) and value.weights is not None:
        yield _Mention(f"{where}.weights", value.weights, FILES["weights"])
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _in_params(getattr(value, name), f"{where}.{name}")
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _in_params(one, f"{where}.{name}")


def _message(mention: _Mention, names: list[str]) -> str:
    fitting = [f"files/{name}" for name in names if name.endswith(mention.suffixes)]
    more = ", …" if len(fitting) > NAMES_SHOWN else ""
    known = f"{', '.join(fitting[:NAMES_SHOWN])}{more}" if fitting else f"none ends in {' or '.join(mention.suffixes)}"
    accepted = f"files/<name> of a file that was uploaded to this project ({known})"
    if mention.field.endswith(".load_checkpoint"):
        accepted += ", or versions/<id>.zip with the id of a model version that was trained here"
    wrong = "names no file of this project"
    if mention.path == IMAGENET:
        wrong = "can't be downloaded, since a run has no network"
    return f"{wrong}. Received: {mention.path!r}. Accepted: {accepted}"
