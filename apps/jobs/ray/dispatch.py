"""Sending jobs to a Ray cluster: for each that waits for it one task, which takes the job whose turn it is."""

from __future__ import annotations

import logging
import os
import time
from typing import Any

from django.conf import settings
from django.utils import timezone

from apps.jobs import places, turns
from apps.jobs.database import renew_connection
from apps.jobs.models import Job
from apps.jobs.ray.task import run_one
from apps.jobs.supervise import GRACE_S

logger = logging.getLogger(__name__)

INSTALL = ".venv/bin/uv pip install --require-hashes -r requirements/ray.txt"
AT_ONCE = 100  # tasks that are sent or run
PAUSE_S = 10.0  # after a task that failed: the next would most likely fail as well


class NoCluster(RuntimeError):  # noqa: N818
    """The cluster can't be used; the message says why and what to do."""


class Dispatcher:
    """A driver of the cluster at RAY_ADDRESS. Raises NoCluster where there is none, or it refuses the token."""

    def __init__(self) -> None:
        self._ray = _joined()
        self._task = self._ray.remote(num_cpus=settings.RAY_CPUS_PER_JOB, max_retries=0)(run_one)
        self._sent: dict[Any, str] = {}
        self._not_before = 0.0

    def turn(self) -> None:
        """Hear of tasks that have ended, and send one for each job that waits and has none yet."""
        renew_connection()
        self._hear()
        if time.monotonic() < self._not_before or len(self._sent) >= AT_ONCE:
            return
        with places.at(Job.Place.RAY):
            if not turns.has_next(timezone.now()):
                return
        sent = set(self._sent.values())
        ready = Job.across_tenants.ready(timezone.now()).filter(runs_on=Job.Place.RAY).order_by("-priority", "id")
        for job_id in ready.values_list("pk", flat=True)[:AT_ONCE]:
            if str(job_id) not in sent and len(self._sent) < AT_ONCE:
                self._sent[self._task.remote(str(job_id))] = str(job_id)

    def leave(self) -> None:
        """Have the jobs under way handed back, and let go of the cluster; what does not end in time ends with it."""
        for task in self._sent:
            self._ray.cancel(task)
        if self._sent:
            self._ray.wait(list(self._sent), num_returns=len(self._sent), timeout=2 * GRACE_S)
        self._ray.shutdown()

    def _hear(self) -> None:
        if not self._sent:
            return
        ended, _ = self._ray.wait(list(self._sent), num_returns=len(self._sent), timeout=0)
        for task in ended:
            job_id = self._sent.pop(task)
            try:
                self._ray.get(task)
            except Exception as error:
                # What became of the job is in its row: a task that died let its lease run out.
                logger.warning("The task of job %s failed on the Ray cluster: %s", job_id, _first_line(error))
                self._not_before = time.monotonic() + PAUSE_S


def _joined() -> Any:
    if not settings.RAY_ADDRESS:
        raise NoCluster("RAY_ADDRESS is empty. Say where the cluster's head is: RAY_ADDRESS=host:6379.")
    # Before the import, which reads it. A cluster that lets anybody in would let anybody run our jobs' code.
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise NoCluster(f"Ray is not installed. Install it with: {INSTALL}") from None
    try:
        ray.init(address=settings.RAY_ADDRESS, namespace="bantam", log_to_driver=False, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise NoCluster(
            f"The Ray cluster at {settings.RAY_ADDRESS} could not be joined: {_first_line(error)}. Its head must "
            "answer there, this machine must be one of its nodes, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH must give "
            "its token."
        ) from None
    return ray


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return (
        (lines[-1] if type(error).__name__ == "RayTaskError" else lines[0])[:300].rstrip(".") if lines else repr(error)
    )
