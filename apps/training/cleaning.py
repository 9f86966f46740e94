"""Which stored files training holds beside those of model versions, for the clean-up."""

from __future__ import annotations

import re
from collections.abc import Sequence

from apps.jobs.models import Job
from apps.projects import cleaning
from apps.training.models import SpecFile
from apps.training.tensorboard import archives


def register() -> None:
    archive = rf"models/<id>/\d+/{re.escape(archives.FOLDER)}\.tar\.gz"
    cleaning.register("model files", archive, held_for_tensorboard, fields=[])
    cleaning.register("uploads", "uploads/<id>", held_by_spec_files, fields=[])


def held_for_tensorboard(keys: Sequence[str]) -> set[str]:
    """What a run has left for TensorBoard stays as long as the run, whatever becomes of its models."""
    jobs = Job.across_tenants.filter(pk__in={key.split("/")[3] for key in keys})
    found = (archives.of(job) for job in jobs.only("project_id", "fencing_token", "result"))
    return set(keys).intersection(archive.key for archive in found if archive is not None)


def held_by_spec_files(keys: Sequence[str]) -> set[str]:
    rows = SpecFile.across_tenants.filter(upload__storage_key__in=keys)
    return set(rows.values_list("upload__storage_key", flat=True))
