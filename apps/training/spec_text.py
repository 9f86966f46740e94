"""A TrainingSpec as text, and out of text, on the platform: YAML or data in, a validated spec or a refusal out."""

from __future__ import annotations

import io
import re
from typing import Any
from uuid import UUID

import yaml

from apps.datasets.models import DatasetVersion
from apps.errors import Detail, Refused
from apps.models.models import Artifact
from apps.training.presets import learned_from
from ml.spec_files import differences
from ml.specs import SpecError, TrainingSpec

LINE = 60
CHECKPOINT = re.compile(r"versions/([0-9a-f-]{36})\.zip")


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def to_yaml(data: dict[str, Any]) -> str:
    """Spec data as YAML that a person likes to read: the order kept, on one line what fits there."""
    root = _Dumper(io.StringIO(), sort_keys=False).represent_data(data)
    assert isinstance(root, yaml.MappingNode)
    root.flow_style = False
    for _, value in root.value:
        _lay_out(value)
    return yaml.serialize(root, Dumper=_Dumper, allow_unicode=True, width=10 * LINE)


def _lay_out(node: yaml.Node) -> None:
    if not isinstance(node, yaml.MappingNode | yaml.SequenceNode):
        return
    node.flow_style = True
    if len(yaml.serialize(node, Dumper=_Dumper, allow_unicode=True, width=10 * LINE)) <= LINE:
        return
    node.flow_style = False
    for child in node.value:
        _lay_out(child[1] if isinstance(child, tuple) else child)


def read_spec(given: str | dict[str, Any], version: DatasetVersion) -> TrainingSpec:
    """The spec in YAML text or plain data, checked against the dataset that it is to learn from.

    Raises Refused `invalid_spec` or `spec_dataset_mismatch` with one detail for each field that is wrong; field names
    are paths in the spec ("students[0].params.units"), empty for the text as a whole.
    """
    try:
        spec = TrainingSpec.from_yaml(given) if isinstance(given, str) else TrainingSpec.parse(given)
    except SpecError as error:
        details: list[Detail] = [{"field": item["field"], "message": item["message"]} for item in error.details]
        raise Refused("invalid_spec", error.message, details=details) from None
    _check_dataset(spec, version)
    return spec


def _check_dataset(spec: TrainingSpec, version: DatasetVersion) -> None:
    features, task = learned_from(version)
    found = differences(spec, task=task, features=features, splits=version.splits)
    details: list[Detail] = [{"field": one["field"], "message": one["message"]} for one in found]
    raise_details("spec_dataset_mismatch", f"The training spec does not fit {version}.", details)


def checkpoints_of(spec: TrainingSpec, version: DatasetVersion) -> dict[str, Artifact]:
    """Each `load_checkpoint` path of the spec with the artifact that belongs there when the run starts.

    On the platform a checkpoint is named `versions/<id of a model version of the project>.zip`. Raises Refused
    `unknown_checkpoint`, tied to the fields.
    """
    found: dict[str, Artifact] = {}
    details: list[Detail] = []
    for location, model in spec.located_models():
        path = model.load_checkpoint
        if path is None:
            continue
        artifact = _checkpoint(path, version)
        if artifact is not None:
            found[path] = artifact
            continue
        where = "trainer" if location[0] == "trainer" else f"students[{location[1]}]"
        message = (
            f"is no checkpoint of this project. Received: {path!r}. "
            "Accepted: versions/<id>.zip with the id of a model version that was trained here"
        )
        details.append({"field": f"{where}.load_checkpoint", "message": message})
    raise_details("unknown_checkpoint", "The training spec starts from a checkpoint that is not there.", details)
    return found


def _checkpoint(path: str, version: DatasetVersion) -> Artifact | None:
    named = CHECKPOINT.fullmatch(path)
    if named is None:
        return None
    try:
        id = UUID(named[1])  # noqa: A001
    except ValueError:
        return None
    artifacts = Artifact.objects.for_project(version.project)
    found: Artifact | None = artifacts.filter(version=id, kind=Artifact.Kind.CHECKPOINT).first()
    return found


def raise_details(code: str, summary: str, details: list[Detail]) -> None:
    """Raise Refused when there are details; its message repeats them after `summary`."""
    if details:
        listed = "; ".join(f"{detail['field']} {detail['message']}" for detail in details)
        raise Refused(code, f"{summary} {listed}", details=details)
