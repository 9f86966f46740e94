"""Files that a model's parameters name: weights and uploaded models that lie beside the spec. No TensorFlow here."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ml.architectures.base import BuildContext
from ml.refusal import RefusedError


def relative_file(value: str, *, suffixes: tuple[str, ...], otherwise: str = "") -> str:
    """`value`, if it is a path below the spec's folder with one of the suffixes. Raises ValueError.

    `otherwise` is what the field accepts besides, for the message.
    """
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or "\\" in value or "\0" in value or path.suffix not in suffixes:
        raise ValueError(
            f"is no such file. Received: {value!r}. Accepted: {otherwise}a relative path without '..' "
            f"that ends in {' or '.join(suffixes)}"
        )
    return value


def field_refused(code: str, field: str, message: str) -> RefusedError:
    """The refusal of one field. `message` says what was wrong, what was received and what is accepted."""
    return RefusedError(code, f"{field}: {message}", [{"field": field, "message": message}])


def existing_file(context: BuildContext, value: str, *, field: str) -> Path:
    """Where the file of a parameter is. Raises RefusedError `file_not_found`."""
    path = context.files / value
    if not path.is_file():
        message = f"there is no such file. Received: {value}. Accepted: a path relative to the spec"
        raise field_refused("file_not_found", field, message)
    return path
