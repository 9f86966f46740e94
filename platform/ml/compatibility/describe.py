"""A .tflite file in lines for a person: `python -m ml inspect`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ml.compatibility.check import minimum_runtime, signatures_of
from ml.compatibility.flatbuffer import NotAModelError, read_model
from ml.refusal import RefusedError


def describe(path: Path) -> Iterator[str]:
    """Signature, operators, metadata. Raises RefusedError `not_a_model` or `unreadable_file`."""
    try:
        data = path.read_bytes()
        info = read_model(data)
    except OSError as error:
        raise RefusedError("unreadable_file", f"The file {path} can't be read: {error.strerror}.") from None
    except NotAModelError as error:
        raise RefusedError("not_a_model", f"{path.name}: {error}.") from None
    yield f"{path.name}: {len(data)} bytes, runs from runtime {minimum_runtime(info) or 'unknown'}"
    for signature in signatures_of(info):
        for kind, tensors in (("in", signature.inputs), ("out", signature.outputs)):
            for tensor in tensors:
                yield f"{signature.name} {kind}: {tensor.name} {tensor.dtype} {tensor.shape}"
    for (name, version), count in sorted(info.operators.items()):
        yield f"operator {name} version {version}, {count} times"
    for key in sorted(info.metadata):
        yield f"metadata {key}: {len(info.metadata[key])} bytes"
    if info.bantam:
        yield f"labels: {', '.join(map(str, info.bantam.get('labels', [])))}"
