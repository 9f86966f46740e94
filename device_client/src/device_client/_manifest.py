"""What a verified manifest says about each model."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import Any

from tuf.api.metadata import TargetFile, Targets  # type: ignore[attr-defined]

from device_client._exceptions import SignatureError

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
MAX_MODEL_BYTES = 4 * 1024**3


@dataclass(frozen=True)
class Target:
    """One model of the manifest: which version, where it is, and what its file must be.

    Attributes:
        length: bytes of the file.
        sha256: of the file, 64 hexadecimal digits.
        url: of the file, relative to the server.
        min_runtime: the oldest runtime that can run it, in TensorFlow Lite's numbers, or None.
        revision: number of the deployment revision that decided this.
    """

    model: str
    version: str
    number: int | None
    length: int
    sha256: str
    url: str
    rule: str | None
    revision: int | None
    routing: str
    min_runtime: str | None
    task: str | None


@dataclass(frozen=True)
class Withheld:
    """A model that the server does not offer to this device, and why.

    Attributes:
        reason: a word such as "runtime_too_old".
        min_runtime: the oldest runtime that can run it, in TensorFlow Lite's numbers, or None.
    """

    model: str
    version: str | None
    reason: str
    min_runtime: str | None


@dataclass(frozen=True)
class Manifest:
    """A manifest whose signature, version and expiry have been checked.

    Attributes:
        version: the number of the project's published configuration; it only grows.
        expires: ISO 8601, UTC.
        targets: model name → Target.
        withheld: model name → Withheld.
    """

    version: int
    expires: str
    targets: dict[str, Target]
    withheld: dict[str, Withheld] = field(default_factory=dict)


def manifest_of(targets: Targets) -> Manifest:
    """Read signed targets.

    Raises:
        SignatureError: a target lacks what this client needs. It was signed, so the server is newer or broken.
    """
    found: dict[str, Target] = {}
    for path, file in targets.targets.items():
        target = _target(path, file)
        if target.model in found:
            raise SignatureError(f"the manifest names two files for the model {target.model!r}; one is accepted")
        found[target.model] = target
    return Manifest(
        version=targets.version,
        expires=targets.expires.isoformat(),
        targets=found,
        withheld=_withheld(targets.unrecognized_fields.get("withheld")),
    )


def _withheld(entries: object) -> dict[str, Withheld]:
    """The models that the server says it keeps back. What can't be read is left out: it only explains."""
    found: dict[str, Withheld] = {}
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("model"), str):
            found[entry["model"]] = Withheld(
                model=entry["model"],
                version=_str(entry.get("version")),
                reason=_str(entry.get("reason")) or "unknown",
                min_runtime=_str(entry.get("min_runtime")),
            )
    return found


def _target(path: str, file: TargetFile) -> Target:
    custom: dict[str, Any] = file.custom or {}
    model, version = custom.get("model"), custom.get("version")
    if not isinstance(model, str) or not MODEL_NAME.fullmatch(model):
        raise _unusable(path, f"its model name is {model!r}; letters, digits, - and _ are accepted")
    # The version becomes a file name on this device: nothing but a UUID may.
    try:
        version = str(uuid.UUID(str(version)))
    except ValueError:
        raise _unusable(path, f"its version is {version!r}; a UUID is accepted") from None
    sha256 = file.hashes.get("sha256", "")
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise _unusable(path, f"its SHA-256 is {sha256!r}")
    if not 0 < file.length <= MAX_MODEL_BYTES:
        raise _unusable(path, f"its length is {file.length}; 1 to {MAX_MODEL_BYTES} bytes are accepted")
    url = custom.get("url")
    if not isinstance(url, str) or not url:
        raise _unusable(path, f"its URL is {url!r}")
    return Target(
        model=model,
        version=version,
        number=_int(custom.get("number")),
        length=file.length,
        sha256=sha256,
        url=url,
        rule=_str(custom.get("rule")),
        revision=_int(custom.get("revision")),
        routing=_str(custom.get("routing")) or "device",
        min_runtime=_str(custom.get("min_runtime")),
        task=_str(custom.get("task")),
    )


def _unusable(path: str, why: str) -> SignatureError:
    return SignatureError(f"the manifest's entry {path!r} can't be used: {why}")


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _str(value: object) -> str | None:
    return str(value) if isinstance(value, str | int | float) and value != "" else None
