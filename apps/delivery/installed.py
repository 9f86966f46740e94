"""Which version of a model a device has, worked out of what it reported."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.delivery.models import Installation, InstalledModel

State = InstalledModel.State
RANK = {State.ASSIGNED: 0, State.DOWNLOADED: 1, State.LOADED: 2, State.INFERRED: 3}


@dataclass(frozen=True)
class Step:
    """One report of a device about a version: that it was assigned, downloaded, loaded, used, or failed."""

    model: UUID
    version: UUID
    state: InstalledModel.State
    at: datetime


def advance(installed: InstalledModel, step: Step) -> bool:
    """Take `step` in, unless it is older than what is known. True if something changed.

    Another version starts afresh. Within a version states only go forward; a failure shows until something newer works.
    """
    if step.at < installed.updated_at:
        return False
    before = installed.version_id, installed.state, installed.updated_at
    another = step.version != installed.version_id
    failure = State.FAILED in {step.state, installed.state}
    if another or failure or RANK[step.state] > RANK[State(installed.state)]:
        installed.version_id, installed.state = step.version, step.state
    installed.updated_at = step.at
    return before != (installed.version_id, installed.state, installed.updated_at)


def note_steps(installation: Installation, steps: Iterable[Step]) -> None:
    """Bring the installation's rows up to date. The caller holds the installation's row lock, in a transaction."""
    ordered = sorted(steps, key=lambda step: step.at)
    if not ordered:
        return
    rows = {row.model_id: row for row in installation.models.filter(model__in={step.model for step in ordered})}
    new: list[InstalledModel] = []
    changed: dict[UUID, InstalledModel] = {}
    for step in ordered:
        row = rows.get(step.model)
        if row is None:
            rows[step.model] = row = InstalledModel(
                project_id=installation.project_id,
                installation=installation,
                model_id=step.model,
                version_id=step.version,
                state=step.state,
                updated_at=step.at,
            )
            new.append(row)
        elif advance(row, step):
            changed[row.pk] = row
    InstalledModel.across_tenants.bulk_create(new)
    new_ids = {row.pk for row in new}
    InstalledModel.across_tenants.bulk_update(
        [row for row in changed.values() if row.pk not in new_ids], ["version", "state", "updated_at"]
    )
