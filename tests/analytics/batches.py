"""Events as a device sends them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from apps.models.models import ModelVersion

DATA: dict[str, dict[str, Any]] = {
    "feedback": {"label": "7", "correct": "7"},
    "failed": {"stage": "load", "code": "model_load_failed", "message": "no op"},
}


def event(kind: str = "inferred", *, version: ModelVersion | None = None, **data: Any) -> dict[str, Any]:
    """A valid event of `kind`, about `version` or about the bundled file of the model "digits"."""
    return {
        "id": str(uuid4()),
        "type": kind,
        "model": version.model.slug if version else "digits",
        "version": str(version.pk) if version else None,
        "occurred_at": datetime.now(UTC).isoformat(),
        "data": {**DATA.get(kind, {}), **data},
    }


def encoded(body: Any) -> bytes:
    return json.dumps(body).encode()
