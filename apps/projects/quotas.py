"""What an organization may store. Bytes are reserved before they arrive, so a quota is never overrun."""

from __future__ import annotations

import logging

from django.db.models import F

from apps.accounts.models import Organization
from apps.errors import Refused

log = logging.getLogger(__name__)

ADVICE = "Delete what is no longer needed, or ask the operator of this platform for a larger quota."


def reserve(organization: Organization, size: int) -> None:
    """Add `size` bytes to what `organization` uses, in one statement, or change nothing.

    Raises Refused("quota_exceeded", status 413) when fewer than `size` bytes of the quota are free.
    """
    if size < 0:
        raise ValueError(f"A reservation is 0 bytes or more. Received: {size}.")
    rows = Organization.objects.filter(pk=organization.pk, used_bytes__lte=F("quota_bytes") - size)
    if not rows.update(used_bytes=F("used_bytes") + size):
        organization.refresh_from_db(fields=["quota_bytes", "used_bytes"])
        free = max(0, organization.quota_bytes - organization.used_bytes)
        words = in_words if in_words(size) != in_words(free) else exactly  # rounded, they would contradict each other
        raise Refused(
            "quota_exceeded",
            f"This needs {words(size)}; {words(free)} of the {words(organization.quota_bytes)} quota are free. "
            f"{ADVICE}",
            status=413,
        )
    organization.refresh_from_db(fields=["used_bytes"])


def release(organization: Organization, size: int) -> None:
    """Give back `size` bytes that were reserved."""
    if size < 0:
        raise ValueError(f"A release is 0 bytes or more. Received: {size}.")
    rows = Organization.objects.filter(pk=organization.pk)
    if not rows.filter(used_bytes__gte=size).update(used_bytes=F("used_bytes") - size):
        # More is given back than was reserved: a mistake of ours. The count must not stop whoever cleans up.
        log.error("Organization %s: releasing %d bytes that were never reserved", organization.pk, size)
        rows.update(used_bytes=0)
    organization.refresh_from_db(fields=["used_bytes"])


def exactly(size: int) -> str:
    return f"{size:,} B"


def in_words(size: int) -> str:
    """Bytes as quota messages say them, in steps of 1,024: 10737418240 → "10.0 GB"."""
    if size < 1024:
        return f"{size} B"
    value = float(size)
    for unit in ("KB", "MB", "GB", "TB"):
        value /= 1024
        if value < 1000 or unit == "TB":
            break
    return f"{value:.1f} {unit}"
