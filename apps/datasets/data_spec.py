"""What a person says that the file of a dataset version holds: YAML, checked before anything is made."""

from __future__ import annotations

from apps.errors import Detail
from ml.data.import_spec import ImportSpec
from ml.refusal import RefusedError

# Room for a class list of some thousand names. Reading a long text takes time that others wait for.
MAX_CHARACTERS = 100_000
EXAMPLE = """\
task: {type: classification, label: label}
features:
- {name: text, type: text, columns: [review]}
"""


def data_spec_problems(text: str) -> list[Detail]:
    """What is wrong with a data spec, by its fields: "data_spec.features[0].type"; nothing with an empty one."""
    if not text.strip():
        return []
    if len(text) > MAX_CHARACTERS:
        message = f"A data spec has at most {MAX_CHARACTERS} characters. Received: {len(text)}."
        return [{"field": "data_spec", "message": message}]
    try:
        ImportSpec.from_yaml(text)
    except RefusedError as refused:
        return [
            {"field": ".".join(filter(None, ["data_spec", detail["field"]])), "message": detail["message"]}
            for detail in refused.details
        ]
    return []
