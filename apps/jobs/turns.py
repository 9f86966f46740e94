"""Whose turn it is. Workers are shared out between organizations; within one, its own priorities and order count.

The organization with the fewest running jobs is next; among equals the one whose last turn is longest ago (round
robin), so a hundred jobs of one tenant don't keep another's single one waiting. One at its limit is passed over.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db.models import Count, Min

from apps.jobs import places
from apps.jobs.models import Job, Share

NEVER = datetime.min.replace(tzinfo=UTC)
ORGANIZATION = "project__organization"


def next_job(now: datetime) -> Job | None:
    """The job to take now, its row and its organization's share locked; None where nothing may begin.

    Only inside a transaction, which has to end with the job taken or ended.
    """
    for organization in _order(now):
        share = Share.across_tenants.select_for_update().get(organization=organization)
        job: Job | None = _line(organization, now).locked().first()
        # Counted under the lock: whoever else takes a job of this organization waits for it.
        if job is None or (share.limit is not None and _running(organization) >= share.limit):
            continue
        share.last_taken_at = now
        share.save(update_fields=["last_taken_at"])
        return job
    return None


def has_next(now: datetime) -> bool:
    """Whether any job may begin now. Locks nothing."""
    return bool(_order(now))


def waits_for_room(job: Job, now: datetime) -> Job | None:
    """The job of the same organization that may begin because `job` has ended: None where no limit held it back."""
    organization = job.project.organization_id
    share = Share.across_tenants.filter(organization=organization).first()
    if share is None or share.limit is None or _running(organization) >= share.limit:
        return None
    waiting: Job | None = _line(organization, now).first()
    return waiting


def _order(now: datetime) -> list[Any]:
    """The organizations with a job that may begin, the next one first."""
    ready = Job.across_tenants.ready(now).filter(runs_on=places.here()).order_by()
    waiting: dict[Any, datetime] = dict(ready.values_list(ORGANIZATION).annotate(since=Min("ready_at")))
    if not waiting:
        return []
    running: dict[Any, int] = dict(
        Job.across_tenants.filter(state=Job.State.RUNNING, project__organization__in=waiting)
        .order_by()
        .values_list(ORGANIZATION)
        .annotate(count=Count("pk"))
    )
    shares = {share.organization_id: share for share in Share.across_tenants.filter(organization__in=waiting)}
    if missing := waiting.keys() - shares.keys():
        made = [Share(organization_id=organization) for organization in missing]
        Share.across_tenants.bulk_create(made, ignore_conflicts=True)
        shares |= {share.organization_id: share for share in made}
    turn = {
        pk: (running.get(pk, 0), share.last_taken_at or NEVER, waiting[pk])
        for pk, share in shares.items()
        if share.limit is None or running.get(pk, 0) < share.limit
    }
    return sorted(turn, key=turn.__getitem__)


def _line(organization: Any, now: datetime) -> Any:
    line = Job.across_tenants.ready(now).filter(runs_on=places.here(), project__organization=organization)
    return line.order_by("-priority", "id")  # the oldest first: one that is tried again has its old place


def _running(organization: Any) -> int:
    running = Job.across_tenants.filter(state=Job.State.RUNNING, project__organization=organization)
    return int(running.count())
