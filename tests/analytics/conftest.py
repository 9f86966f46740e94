from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.analytics.intake import read_batch
from apps.analytics.services import Receipt, record_events
from apps.models.models import ModelVersion
from apps.projects.models import Project
from tests.analytics.batches import encoded, event
from tests.delivery.conftest import access, media, model, other_device_key, other_project, version

__all__ = ["access", "media", "model", "other_device_key", "other_project", "version"]

Report = Callable[..., Receipt]


@pytest.fixture
def report(project: Project) -> Report:
    """`report(version, "inferred", latency_ms=0.3)` → as if a device had sent that event; a new device unless given."""

    def send(version: ModelVersion, kind: str, *, installation: str | None = None, **data: Any) -> Receipt:
        entry = event(kind, version=version, **data)
        body = {"installation": installation or str(uuid4()), "events": [entry]}
        return record_events(project=version.project, batch=read_batch(encoded(body), now=timezone.now()))

    return send
