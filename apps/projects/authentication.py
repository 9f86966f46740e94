"""Who sends a request: the holder of a server key (team API) or of a device key (device API)."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from apps.projects.models import ApiKey

# Knowing that a key was used this minute is enough; one write a request would not be.
LAST_USED_EVERY = timedelta(minutes=1)


def hash_secret(secret: str) -> str:
    """SHA-256, hexadecimal: a key has 256 random bits, so a slow or salted hash would protect nothing more."""
    return hashlib.sha256(secret.encode()).hexdigest()


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <key>` of one kind; anything else is left to the next authentication.

    401 invalid_key for a key that is unknown or revoked, 403 wrong_key_kind for a good one of the other kind.
    """

    kind: ApiKey.Kind

    def authenticate(self, request: Request) -> tuple[ApiKey, ApiKey] | None:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        key = self.keys().filter(secret_hash=hash_secret(secret.strip())).first()
        if key is None:
            raise AuthenticationFailed("This key is unknown or revoked.", code="invalid_key")
        if key.kind != self.kind:
            raise PermissionDenied(
                f"This needs a {self.kind.value} key; the one sent is a {key.kind} key.", code="wrong_key_kind"
            )
        now = timezone.now()
        # Asked here as well as in the database: an UPDATE that changes no row still takes SQLite's only write lock.
        if key.last_used_at is None or key.last_used_at < now - LAST_USED_EVERY:
            stale = Q(last_used_at=None) | Q(last_used_at__lt=now - LAST_USED_EVERY)
            ApiKey.across_tenants.filter(stale, pk=key.pk).update(last_used_at=now)
        return key, key

    def keys(self) -> Any:
        """The keys that may be used, with what a request needs of them in the same query."""
        return ApiKey.across_tenants.usable().select_related("project__organization")

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class ServerKeyAuthentication(KeyAuthentication):
    kind = ApiKey.Kind.SERVER


class DeviceKeyAuthentication(KeyAuthentication):
    kind = ApiKey.Kind.DEVICE
