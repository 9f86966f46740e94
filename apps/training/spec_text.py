"""A TrainingSpec as text, and out of text, on the platform: YAML or data in, a validated spec or a refusal out."""

from __future__ import annotations

import io
from typing import Any

import yaml

from apps.datasets.models import DatasetVersion
from apps.errors import Detail, Refused
from apps.training.presets import learned_from
from ml.spec_files import differences
from ml.specs import SpecError, TrainingSpec

LINE = 60


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


def raise_details(code: str, summary: str, details: list[Detail]) -> None:
    """Raise Refused when there are details; its message repeats them after `summary`."""
    if details:
        listed = "; ".join(f"{detail['field']} {detail['message']}" for detail in details)
        raise Refused(code, f"{summary} {listed}", details=details)
