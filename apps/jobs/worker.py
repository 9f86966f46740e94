"""The one task that the queue knows: take a job, run its child, take over the result."""

from __future__ import annotations

import logging
import time
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from apps.errors import Refused
from apps.jobs import endings, folders, leases, saved_work, shutdown, turns
from apps.jobs.database import renew_connection
from apps.jobs.endings import Fault
from apps.jobs.handlers import Folder, JobHandler, handler_of
from apps.jobs.keeping import Keeper
from apps.jobs.leases import Heartbeat, Lease, LeaseLost
from apps.jobs.meaning import Done, Outcome, Refusal, Stop
from apps.jobs.models import Job
from apps.jobs.queue import enqueue, send
from apps.jobs.sandbox.limits import limits_for
from apps.jobs.saved_work import SavedWork
from apps.jobs.states import move
from apps.jobs.supervise import supervise
from apps.projects.storage import storage

logger = logging.getLogger(__name__)

# Between tries at taking a result over while the database does not answer.
PAUSES_S = (1, 3, 10)


def run_job(job_id: str) -> None:
    """Do the work of the job whose turn it is, mostly the one named. What happens to a job does not raise here."""
    with shutdown.noticed():
        if shutdown.is_coming():
            _leave_in_queue(UUID(job_id))
            return
        taken = leases.take()
        if taken is None:
            return
        job, lease = taken
        try:
            outcome, saved = _attempt(job, lease)
            _end(lease, outcome, saved)
        except LeaseLost as error:
            logger.warning("%s", error)
            return
        if _is_over(lease):
            folders.remove_folder(lease.job_id)
        _pass_on(job)


def _attempt(job: Job, lease: Lease) -> tuple[Outcome | None, SavedWork | None]:
    """Run one attempt. Returns how it ended, None where the job is ended as succeeded already; and what was saved."""
    try:
        handler = handler_of(job)
        folder = folders.make_folder(lease)
        with Heartbeat(lease):
            saved_work.restore(job, folder)
            arguments = handler.prepare(job, folder)
        limits = limits_for(job.kind, time_limit_s=job.time_limit_s)
        with Keeper(lease, job, folder) as keeper:
            outcome = supervise(
                lease, arguments, folder, limits=limits, is_stopping=shutdown.is_coming, on_beat=keeper.look
            )
        if not isinstance(outcome, Done):
            return outcome, _saved(lease, job, folder, outcome)
        with Heartbeat(lease):
            stored = handler.store(job, folder, outcome.result)
            end = _take_over(lease, handler, outcome.result, stored)
        return end, None if end is None else _saved(lease, job, folder, end)
    except LeaseLost:
        raise
    except Refused as refused:
        return Refusal(refused.code, refused.message, refused.details), None
    except Exception:
        logger.exception("Job %s failed in the worker.", lease.job_id)
        return Fault("internal_error", "Something broke on our side while this job ran. It has been logged."), None


def _saved(lease: Lease, job: Job, folder: Folder, outcome: Outcome) -> SavedWork | None:
    """What the child has done so far, kept where going on may end better than what it was stopped by."""
    is_final = isinstance(outcome, Refusal) and outcome.code not in ("time_limit", "cpu_limit")
    if is_final or outcome is Stop.LEASE_LOST:
        return None
    try:
        with Heartbeat(lease):
            return saved_work.save(lease, job, folder)
    except Exception:
        logger.exception("What job %s has done so far could not be saved.", lease.job_id)
        return None


class _Cancelled(Exception):  # noqa: N818
    """The job was cancelled between its child's end and the taking over."""


def _take_over(lease: Lease, handler: JobHandler, result: dict[str, Any], stored: Any) -> Outcome | None:
    """Make the job's rows and end it as succeeded, in one transaction; else delete the files that were stored."""
    try:
        for pause in (*PAUSES_S, None):
            try:
                _accept(lease, handler, result, stored)
                break
            except (OperationalError, InterfaceError):
                # Hours of work may hang on this transaction: a database that is locked or restarts gets a moment.
                if pause is None:
                    raise
                time.sleep(pause)
                renew_connection()
                if _has_succeeded(lease):
                    raise
    except BaseException as error:
        renew_connection()
        # A connection that breaks during COMMIT leaves open whether it happened: look before deleting.
        if _has_succeeded(lease):
            return None
        _discard(lease, handler, stored)
        if isinstance(error, _Cancelled):
            return Stop.CANCELLED
        raise
    return None


@transaction.atomic
def _accept(lease: Lease, handler: JobHandler, result: dict[str, Any], stored: Any) -> None:
    job = leases.held(lease)
    if job.cancel_requested_at is not None:
        raise _Cancelled
    job.result = handler.accept(job, result, stored)
    saved_work.forget(job)
    move(job, Job.State.SUCCEEDED)


def _has_succeeded(lease: Lease) -> bool:
    succeeded = Job.across_tenants.filter(state=Job.State.SUCCEEDED, fencing_token=lease.token)
    return bool(succeeded.filter(pk=lease.job_id).exists())


def _discard(lease: Lease, handler: JobHandler, stored: Any) -> None:
    try:
        job = Job.across_tenants.select_related("project__organization").get(pk=lease.job_id)
        handler.discard(job, stored)
    except Exception:
        logger.exception("What job %s had stored could not be deleted.", lease.job_id)


def _end(lease: Lease, outcome: Outcome | None, saved: SavedWork | None) -> None:
    """Write the attempt's end. Raises LeaseLost where it is not ours to write any more."""
    try:
        _write_end(lease, outcome, saved)
    except BaseException:
        if saved is not None:
            storage().discard(saved.key)
        raise


def _write_end(lease: Lease, outcome: Outcome | None, saved: SavedWork | None) -> None:
    if outcome is None:
        return
    if outcome is Stop.LEASE_LOST:
        raise LeaseLost(f"Job {lease.job_id} was taken from this worker.")
    renew_connection()
    with transaction.atomic():
        job = leases.held(lease)
        saved_work.note(job, saved)
        match outcome:
            case Stop.CANCELLED:
                endings.end_cancelled(job)
            case Stop.SHUTDOWN:
                endings.hand_back(job)
            case Refusal(code, message, details):
                endings.end_failed(job, code, message, details)
            case Fault():
                endings.try_again(job, outcome)
            case _:
                raise AssertionError(f"An attempt can't end with {outcome!r}.")


def _is_over(lease: Lease) -> bool:
    return not Job.across_tenants.unfinished().filter(pk=lease.job_id).exists()


def _pass_on(job: Job) -> None:
    """The message of a job that had to wait for its organization's limit is used up: it gets another one now."""
    waiting = turns.waits_for_room(job, timezone.now())
    if waiting is not None:
        send(waiting)


def _leave_in_queue(job_id: UUID) -> None:
    with transaction.atomic():
        job = Job.across_tenants.locked().filter(pk=job_id, state=Job.State.QUEUED).first()
        if job is not None:
            enqueue(job)
