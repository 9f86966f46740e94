from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from apps.errors import Refused
from apps.projects.access import Access
from apps.projects.audit import record
from apps.projects.authentication import hash_secret
from apps.projects.models import ApiKey, Scope
from apps.projects.services.names import tidy_name

SECRET_PREFIX = {ApiKey.Kind.SERVER: "sk_", ApiKey.Kind.DEVICE: "dk_"}
SHOWN_CHARACTERS = 11


@dataclass(frozen=True)
class NewKey:
    """A key just made, with the secret that nobody will ever see again."""

    key: ApiKey
    secret: str


@transaction.atomic
def create_key(*, access: Access, name: str, kind: ApiKey.Kind, scopes: Sequence[str] = ()) -> NewKey:
    """A new credential of the project. A server key needs at least one scope; a device key has none.

    Raises Refused("scopes_missing" | "scopes_unknown" | "scopes_not_for_device_keys").
    """
    accepted = ", ".join(Scope.values)
    if unknown := [scope for scope in scopes if scope not in Scope.values]:
        raise _refused_scopes("scopes_unknown", f"Unknown: {', '.join(unknown)}. Accepted: {accepted}.")
    if kind == ApiKey.Kind.SERVER and not scopes:
        raise _refused_scopes(
            "scopes_missing", f"A server key without a scope can do nothing. Choose one or more of: {accepted}."
        )
    if kind == ApiKey.Kind.DEVICE and scopes:
        raise _refused_scopes(
            "scopes_not_for_device_keys",
            f"A device key reaches the device API only and has no scopes. Received: {', '.join(scopes)}.",
        )
    secret = SECRET_PREFIX[kind] + secrets.token_urlsafe(32)
    key = ApiKey.across_tenants.create(
        project=access.project,
        name=tidy_name(name),
        kind=kind,
        prefix=secret[:SHOWN_CHARACTERS],
        secret_hash=hash_secret(secret),
        scopes=[scope for scope in Scope.values if scope in scopes],
        created_by=access.user,
    )
    record(access, "key.created", key, kind=kind.value, scopes=key.scopes)
    return NewKey(key, secret)


@transaction.atomic
def revoke_key(*, access: Access, key: ApiKey) -> ApiKey:
    """From now on the key opens nothing. Revoking twice changes nothing."""
    changed = ApiKey.objects.for_project(access.project).usable().filter(pk=key.pk).update(revoked_at=timezone.now())
    if changed:
        record(access, "key.revoked", key)
    key.refresh_from_db()
    return key


def _refused_scopes(code: str, message: str) -> Refused:
    return Refused(code, message, details=[{"field": "scopes", "message": message}])
