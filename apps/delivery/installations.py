"""Remembering the devices that ask: one row an installation, written when it is new or changed, else once a minute."""

from __future__ import annotations

import time
from collections import OrderedDict
from datetime import timedelta
from threading import Lock
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.delivery.models import Installation
from apps.delivery.snapshot import Attributes
from apps.projects.models import Project

SEEN_EVERY = timedelta(minutes=1)
MAX_REMEMBERED = 100_000
COLUMNS = ["app_version", "platform", "os_version", "device_model", "runtime_version"]


class _Seen:
    """Which installations this process wrote down lately, and with which attributes. Forgetting costs one write."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._written: OrderedDict[tuple[UUID, UUID], tuple[Attributes, float]] = OrderedDict()

    def is_fresh(self, project: Project, attributes: Attributes) -> bool:
        written = self._written.get((project.pk, attributes.installation))
        return (
            written is not None
            and written[0] == attributes
            and time.monotonic() - written[1] < SEEN_EVERY.total_seconds()
        )

    def note(self, project: Project, attributes: Attributes) -> None:
        with self._lock:
            self._written[project.pk, attributes.installation] = attributes, time.monotonic()
            self._written.move_to_end((project.pk, attributes.installation))
            while len(self._written) > MAX_REMEMBERED:
                self._written.popitem(last=False)


_seen = _Seen()


def see_installation(project: Project, attributes: Attributes) -> None:
    """Note that an installation asked, and what it said of itself.

    One INSERT … ON CONFLICT UPDATE where something is to be written, so two requests at once make one row.
    """
    if _seen.is_fresh(project, attributes):
        return
    row = Installation(
        project=project,
        key=attributes.installation,
        app_version=attributes.app_version,
        platform=attributes.platform,
        os_version=attributes.os_version,
        device_model=attributes.device_model,
        runtime_version=attributes.runtime_version,
        attributes=_rest(attributes),
        last_seen_at=timezone.now(),
    )
    Installation.across_tenants.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["project", "key"],
        update_fields=[*COLUMNS, "attributes", "last_seen_at"],
    )
    transaction.on_commit(lambda: _seen.note(project, attributes))


def installation_of(project: Project, key: UUID) -> Installation:
    """The row of an installation that sends events, made if it never asked for a manifest; inside a transaction."""
    now = timezone.now()
    installation, created = Installation.across_tenants.select_for_update().get_or_create(project=project, key=key)
    if not created and now - installation.last_seen_at >= SEEN_EVERY:
        installation.last_seen_at = now
        installation.save(update_fields=["last_seen_at"])
    return installation


def _rest(attributes: Attributes) -> dict[str, Any]:
    """What has no column of its own, without what the device did not say."""
    said = {
        "ram_mb": attributes.ram_mb,
        "cpu_cores": attributes.cpu_cores,
        "language": attributes.language,
        "country": attributes.country,
        "user": dict(attributes.user),
    }
    return {name: value for name, value in said.items() if value}
