"""Invitations by email: the link carries a random token, the table only its hash."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models.functions import Lower
from django.http import Http404
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Invitation, Membership, Organization, Role, User
from apps.errors import Refused
from apps.projects.access import Access
from apps.projects.audit import record, record_for
from apps.projects.authentication import hash_secret
from apps.projects.services.members import require_may_touch

logger = logging.getLogger(__name__)

VALID_FOR = timedelta(days=7)


@dataclass(frozen=True)
class NewInvitation:
    """An invitation just made, with the link that is in the email and nowhere else."""

    invitation: Invitation
    url: str


@transaction.atomic
def invite(*, access: Access, email: str, role: Role) -> NewInvitation:
    """Offer `email` a membership and send the link. An open invitation to the same address is replaced.

    Raises Refused("owners_only" | "already_member").
    """
    email = email.strip().lower()
    require_may_touch(access, role)
    organization = Organization.objects.select_for_update().get(pk=access.organization.pk)
    if organization.memberships.filter(user__email__iexact=email).exists():
        message = f"{email} is a member of {organization} already."
        raise Refused("already_member", message, details=[{"field": "email", "message": message}], status=409)
    now = timezone.now()
    unanswered = organization.invitations.filter(email__iexact=email, accepted_at=None, revoked_at=None)
    replaced = unanswered.update(revoked_at=now)
    token = secrets.token_urlsafe(32)
    invitation = organization.invitations.create(
        email=email,
        role=role,
        token_hash=hash_secret(token),
        invited_by=access.user,
        expires_at=now + VALID_FOR,
    )
    record(access, "member.invited", invitation, role=role.value, replaced=bool(replaced))
    url = settings.BASE_URL + reverse("invitation", args=[token])
    transaction.on_commit(partial(_send, invitation, url))
    return NewInvitation(invitation, url)


@transaction.atomic
def revoke_invitation(*, access: Access, invitation: Invitation) -> Invitation:
    """The link stops working. Raises Refused("invitation_accepted") once there is a member to remove instead."""
    invitation = (
        access.organization.invitations.select_for_update(of=("self",))
        .select_related("organization")
        .get(pk=invitation.pk)
    )
    if invitation.accepted_at:
        raise Refused("invitation_accepted", f"{invitation.email} has accepted. Remove the member instead.", status=409)
    if not invitation.revoked_at:
        invitation.revoked_at = timezone.now()
        invitation.save(update_fields=["revoked_at"])
        record(access, "member.invitation_revoked", invitation)
    return invitation


def find_invitation(token: str) -> Invitation:
    """The open invitation of a link. Raises Http404, or Refused saying why the link doesn't work any more."""
    invitation = (
        Invitation.across_tenants.select_related("organization", "invited_by")
        .filter(token_hash=hash_secret(token))
        .first()
    )
    if invitation is None:
        raise Http404("No such invitation.")
    require_open(invitation)
    return invitation


def require_open(invitation: Invitation) -> None:
    """Raise Refused("invitation_accepted" | "invitation_revoked" | "invitation_expired") unless it can be accepted."""
    ask = f"Ask {invitation.invited_by or 'a member of the organization'} for a new one."
    if invitation.accepted_at:
        raise Refused("invitation_accepted", "This invitation has been accepted already. Sign in to go on.", status=410)
    if invitation.revoked_at:
        raise Refused(
            "invitation_revoked", f"This invitation was withdrawn or replaced by a newer one. {ask}", status=410
        )
    if invitation.expires_at <= timezone.now():
        raise Refused(
            "invitation_expired", f"This invitation expired on {invitation.expires_at:%-d %B %Y}. {ask}", status=410
        )


@transaction.atomic
def accept_invitation(*, user: User, invitation: Invitation) -> Membership:
    """Make `user` a member. Somebody who is one already keeps their role.

    Raises Refused("other_address") if the invitation went to an address that isn't `user`'s, and as `require_open`.
    """
    invitation = (
        invitation.organization.invitations.select_for_update(of=("self",))
        .select_related("organization", "invited_by")
        .get(pk=invitation.pk)
    )
    require_open(invitation)
    if not has_address(user, invitation.email):
        raise Refused(
            "other_address",
            f"This invitation is for {invitation.email}, and you are signed in as {user.email}. "
            f"Sign out and sign in (or sign up) as {invitation.email}, or ask for an invitation to {user.email}.",
            status=403,
        )
    invitation.accepted_at = timezone.now()
    invitation.save(update_fields=["accepted_at"])
    member, joined = invitation.organization.memberships.get_or_create(user=user, defaults={"role": invitation.role})
    if joined:
        record_for(
            invitation.organization, "member.joined", user, user=user, role=member.role, invited=invitation.email
        )
    return member


def has_address(user: User, email: str) -> bool:
    """Whether `email` is what `user` signs in with, or a verified address of theirs."""
    email = email.lower()
    return (
        user.email.lower() == email
        or EmailAddress.objects.alias(address=Lower("email")).filter(user=user, verified=True, address=email).exists()
    )


def _send(invitation: Invitation, url: str) -> None:
    """Mail the link. A mail server that fails is logged: the inviter sees the link too, and can hand it over."""
    context = {"invitation": invitation, "url": url, "days": VALID_FOR.days}
    subject = render_to_string("projects/email/invitation_subject.txt", context).strip()
    try:
        send_mail(subject, render_to_string("projects/email/invitation_message.txt", context), None, [invitation.email])
    except OSError:  # smtplib's errors are OSErrors
        logger.exception("The invitation %s to %s could not be mailed.", invitation.pk, invitation.email)
