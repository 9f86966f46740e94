"""What operators change in the admin. Everybody whom it concerns finds it in the audit log of their organization."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from apps.accounts.models import Organization, User
from apps.projects.audit import record_for
from apps.projects.services.names import tidy_name

# Field of a person → what taking it away and giving it is called.
RIGHTS = {
    "is_active": ("user.deactivated", "user.activated"),
    "is_staff": ("user.operator_withdrawn", "user.operator_appointed"),
    "is_superuser": ("user.superuser_withdrawn", "user.superuser_appointed"),
}


@transaction.atomic
def change_organization(*, operator: User, organization: Organization, name: str, quota_bytes: int) -> Organization:
    """Give the organization another name or quota. What it stores is not touched: jobs may be counting it right now."""
    row = Organization.objects.select_for_update().get(pk=organization.pk)
    before = {"name": row.name, "quota_bytes": row.quota_bytes}
    row.name, row.quota_bytes = tidy_name(name), quota_bytes
    row.save(update_fields=["name", "quota_bytes"])
    for field, action in (("name", "organization.renamed"), ("quota_bytes", "organization.quota_changed")):
        after = getattr(row, field)
        if after != before[field]:
            record_for(row, action, row, user=operator, before=before[field], after=after)
    return row


@transaction.atomic
def save_person(*, operator: User, person: User) -> User:
    """Store `person`, new or with what the operator changed."""
    before = User.objects.select_for_update().filter(pk=person.pk).first()
    person.save()
    if before is None:
        _record(operator, person, "user.added")
        return person
    if before.email != person.email:
        _record(operator, person, "user.email_changed", before=before.email, after=person.email)
    for field, (taken, given) in RIGHTS.items():
        has = getattr(person, field)
        if getattr(before, field) != has:
            _record(operator, person, given if has else taken, before=not has, after=has)
    return person


def record_password_set(*, operator: User, person: User) -> None:
    """Called in the transaction in which the operator gave `person` another password, or none."""
    _record(operator, person, "user.password_set")


def _record(operator: User, person: User, action: str, **details: Any) -> None:
    """In the log of every organization the person is in. If that is none, the entry is the platform's own."""
    for organization in Organization.objects.of_user(person) or [None]:
        record_for(organization, action, person, user=operator, **details)
