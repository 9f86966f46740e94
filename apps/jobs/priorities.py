"""Which of an organization's jobs come sooner. It never puts one ahead of another organization's."""

from __future__ import annotations

from django.db import transaction

from apps.errors import Refused
from apps.jobs.models import Job
from apps.projects import audit
from apps.projects.access import Access

LOWEST, HIGHEST = -100, 100
# What people choose from; programs may say any number.
NAMED = {-10: "Later", 0: "Normal", 10: "Sooner"}


@transaction.atomic
def change_priority(*, access: Access, job: Job, priority: int) -> Job:
    """Let a waiting job come sooner (higher) or later. Raises Refused("job_not_waiting") or Refused("invalid")."""
    if not LOWEST <= priority <= HIGHEST:
        raise Refused("invalid", f"A priority is a number from {LOWEST} to {HIGHEST}. Received: {priority}.")
    found: Job = access.query(Job).locked().get(pk=job.pk)
    if found.state != Job.State.QUEUED:
        state = found.get_state_display().lower()
        raise Refused("job_not_waiting", f"Only a waiting job has a place in the line. Received: {state}.", status=409)
    if found.priority != priority:
        audit.record(access, "job.priority_changed", found, before=found.priority, after=priority)
        found.priority = priority
        found.save(update_fields=["priority"])
    return found
