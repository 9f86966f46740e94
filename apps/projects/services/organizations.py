from __future__ import annotations

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.accounts.models import Organization, Role, User
from apps.projects.access import Access
from apps.projects.audit import record, record_for
from apps.projects.services.names import choose_slug, slug_taken, tidy_name


def create_organization(*, user: User, name: str, slug: str = "") -> Organization:
    """A new tenant whose owner is `user`, with the default quota. Without `slug` one is made of the name.

    Raises Refused("slug_taken").
    """
    slug = choose_slug(Organization.objects.all(), name, slug, fallback="organization")
    try:
        with transaction.atomic():
            organization = Organization.objects.create(
                name=tidy_name(name), slug=slug, quota_bytes=settings.DEFAULT_QUOTA_BYTES
            )
            organization.memberships.create(user=user, role=Role.OWNER)
            record_for(organization, "organization.created", organization, user=user, slug=slug)
    except IntegrityError:  # somebody took the same slug in between
        raise slug_taken(slug) from None
    return organization


@transaction.atomic
def rename_organization(*, access: Access, name: str) -> Organization:
    """Change what people read; the slug stays, so that no address breaks."""
    organization = Organization.objects.select_for_update().get(pk=access.organization.pk)
    before, organization.name = organization.name, tidy_name(name)
    if organization.name != before:
        organization.save(update_fields=["name"])
        record(access, "organization.renamed", organization, before=before, after=organization.name)
    return organization
