"""Manifests from memory: one compiled snapshot a project, one set of signed bytes a decision and day."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any
from uuid import UUID

from django.db.models import F
from django.utils import timezone
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]
from tuf.api.metadata import TargetFile  # type: ignore[attr-defined]

from apps.delivery.models import DeliveryState
from apps.delivery.signing import SigningKeys, manifest_expiry, sign_manifest, signing_state
from apps.delivery.snapshot import Attributes, Decision, PublishedModel, Snapshot, decide
from apps.models.models import Artifact
from apps.projects.models import Project

MAX_PROJECTS = 1_000
MAX_MANIFESTS = 100  # of one project; a project with few models has a handful of decisions
MAX_BYTES = 64 * 2**20  # of all manifests together


@dataclass(frozen=True)
class Manifest:
    """The signed bytes, and the ETag that stands for them (with its quotes)."""

    content: bytes
    etag: str


@dataclass
class _Published:
    """What is held of one project at one revision."""

    snapshot: Snapshot
    signer: CryptoSigner
    manifests: OrderedDict[tuple[Decision, datetime], Manifest] = field(default_factory=OrderedDict)

    @property
    def bytes(self) -> int:
        return sum(len(manifest.content) for manifest in self.manifests.values())


class ManifestStore:
    """The published configuration of many projects, in this process's memory. Safe to use from several threads.

    What is over a limit goes oldest first; to have forgotten it costs one query and one signature.
    """

    def __init__(self, now: Callable[[], datetime] = timezone.now) -> None:
        self._now = now
        self._lock = Lock()
        self._projects: OrderedDict[UUID, _Published] = OrderedDict()
        self._bytes = 0

    def manifest(self, project: Project, revision: int | None, attributes: Attributes) -> Manifest:
        """The manifest for a device, from memory unless `revision` is newer than what is held.

        `revision` is the project's counter as the caller just read it; None: the project has none yet. Nothing here
        asks the database while it has not changed. Raises UnreadableError.
        """
        published = self._published(project, revision)
        key = decide(published.snapshot, attributes), manifest_expiry(self._now())
        manifest = published.manifests.get(key)
        if manifest is None:
            # Two threads may sign the same at once: the bytes are equal, so nothing is lost but a millisecond.
            manifest = _sign(published, *key)
            with self._lock:
                self._keep(project.pk, published, key, manifest)
        return manifest

    def _keep(self, project: UUID, published: _Published, key: tuple[Decision, datetime], manifest: Manifest) -> None:
        if self._projects.get(project) is not published or key in published.manifests:
            return
        published.manifests[key] = manifest
        self._bytes += len(manifest.content)
        while len(published.manifests) > MAX_MANIFESTS or (self._bytes > MAX_BYTES and len(self._projects) == 1):
            _, oldest = published.manifests.popitem(last=False)
            self._bytes -= len(oldest.content)
        while self._bytes > MAX_BYTES:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, oldest = self._projects.popitem(last=False)
        self._bytes -= oldest.bytes

    def _published(self, project: Project, revision: int | None) -> _Published:
        published = self._projects.get(project.pk)
        # Never back to an older one: another thread may have read the counter before this one refreshed.
        if published is not None and revision is not None and published.snapshot.revision >= revision:
            return published
        if revision is None:
            signing_state(project)
        fresh = _Published(compile_snapshot(project), SigningKeys.of(signing_state(project)).targets)
        with self._lock:
            if before := self._projects.pop(project.pk, None):
                self._bytes -= before.bytes
            self._projects[project.pk] = fresh
            while len(self._projects) > MAX_PROJECTS:
                self._forget_oldest()
        return fresh


def compile_snapshot(project: Project) -> Snapshot:
    """Read the project's published configuration and its revision in one statement, so that they belong together.

    The project has a DeliveryState.
    """
    rows = DeliveryState.objects.for_project(project).values(
        "revision",
        slug=F("project__deployments__model__slug"),
        version=F("project__deployments__current__version"),
        number=F("project__deployments__current__version__number"),
        deployment_revision=F("project__deployments__current__number"),
        min_runtime=F("project__deployments__current__version__min_runtime"),
        compatibility=F("project__deployments__current__version__compatibility"),
        kind=F("project__deployments__current__version__artifacts__kind"),
        bytes=F("project__deployments__current__version__artifacts__bytes"),
        sha256=F("project__deployments__current__version__artifacts__sha256"),
    )
    found = list(rows)
    models = [_published_model(row) for row in found if row["kind"] == Artifact.Kind.TFLITE]
    return Snapshot(project.pk, found[0]["revision"], tuple(sorted(models, key=lambda model: model.slug)))


def _published_model(row: Mapping[str, Any]) -> PublishedModel:
    metadata = (row["compatibility"] or {}).get("metadata") or {}
    return PublishedModel(
        slug=row["slug"],
        version=row["version"],
        number=row["number"],
        revision=row["deployment_revision"],
        bytes=row["bytes"],
        sha256=row["sha256"],
        min_runtime=row["min_runtime"],
        task=metadata.get("task") or "classification",
    )


def _sign(published: _Published, decision: Decision, expires: datetime) -> Manifest:
    content = sign_manifest(
        published.signer,
        revision=published.snapshot.revision,
        expires=expires,
        files={file.path: file for file in (_target(item.model, item.rule) for item in decision.assigned)},
        withheld=[item.as_json() for item in decision.withheld],
    )
    return Manifest(content, f'"{hashlib.sha256(content).hexdigest()}"')


def _target(model: PublishedModel, rule: str) -> TargetFile:
    custom = {
        "model": model.slug,
        "version": str(model.version),
        "number": model.number,
        "url": f"/api/device/v1/models/{model.version}/file",
        "rule": rule,
        "revision": model.revision,
        "routing": "device",
        "min_runtime": model.min_runtime,
        "task": model.task,
    }
    path = f"{model.slug}/{model.version}.tflite"
    return TargetFile(model.bytes, {"sha256": model.sha256}, path, {"custom": custom})


manifests = ManifestStore()
