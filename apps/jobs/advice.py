"""What a person can do about a job that ended badly, by the error's code."""

from __future__ import annotations

from apps.jobs.models import Job
from apps.jobs.restarting import can_be_resumed

OURS = (
    "Your input is not the cause. Start it again; if it fails again, send this job's id to whoever runs this platform."
)
ADVICE = {
    "crashed": OURS,
    "internal_error": OURS,
    "interrupted": OURS,
    "worker_lost": OURS,
    "attempts_exhausted": OURS,
    "cancelled": "Nothing was kept. Start it again when you like.",
    "sandbox_unavailable": "Whoever runs this platform has to do it. Nothing is wrong with your input.",
    "quota_exceeded": "Delete what you no longer need, or ask whoever runs this platform for more room.",
}


def advice_on(job: Job) -> str:
    """A sentence; empty where the error's own message says all there is to say."""
    if can_be_resumed(job):
        return "What it had done by then is saved: resume it, and it goes on from there."
    return ADVICE.get(job.error_code, "")
