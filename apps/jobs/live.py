"""What a page needs to show a job live: the context of `jobs/_live.html`, also for pages of other apps."""

from __future__ import annotations

from typing import Any

from apps.jobs.models import Job, JobEvent
from apps.projects.access import Access

LOG_LINES = 200


def live_context(access: Access, job: Job) -> dict[str, Any]:
    """`job`, `job_states`, `live_url` (its websocket), `log` (the newest log lines and state changes). One query.

    Read the job before calling this, and let the page's script ask for what comes after `job.last_sequence`.
    """
    told = (JobEvent.Kind.LOG, JobEvent.Kind.STATE)
    newest = (
        access.query(JobEvent).filter(job=job, kind__in=told, sequence__lte=job.last_sequence).order_by("-sequence")
    )
    return {
        "job": job,
        "job_states": Job.State.choices,
        "live_url": f"/ws/o/{access.organization.slug}/p/{access.project.slug}/jobs/{job.pk}/",
        "log": list(reversed(newest[:LOG_LINES])),
    }
