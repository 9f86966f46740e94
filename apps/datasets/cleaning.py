"""Which stored files uploads and dataset versions hold, for the clean-up."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Q

from apps.datasets.models import DatasetVersion, Upload
from apps.datasets.uploads import expired_uploads, sweep_uploads
from apps.projects import cleaning


def register() -> None:
    cleaning.register("uploads", "uploads/<id>", held_by_uploads, fields=["datasets.Upload.storage_key"])
    cleaning.register(
        "dataset files",
        r"datasets/<id>/<id>-\d+/.+",
        held_by_versions,
        fields=["datasets.DatasetVersion.storage_prefix"],
    )
    cleaning.register_chore("expired uploads", sweep_uploads, lambda: expired_uploads().count())


def held_by_uploads(keys: Sequence[str]) -> set[str]:
    """An upload holds its bytes while it may be used, and then as long as they count in the quota."""
    is_open = Q(state__in=[Upload.State.WAITING, Upload.State.VERIFIED])
    rows = Upload.across_tenants.filter(is_open | Q(reserved_bytes__gt=0), storage_key__in=keys)
    return set(rows.values_list("storage_key", flat=True))


def held_by_versions(keys: Sequence[str]) -> set[str]:
    """A version holds all that lies below its prefix. By its id: the column of prefixes has no index."""
    versions = {key.split("/")[3] for key in keys}
    rows = DatasetVersion.across_tenants.filter(pk__in=versions).exclude(storage_prefix="")
    prefixes = set(rows.values_list("storage_prefix", flat=True))
    return {key for key in keys if "/".join(key.split("/")[:5]) in prefixes}
