"""Uploads: ask (quota is reserved), send the bytes to a signed URL, say done (size and hash are verified), use once."""

from __future__ import annotations

import re
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from uuid_utils.compat import uuid7

from apps.datasets.models import Upload, UploadQuerySet
from apps.errors import Detail, Refused
from apps.projects import audit, quotas
from apps.projects.access import Access
from apps.projects.storage import SignedRequest, storage

# A transfer that began in time may end after its link has expired; what it left is cleared this much later.
SWEEP_AFTER = timedelta(hours=1)
SWEEP_AT_MOST = 500

# They say what is in the file: an archive, a table, or records. What becomes a model is checked by apps.models.
ACCEPTED_SUFFIXES = {
    Upload.Purpose.DATASET: (".zip", ".csv", ".jsonl", ".tfrecord"),
    Upload.Purpose.FILE: (".zip", ".keras", ".h5", ".json"),
}


@transaction.atomic
def ask_for_upload(
    *, access: Access, purpose: Upload.Purpose, filename: str, size: int, sha256: str | None = None
) -> tuple[Upload, SignedRequest]:
    """Reserve `size` bytes of the quota and say where to send them.

    `sha256`, hexadecimal, makes completing check it. Raises Refused: `invalid_upload` (with the fields),
    `quota_exceeded` (413); nothing is kept then.
    """
    _refuse_if(_problems(purpose, filename, size, sha256 or ""))
    if size > (limit := max_upload_bytes()):
        # Before the quota: the database can't compare with a number of more than 63 bits.
        message = f"An upload has at most {quotas.in_words(limit)}. Received: {quotas.in_words(size)}."
        _refuse_if([{"field": "size", "message": message}])
    quotas.reserve(access.organization, size)
    pk = uuid7()
    upload: Upload = Upload.across_tenants.create(
        id=pk,
        project=access.project,
        purpose=purpose,
        filename=filename,
        size=size,
        reserved_bytes=size,
        sha256=(sha256 or "").lower(),
        storage_key=f"projects/{access.project.pk}/uploads/{pk}",
        created_by=access.user,
        expires_at=timezone.now() + timedelta(seconds=settings.UPLOAD_EXPIRES_S),
    )
    audit.record(access, "upload.requested", upload, bytes=size, purpose=str(purpose))
    return upload, storage().signed_put(upload.storage_key, size=size, expires_s=settings.UPLOAD_EXPIRES_S)


def awaits_bytes(storage_key: str) -> bool:
    """Whether an upload waits for what a signed PUT brings to `storage_key`. One query, by a unique index."""
    rows = Upload.across_tenants.filter(storage_key=storage_key, state=Upload.State.WAITING)
    return bool(rows.exists())


def max_upload_bytes() -> int:
    """What one upload may have at most: by the settings, and by what the storage takes in one request."""
    most: int = settings.MAX_UPLOAD_BYTES
    limit: int | None = storage().max_put_bytes
    return most if limit is None else min(limit, most)


def _refuse_if(details: list[Detail]) -> None:
    if details:
        raise Refused("invalid_upload", " ".join(detail["message"] for detail in details), details=details)


def _problems(purpose: Upload.Purpose, filename: str, size: int, sha256: str) -> list[Detail]:
    found: list[Detail] = []
    if not 1 <= len(filename) <= 255 or re.search(r"[/\\\x00-\x1f\x7f]", filename) or filename in {".", ".."}:
        message = (
            f"A file name has 1 … 255 characters and no slashes or control characters. Received: {filename[:60]!r}."
        )
        found.append({"field": "filename", "message": message})
    elif not filename.lower().endswith(suffixes := ACCEPTED_SUFFIXES.get(purpose, ("",))):
        accepted = f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"
        message = f"The name of a {purpose.label.lower()} ends in {accepted}. Received: {filename[:60]!r}."
        found.append({"field": "filename", "message": message})
    if size < 1:
        found.append(
            {"field": "size", "message": f"The file is empty: an upload has at least 1 byte. Received: {size}."}
        )
    if sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        message = f"A SHA-256 has 64 hexadecimal digits. Received: {sha256[:70]!r}."
        found.append({"field": "sha256", "message": message})
    return found


def complete_upload(*, access: Access, upload: Upload) -> Upload:
    """Verify that what was announced has arrived. Doing it again changes nothing.

    Reads the whole file, so it must not run inside a transaction. Raises Refused: `upload_incomplete` (409: send the
    rest and try again), `upload_expired`, and `size_mismatch` or `hash_mismatch`, after which the bytes are gone and
    the quota is free again.
    """
    if upload.state in {Upload.State.VERIFIED, Upload.State.USED}:
        return upload
    if upload.state != Upload.State.WAITING or upload.expires_at <= timezone.now():
        raise _not_open(upload)
    received, is_whole = storage().arrived(upload.storage_key)
    if not is_whole:
        raise Refused(
            "upload_incomplete",
            f"{received} of the {upload.size} bytes announced have arrived. Send the rest to the upload's URL, then "
            "complete it again.",
            status=409,
        )
    if received != upload.size:
        drop_upload(upload, Upload.State.REFUSED)
        raise Refused(
            "size_mismatch",
            f"{upload.size} bytes were announced; {received} arrived. They were deleted: ask for a new upload.",
        )
    sha256 = storage().digest(upload.storage_key)
    if upload.sha256 and sha256 != upload.sha256:
        drop_upload(upload, Upload.State.REFUSED)
        raise Refused(
            "hash_mismatch",
            f"The SHA-256 of what arrived is {sha256}; {upload.sha256} was announced. The file was damaged on its way, "
            "or it is another one. It was deleted: ask for a new upload and send it again.",
        )
    with transaction.atomic():
        waiting = access.query(Upload).filter(pk=upload.pk, state=Upload.State.WAITING)
        if waiting.update(state=Upload.State.VERIFIED, sha256=sha256):
            audit.record(access, "upload.completed", upload, sha256=sha256)
    upload.refresh_from_db()
    return upload if upload.state != Upload.State.WAITING else complete_upload(access=access, upload=upload)


@transaction.atomic
def give_up_upload(*, access: Access, upload: Upload) -> None:
    """Let go of an upload that is not wanted any more. Raises Refused("upload_used") when something was made of it."""
    upload = access.query(Upload).select_for_update().get(pk=upload.pk)
    if upload.state == Upload.State.USED:
        raise _not_open(upload)
    if upload.state in {Upload.State.WAITING, Upload.State.VERIFIED}:
        drop_upload(upload, Upload.State.EXPIRED)
        audit.record(access, "upload.given_up", upload)


def use_upload(upload: Upload) -> Upload:
    """Take a verified upload for good, inside the caller's transaction. Its bytes and its share of the quota go along.

    Whoever took it calls `drop_upload` when the bytes are not needed any more. Raises Refused: `upload_not_verified`,
    `upload_used`, `upload_expired`.
    """
    rows = Upload.across_tenants.filter(pk=upload.pk, state=Upload.State.VERIFIED)
    if not rows.update(state=Upload.State.USED):
        upload.refresh_from_db()
        raise _not_open(upload)
    upload.state = Upload.State.USED
    return upload


def _not_open(upload: Upload) -> Refused:
    if upload.state == Upload.State.USED:
        return Refused("upload_used", "This upload has been used already. Upload the file again.", status=409)
    if upload.state == Upload.State.REFUSED:
        return Refused("upload_refused", "What arrived was not what was announced. Ask for a new upload.", status=409)
    if upload.state == Upload.State.WAITING and upload.expires_at > timezone.now():
        return Refused("upload_not_verified", "This upload is not complete. Send its bytes, then say so.", status=409)
    return Refused("upload_expired", "This upload has expired. Ask for a new one.", status=409)


def hand_over_upload(upload: Upload) -> None:
    """Delete a used upload's bytes on commit and leave its share of the quota to the copy that was made of them.

    Belongs into the transaction that notes the copy.
    """
    Upload.across_tenants.filter(pk=upload.pk).update(reserved_bytes=0)
    upload.reserved_bytes = 0
    transaction.on_commit(lambda: storage().discard(upload.storage_key), robust=True)


@transaction.atomic
def drop_upload(upload: Upload, state: Upload.State | None = None) -> None:
    """Give the upload's share of the quota back, and delete its bytes on commit. May be repeated."""
    row = Upload.across_tenants.select_for_update().select_related("project__organization").get(pk=upload.pk)
    if row.reserved_bytes:
        quotas.release(row.project.organization, row.reserved_bytes)
    row.reserved_bytes = 0
    row.state = state or row.state
    row.save(update_fields=["reserved_bytes", "state"])
    upload.reserved_bytes, upload.state = row.reserved_bytes, row.state
    transaction.on_commit(lambda: storage().discard(row.storage_key), robust=True)


def expired_uploads() -> UploadQuerySet:
    """Those of which `sweep_uploads` will clear what they hold, if anything."""
    return Upload.across_tenants.sweepable(timezone.now() - SWEEP_AFTER)


def sweep_uploads() -> int:
    """Clear what expired uploads hold: quota and bytes. Returns how many were swept. Housekeeping calls it."""
    swept = 0
    # One short transaction a row, so that nobody who uploads meanwhile waits for the store to delete; at most
    # SWEEP_AT_MOST of them a time, so that the other chores get their turn. The next call takes up the rest.
    for upload in expired_uploads()[:SWEEP_AT_MOST].iterator():
        with transaction.atomic():
            row = Upload.across_tenants.select_for_update().get(pk=upload.pk)
            if row.state in {Upload.State.WAITING, Upload.State.VERIFIED}:
                drop_upload(row, Upload.State.EXPIRED)
            elif row.reserved_bytes == 0:
                drop_upload(row)  # a link that was still valid may have brought bytes after the row had let go of them
            else:
                continue
            Upload.across_tenants.filter(pk=row.pk).update(swept_at=timezone.now())
        swept += 1
    return swept
