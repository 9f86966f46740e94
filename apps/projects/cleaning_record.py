"""What is known of clean-ups afterwards: one row, which every slice of one adds to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import F
from django.utils import timezone

from apps.projects.cleaning import Account
from apps.projects.models import CleanUp

LONGEST_ERROR = 2000


def last() -> CleanUp | None:
    """The last clean-up; None: there was none yet."""
    return CleanUp.objects.exclude(started_at=None).first()


def lock() -> None:
    """Let nobody else have this lock before the caller's transaction ends."""
    CleanUp.objects.get_or_create(pk=1)
    CleanUp.objects.select_for_update().get(pk=1)


def begin() -> datetime:
    """Note that a clean-up begins. One that runs meanwhile counts for the sums alone from now on.

    Returns its `started_at`, by which it is known.
    """
    now = timezone.now()
    fresh = {"started_at": now, "files": 0, "bytes": 0, "expired": 0, "foreign": 0, "errors": 0, "error": ""}
    CleanUp.objects.update_or_create(pk=1, defaults=fresh)
    return now


def note(started_at: datetime, account: Account, *, goes_on: bool = False) -> None:
    """Add what one clean-up, or a slice of it, did. It has come to its end unless it `goes_on`."""
    sums = {
        "total_files": F("total_files") + account.files,
        "total_bytes": F("total_bytes") + account.bytes,
        "total_errors": F("total_errors") + len(account.errors),
    }
    CleanUp.objects.update(**sums)
    own: dict[str, Any] = {
        "files": F("files") + account.files,
        "bytes": F("bytes") + account.bytes,
        "expired": F("expired") + sum(account.cleared.values()),
        "foreign": F("foreign") + account.foreign,
        "errors": F("errors") + len(account.errors),
        "position": account.position,
    }
    if account.errors:
        own["error"] = account.errors[-1][:LONGEST_ERROR]
    if not goes_on:
        own["finished_at"] = timezone.now()
    CleanUp.objects.filter(started_at=started_at).update(**own)


def note_failure(started_at: datetime, error: Exception) -> None:
    """A clean-up broke off, by something that is no fault of the storage. The next goes on where it was."""
    row = last()
    failed = Account(position=row.position if row else "")
    failed.note_error("It broke off", error)
    note(started_at, failed)
