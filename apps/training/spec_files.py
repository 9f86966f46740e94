"""What changes the files that specs name: keeping an upload as one, and deleting it. And links to them."""

from __future__ import annotations

import re

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.datasets.models import Upload
from apps.datasets.uploads import ACCEPTED_SUFFIXES, drop_upload, use_upload
from apps.errors import Refused
from apps.jobs.models import Job
from apps.projects import audit
from apps.projects.access import Access
from apps.projects.storage import SignedRequest, storage
from apps.training.models import SpecFile, TrainingRun

SUFFIXES = ACCEPTED_SUFFIXES[Upload.Purpose.FILE]
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
RUNS_SHOWN = 3


def keep_file(*, access: Access, upload: Upload, name: str = "") -> SpecFile:
    """Make a verified upload a file that specs can name. `name` is made of the upload's own if left out.

    Raises Refused tied to the field: `wrong_purpose`, `invalid_name`, `name_taken` (409), and what `use_upload` raises.
    """
    if upload.purpose != Upload.Purpose.FILE:
        purpose = upload.get_purpose_display().lower()
        raise _refused("wrong_purpose", "upload", f"{upload.filename} was uploaded as a {purpose}, not as a file.")
    name = name.strip() or _name_of(upload.filename)
    if not NAME.fullmatch(name) or not name.endswith(SUFFIXES):
        message = (
            "A file's name has 1 … 100 letters (a–z, A–Z), digits, dots, hyphens and underscores, does not "
            f"start with a dot or hyphen, and ends in {' or '.join(SUFFIXES)}. Received: {name[:60]!r}."
        )
        raise _refused("invalid_name", "name", message)
    try:
        with transaction.atomic():
            use_upload(upload)
            file: SpecFile = SpecFile.across_tenants.create(
                project=access.project, name=name, upload=upload, created_by=access.user, api_key=access.api_key
            )
            audit.record(access, "file.kept", file, bytes=file.bytes, sha256=file.sha256)
    except IntegrityError:
        upload.refresh_from_db()
        message = f"This project has a file {name!r} already, and a file never changes. Choose another name."
        raise _refused("name_taken", "name", message, status=409) from None
    return file


@transaction.atomic
def delete_file(*, access: Access, file: SpecFile) -> None:
    """Delete a file; its share of the quota is free again. Raises Refused `in_use` (409) while a run needs it."""
    rows = access.query(SpecFile).select_related("upload").select_for_update(of=("self",))
    file = rows.get(pk=file.pk)
    open_states = [Job.State.QUEUED, Job.State.RUNNING]
    waiting = access.query(TrainingRun).filter(files__file=file, job__state__in=open_states)
    if runs := list(waiting.order_by("number").values_list("name", flat=True)[: RUNS_SHOWN + 1]):
        named = ", ".join(runs[:RUNS_SHOWN]) + (" and more" if len(runs) > RUNS_SHOWN else "")
        message = f"{file} stays while a run needs it: {named}. Cancel the run, or wait until it is over."
        raise Refused("in_use", message, status=409)
    audit.record(access, "file.deleted", file, bytes=file.bytes, sha256=file.sha256)
    upload = file.upload
    file.delete()
    drop_upload(upload)


def download_link(file: SpecFile) -> SignedRequest:
    """A signed, expiring link to the file."""
    link: SignedRequest = storage().signed_get(
        file.upload.storage_key,
        filename=file.name,
        content_type="application/json" if file.name.endswith(".json") else "application/octet-stream",
        expires_s=settings.DOWNLOAD_EXPIRES_S,
    )
    return link


def _name_of(filename: str) -> str:
    """A name for specs out of that of a file on somebody's disk: "My Model (2).KERAS" → "My-Model-2.keras"."""
    stem, dot, suffix = filename.rpartition(".")
    plain = re.sub(r"[^A-Za-z0-9_.]+", "-", stem).strip("-.")
    return f"{plain[:80] or 'file'}{dot}{suffix.lower()}"


def _refused(code: str, field: str, message: str, *, status: int = 400) -> Refused:
    return Refused(code, message, details=[{"field": field, "message": message}], status=status)
