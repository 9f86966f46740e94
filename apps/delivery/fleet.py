"""What the devices in the field have and can run, for the pages that decide what they get next."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Count
from django.utils import timezone

from apps.delivery.models import Installation, InstalledModel
from apps.delivery.snapshot import version_tuple
from apps.models.models import ModelVersion, RegisteredModel
from apps.projects.access import Access

State = InstalledModel.State
ACTIVE = timedelta(days=30)
MAX_RUNTIMES = 20


@dataclass(frozen=True)
class Runtime:
    """One runtime in the field: how many devices have it, and whether it can run the version asked about."""

    version: str
    devices: int
    is_enough: bool


def runtimes_in_the_field(access: Access, min_runtime: str) -> list[Runtime]:
    """The runtimes of the devices seen in the last 30 days, most devices first; of at most 20. One query."""
    needed = version_tuple(min_runtime)
    rows = (
        access.query(Installation)
        .filter(last_seen_at__gte=timezone.now() - ACTIVE)
        .order_by()
        .values_list("runtime_version")
        .annotate(devices=Count("pk"))
        .order_by("-devices", "runtime_version")[:MAX_RUNTIMES]
    )
    return [Runtime(version, devices, is_enough=_is_enough(version, needed)) for version, devices in rows]


def _is_enough(runtime: str, needed: tuple[int, ...] | None) -> bool:
    has = version_tuple(runtime)
    return needed is None or (has is not None and has >= needed)


@dataclass
class VersionOnDevices:
    """How many devices have a version, by state (InstalledModel.State → count)."""

    version: ModelVersion
    states: dict[str, int] = field(default_factory=dict)

    @property
    def devices(self) -> int:
        return sum(self.states.values())

    @property
    def in_use(self) -> int:
        return self._of(State.LOADED, State.INFERRED)

    @property
    def on_the_way(self) -> int:
        return self._of(State.ASSIGNED, State.DOWNLOADED)

    @property
    def failed(self) -> int:
        return self._of(State.FAILED)

    def _of(self, *states: InstalledModel.State) -> int:
        return sum(self.states.get(state, 0) for state in states)


def versions_on_devices(access: Access, model: RegisteredModel) -> list[VersionOnDevices]:
    """Which versions of `model` devices have, newest version first. Two queries."""
    rows = (
        access.query(InstalledModel)
        .filter(model=model)
        .order_by()
        .values_list("version", "state")
        .annotate(devices=Count("pk"))
    )
    counted = list(rows)
    versions = access.query(ModelVersion).select_related("model").in_bulk({version for version, _, _ in counted})
    found = {key: VersionOnDevices(version) for key, version in versions.items()}
    for key, state, devices in counted:
        found[key].states[state] = devices
    return sorted(found.values(), key=lambda entry: -entry.version.number)
