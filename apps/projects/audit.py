"""Writing the audit log: called inside the transaction of the change it records."""

from __future__ import annotations

from typing import Any

from django.db import models

from apps.accounts.models import Organization, User
from apps.projects.access import Access
from apps.projects.models import AuditEntry, Project


def record(access: Access, action: str, target: models.Model, **details: Any) -> AuditEntry:
    """Record that `access`'s actor did `action` ("noun.verb") to `target`. `details` must be JSON, without secrets."""
    return record_for(
        access.organization,
        action,
        target,
        project=access.project_or_none,
        user=access.user,
        api_key_id=access.api_key.pk if access.api_key else None,
        **details,
    )


def record_for(
    organization: Organization | None,
    action: str,
    target: models.Model,
    *,
    project: Project | None = None,
    user: User | None = None,
    api_key_id: Any = None,
    **details: Any,
) -> AuditEntry:
    """The same where no access was granted yet, such as the making of an organization. Without `user` and key, the
    platform itself did it. Without `organization` it concerns no tenant, and operators alone see it.
    """
    return AuditEntry.across_tenants.create(
        organization=organization,
        project=project,
        user=user,
        api_key_id=api_key_id,
        action=action,
        target=str(target)[:200],
        target_id=str(target.pk),
        details=details,
    )
