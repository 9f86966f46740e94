"""Roles and leaving. There is always an owner, and only owners touch owners."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.models import Membership, Organization, Role
from apps.errors import Detail, Refused
from apps.projects.access import Access
from apps.projects.audit import record


@transaction.atomic
def change_role(*, access: Access, member: Membership, role: Role) -> Membership:
    """Give `member` another role. Raises Refused("owners_only" | "last_owner")."""
    _lock_members(access)
    member.refresh_from_db()
    before = Role(member.role)
    if before == role:
        return member
    require_may_touch(access, before, role)
    if before == Role.OWNER:
        _require_another_owner(member, "be given another role")
    member.role = role
    member.save(update_fields=["role"])
    record(access, "member.role_changed", member.user, before=before.value, after=role.value)
    return member


@transaction.atomic
def remove_member(*, access: Access, member: Membership) -> None:
    """Take `member` out of the organization; what they made stays. Raises Refused("owners_only" | "last_owner")."""
    _lock_members(access)
    member.refresh_from_db()
    if member.user_id == getattr(access.user, "pk", None):
        _leave(access, member)
        return
    require_may_touch(access, Role(member.role))
    if member.role == Role.OWNER:
        _require_another_owner(member, "be removed")
    user, role = member.user, member.role
    member.delete()
    record(access, "member.removed", user, role=role)


@transaction.atomic
def leave_organization(*, access: Access) -> None:
    """End the actor's own membership. Raises Refused("last_owner")."""
    _lock_members(access)
    _leave(access, access.organization.memberships.get(user=access.user))


def require_may_touch(access: Access, *roles: Role) -> None:
    """Raise Refused("owners_only") unless the actor may give or take each of `roles`."""
    if Role.OWNER in roles and access.role != Role.OWNER:
        rule = "Only an owner can make, change or remove an owner."
        yours = access.role.label.lower() if access.role else "none"
        details: list[Detail] = [{"field": "role", "message": rule}]
        raise Refused("owners_only", f"{rule} Your role is {yours}.", details=details, status=403)


def _leave(access: Access, member: Membership) -> None:
    if member.role == Role.OWNER:
        _require_another_owner(member, "leave")
    user, role = member.user, member.role
    member.delete()
    record(access, "member.left", user, role=role)


def _lock_members(access: Access) -> None:
    """Two owners who leave at the same moment take turns, so that the second one sees that it is the last."""
    Organization.objects.select_for_update().get(pk=access.organization.pk)


def _require_another_owner(member: Membership, what: str) -> None:
    others = member.organization.memberships.filter(role=Role.OWNER).exclude(pk=member.pk)
    if not others.exists():
        raise Refused(
            "last_owner",
            f"{member.user} is the only owner of {member.organization} and can't {what}. "
            "Make somebody else an owner first.",
            status=409,
        )
