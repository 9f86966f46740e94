"""What a Ray node does: one job, as a worker of the platform would. Imported by Ray, before Django is set up."""

from __future__ import annotations

import os
import signal


class NotGuarded(RuntimeError):  # noqa: N818  (reads as what is wrong)
    """The node belongs to a cluster that lets anybody in."""


def run_one(job_id: str) -> None:
    """Run the job whose turn it is among those for the cluster, mostly the one named.

    Lease, fencing, sandbox and results are those of any worker: the node has the platform's code, and its settings in
    the environment. Nothing but the id comes over Ray.
    """
    if os.environ.get("RAY_AUTH_MODE") != "token":
        raise NotGuarded("This node was started without RAY_AUTH_MODE=token: anybody could run anything in it.")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django
    from django.apps import apps

    if not apps.ready:
        django.setup()
    from django.db import connections

    from apps.jobs import places
    from apps.jobs.database import renew_connection
    from apps.jobs.models import Job
    from apps.jobs.worker import run_job

    # Ray interrupts a task that is cancelled. A worker that is told to end by SIGTERM hands its job back first.
    signal.signal(signal.SIGINT, lambda number, frame: os.kill(os.getpid(), signal.SIGTERM))
    renew_connection()
    try:
        with places.at(Job.Place.RAY):
            run_job(job_id)
    finally:
        connections.close_all()
