"""Which saved work jobs hold, for the clean-up of the storage. Job folders are cleared by their machine: folders.py."""

from __future__ import annotations

from collections.abc import Sequence

from apps.jobs.models import Job
from apps.projects import cleaning


def register() -> None:
    cleaning.register("saved work", r"jobs/<id>/work-\d+-\d+\.tar", held_by_jobs, fields=["jobs.Job.saved_work"])


def held_by_jobs(keys: Sequence[str]) -> set[str]:
    """By the job's id, which is in the key: the column has no index."""
    rows = Job.across_tenants.filter(pk__in={key.split("/")[3] for key in keys}).exclude(saved_work="")
    return set(keys).intersection(rows.values_list("saved_work", flat=True))
