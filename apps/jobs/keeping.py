"""What a running job has done is saved from time to time, so that it goes on elsewhere when its machine is lost."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType
from typing import Self

from django.conf import settings
from django.db import connections, transaction

from apps.jobs import leases, saved_work
from apps.jobs.handlers import Folder, keeps_work
from apps.jobs.leases import Lease, LeaseLost
from apps.jobs.models import Job
from apps.projects.storage import storage

logger = logging.getLogger(__name__)


class Keeper:
    """Saves an attempt's `work` every JOB_SAVE_EVERY_S, in a thread: the child goes on and is watched meanwhile.

    As a context, it lets a save that has begun end before whatever follows.
    """

    def __init__(self, lease: Lease, job: Job, folder: Folder) -> None:
        self._lease, self._job, self._folder = lease, job, folder
        self._thread: threading.Thread | None = None
        self._due_at = time.monotonic() + settings.JOB_SAVE_EVERY_S

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """To be called again and again while the child runs."""
        now = time.monotonic()
        if now < self._due_at or not keeps_work(self._job) or (self._thread is not None and self._thread.is_alive()):
            return
        self._due_at = now + settings.JOB_SAVE_EVERY_S
        self._thread = threading.Thread(target=self._save, name=f"keeper-{self._lease.job_id}", daemon=True)
        self._thread.start()

    def _save(self) -> None:
        try:
            saved = saved_work.save(self._lease, self._job, self._folder)
            if saved is None:
                return
            try:
                with transaction.atomic():
                    job = leases.held(self._lease)
                    saved_work.note(job, saved)
                    job.save(update_fields=["saved_work", "saved_work_bytes"])
            except BaseException:
                storage().discard(saved.key)
                raise
        except LeaseLost:
            return  # the supervisor finds out by itself
        except FileNotFoundError:
            logger.info("Job %s was writing its state while it was to be saved; next time.", self._lease.job_id)
        except Exception:
            logger.exception("What job %s has done so far could not be saved.", self._lease.job_id)
        finally:
            connections.close_all()
