"""Keeping what devices report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.analytics.intake import Batch, ReceivedEvent, Rejection, rejection
from apps.analytics.judging import REGRESSION, error_of
from apps.analytics.models import Event
from apps.delivery.installations import installation_of
from apps.delivery.installed import Step, note_steps
from apps.delivery.models import InstalledModel
from apps.models.models import ModelVersion, RegisteredModel
from apps.projects.models import Project

STEPS = {state.value: state for state in InstalledModel.State}


@dataclass(frozen=True)
class Receipt:
    """What became of a batch. `accepted` + `duplicates` + `len(rejected)` = events sent."""

    accepted: int
    duplicates: int
    rejected: list[Rejection]


def record_events(*, project: Project, batch: Batch) -> Receipt:
    """Store the batch's events, each once however often it is sent, and bring the device's row up to date.

    All of it is committed when this returns; on an error nothing is. A model or version that is deleted while this runs
    fails the commit, so the batch is taken once more, and its events are rejected then as unknown.
    """
    try:
        return _record(project, batch)
    except IntegrityError:
        return _record(project, batch)


def _record(project: Project, batch: Batch) -> Receipt:
    now = timezone.now()
    with transaction.atomic():
        models, versions, tasks = _known(project, batch.events)
        kept: list[ReceivedEvent] = []
        rejected = list(batch.rejected)
        for event in batch.events:
            if problem := _unknown(event, models, versions):
                rejected.append(problem)
            else:
                kept.append(event)
        accepted = 0
        if kept:
            installation = installation_of(project, batch.installation)
            rows = [
                Event(
                    project=project,
                    key=event.key,
                    installation=installation,
                    type=event.type,
                    model_id=models[event.model],
                    version_id=event.version,
                    data=event.data,
                    latency_ms=event.latency_ms,
                    **_judged(event, tasks),
                    occurred_at=event.occurred_at,
                    received_at=now,
                )
                for event in kept
            ]
            Event.across_tenants.bulk_create(rows, ignore_conflicts=True)
            # A row that was a duplicate, of an earlier batch or within this one, was left out, so its id is not there.
            accepted = Event.across_tenants.filter(pk__in=[row.pk for row in rows]).count()
            note_steps(installation, _steps(kept, models, now))
    return Receipt(accepted, len(kept) - accepted, sorted(rejected, key=lambda problem: problem["index"]))


def _known(
    project: Project, events: list[ReceivedEvent]
) -> tuple[dict[str, UUID], dict[UUID, UUID], dict[UUID, str | None]]:
    """Of the models and versions that the events name, those of the project: slug → id, version → its model's id and
    → its task, None where its file does not say."""
    slugs = {event.model for event in events}
    ids = {event.version for event in events if event.version is not None}
    models = RegisteredModel.objects.for_project(project).filter(slug__in=slugs).values_list("slug", "pk")
    rows = ModelVersion.objects.for_project(project).filter(pk__in=ids).with_task()
    versions = list(rows.values_list("pk", "model_id", "task")) if ids else []
    of_version = {version: model for version, model, _ in versions}
    return dict(models) if slugs else {}, of_version, {version: task for version, _, task in versions}


def _judged(event: ReceivedEvent, tasks: Mapping[UUID, str | None]) -> dict[str, Any]:
    """What feedback comes to. Numbers are seldom equal, so a regression is measured by how far it was off."""
    if event.is_correct is None or event.version is None or tasks[event.version] != REGRESSION:
        return {"is_correct": event.is_correct, "error": None}
    return {"is_correct": None, "error": error_of(event.data)}


def _unknown(event: ReceivedEvent, models: dict[str, UUID], versions: dict[UUID, UUID]) -> Rejection | None:
    model = models.get(event.model)
    if model is None:
        message = f"This project has no model {event.model!r}."
        return rejection(event.index, str(event.key), "unknown_model", message)
    if event.version is not None and versions.get(event.version) != model:
        message = f"The model {event.model!r} has no version {event.version}."
        return rejection(event.index, str(event.key), "unknown_version", message)
    return None


def _steps(events: list[ReceivedEvent], models: dict[str, UUID], now: datetime) -> list[Step]:
    """A device whose clock is ahead must not look newer than what it will report once the clock is right."""
    return [
        Step(models[event.model], event.version, STEPS[event.type], min(event.occurred_at, now))
        for event in events
        if event.version is not None and event.type in STEPS
    ]
