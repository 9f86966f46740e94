"""Making datasets and their versions."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils.text import slugify
from uuid_utils.compat import uuid7

from apps.datasets.data_spec import data_spec_problems
from apps.datasets.models import Dataset, DatasetVersion, Upload
from apps.datasets.uploads import use_upload
from apps.errors import Detail, Refused
from apps.jobs.models import Job
from apps.jobs.services import create_job
from apps.projects import audit, quotas
from apps.projects.access import Access
from apps.projects.storage import storage

DEFAULT_SEED = 7
DEFAULT_VALIDATION = 0.1
DEFAULT_TEST = 0.2
MAX_SEED = 2**31 - 1
BAD_VALUES = {"refuse": "Refuse the file", "skip": "Leave these rows out"}


def create_dataset(*, access: Access, name: str, slug: str = "") -> Dataset:
    """Make an empty dataset. `slug` is its name in addresses, by default made of `name`; unique within the project.

    Raises Refused: `invalid_dataset`, `slug_taken`, each with the field.
    """
    name = name.strip()
    slug = slug or slugify(name)[:50].strip("-")
    details: list[Detail] = []
    if not 1 <= len(name) <= 100:
        details.append({"field": "name", "message": f"A name has 1 … 100 characters. Received: {len(name)}."})
    elif not slug or slug != slugify(slug) or len(slug) > 50:
        message = (
            "A short name has 1 … 50 lower-case letters (a–z), digits and hyphens, with no hyphen at either end. "
            f"Received: {slug[:60]!r}."
        )
        details.append({"field": "slug", "message": message})
    if details:
        raise Refused("invalid_dataset", " ".join(detail["message"] for detail in details), details=details)
    try:
        with transaction.atomic():
            dataset: Dataset = Dataset.across_tenants.create(
                project=access.project, name=name, slug=slug, created_by=access.user
            )
            audit.record(access, "dataset.created", dataset)
    except IntegrityError as error:
        message = (
            f"This project has a dataset with the short name {slug!r} already. Choose another, or add a version to it."
        )
        raise Refused("slug_taken", message, details=[{"field": "slug", "message": message}], status=409) from error
    return dataset


@transaction.atomic
def create_version(
    *,
    access: Access,
    dataset: Dataset,
    upload: Upload,
    seed: int = DEFAULT_SEED,
    validation: float = DEFAULT_VALIDATION,
    test: float = DEFAULT_TEST,
    data_spec: str = "",
    bad_values: str = "refuse",
) -> DatasetVersion:
    """Make the dataset's next version from a verified upload; an import job fills it.

    `validation` and `test` are shares of the examples, the rest is for training; `seed` decides which goes where.
    `data_spec` says as YAML what the file holds (see `ml.data.import_spec`), where that can't be recognised;
    `bad_values`, a key of BAD_VALUES, what happens to rows with numbers that are missing, NaN or infinite.
    Raises Refused: `invalid_version` (with the fields), `wrong_purpose`, and what `use_upload` raises.
    """
    details = [*_split_problems(seed, validation, test), *data_spec_problems(data_spec)]
    if bad_values not in BAD_VALUES:
        message = f"Rows with bad values are dealt with by {' or '.join(BAD_VALUES)}. Received: {bad_values[:60]!r}."
        details.append({"field": "bad_values", "message": message})
    if details:
        raise Refused("invalid_version", " ".join(detail["message"] for detail in details), details=details)
    if upload.purpose != Upload.Purpose.DATASET:
        message = f"A dataset version is made from an upload for a dataset. This one is for a {upload.purpose}."
        raise Refused("wrong_purpose", message, details=[{"field": "upload", "message": message}])
    dataset = access.query(Dataset).select_for_update().get(pk=dataset.pk)  # one at a time: numbers have no gaps
    number = dataset.last_number = dataset.last_number + 1
    dataset.save(update_fields=["last_number"])
    use_upload(upload)
    pk = uuid7()
    job = create_job(
        access=access,
        kind=Job.Kind.IMPORT,
        title=f"Import {upload.filename} into {dataset.name} v{number}",
        payload={"dataset_version": str(pk)},
    )
    version: DatasetVersion = DatasetVersion.across_tenants.create(
        id=pk,
        project=access.project,
        dataset=dataset,
        number=number,
        upload=upload,
        job=job,
        options={"seed": seed, "validation": validation, "test": test, "bad_values": bad_values},
        data_spec=data_spec,
        created_by=access.user,
    )
    audit.record(access, "dataset_version.created", version, upload=upload.filename, **_options(version))
    return version


@transaction.atomic
def delete_version(*, access: Access, version: DatasetVersion) -> None:
    """Delete a version that nothing was made of, with its files; what it took of the quota is free again.

    Raises Refused (409): `importing`, `in_use`.
    """
    rows = access.query(DatasetVersion).select_related("dataset", "job").select_for_update(of=("self",))
    version = rows.get(pk=version.pk)
    if version.state == DatasetVersion.State.IMPORTING and not version.job.is_over:
        raise Refused("importing", f"{version} is being imported. Cancel its job first.", status=409)
    audit.record(access, "dataset_version.deleted", version, bytes=version.bytes, sha256=version.sha256)
    try:
        version.delete()
    except ProtectedError as error:
        names = sorted({f"{row._meta.verbose_name} {row}" for row in error.protected_objects})
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise Refused(
            "in_use",
            f"{version} stays, because it is known what was learned from it: {', '.join(names[:3])}{more}.",
            status=409,
        ) from error
    quotas.release(access.organization, version.bytes)
    if prefix := version.storage_prefix:
        transaction.on_commit(lambda: storage().discard_tree(prefix), robust=True)


@transaction.atomic
def delete_dataset(*, access: Access, dataset: Dataset) -> None:
    """Delete a dataset that has no versions. Raises Refused("has_versions", 409)."""
    dataset = access.query(Dataset).select_for_update().get(pk=dataset.pk)
    if count := dataset.versions.count():
        versions = "1 version" if count == 1 else f"{count} versions"
        raise Refused("has_versions", f"{dataset} has {versions}. Delete each of them first.", status=409)
    audit.record(access, "dataset.deleted", dataset)
    dataset.delete()


def _options(version: DatasetVersion) -> dict[str, Any]:
    options: dict[str, Any] = version.options
    return options


def _split_problems(seed: int, validation: float, test: float) -> list[Detail]:
    found: list[Detail] = []
    if not 0 <= seed <= MAX_SEED:
        found.append({"field": "seed", "message": f"The seed is 0 … {MAX_SEED}. Received: {seed}."})
    for field, share in (("validation", validation), ("test", test)):
        if not 0.01 <= share <= 0.5:
            message = f"The share for {field} is 0.01 … 0.5 (1 % … 50 %). Received: {share:g}."
            found.append({"field": field, "message": message})
    if not found and validation + test > 0.8:
        taken = f"{validation:g} for validation and {test:g} for test"
        message = f"At least 0.2 (20 %) must remain for training. Received: {taken}."
        found.append({"field": "test", "message": message})
    return found
