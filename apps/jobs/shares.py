"""What operators change in an organization's share of the workers."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.models import Organization, User
from apps.jobs.models import Share
from apps.projects.audit import record_for


@transaction.atomic
def change_share(*, operator: User, organization: Organization, max_running: int | None) -> Share:
    """How many jobs of the organization may run at a time: None as JOB_MAX_RUNNING says, 0 any number.

    Running jobs go on; the organization finds the change in its audit log.
    """
    share, _ = Share.across_tenants.select_for_update().get_or_create(organization=organization)
    before, share.max_running = share.max_running, max_running
    if before != max_running:
        share.save(update_fields=["max_running"])
        record_for(organization, "organization.share_changed", share, user=operator, before=before, after=max_running)
    return share
