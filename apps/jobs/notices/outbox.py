"""The first step of telling: one row, in the transaction that ends the job. It asks nobody and sends nothing."""

from __future__ import annotations

from apps.jobs.models import Job
from apps.jobs.notices.models import Notice

MOST_DETAILS = 20


def note_end(job: Job) -> None:
    """Note that `job` has just ended. A job whose payload says `silent` sends no mails: what it is part of tells."""
    error = None
    if job.error_code:
        details = job.error_details[:MOST_DETAILS]
        error = {"code": job.error_code, "message": job.error_message, "details": details}
    about = {
        "state": job.state,
        "error": error,
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
    }
    is_mailed = not job.payload.get("silent", False)
    Notice.across_tenants.create(project=job.project, job=job, about=about, is_mailed=is_mailed)
