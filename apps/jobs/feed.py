"""What is new in a job, looked up once for everybody in this process who watches it.

What is in the table is told; a channel message only says that it is time to look, so a lost one costs a second.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import islice
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer

from apps.jobs.events import group_of
from apps.jobs.models import Job, JobEvent
from apps.jobs.serializers import EventOut, JobOut

logger = logging.getLogger(__name__)

BATCH = 500
LOOK_S = 1.0
# A job may wake its watchers more often than people can read.
PAUSE_S = 0.2
# Events that are kept for those who have not sent them yet; whoever is further behind reads the table.
RECENT = 1000


class Feed:
    """One job as its watchers see it: `job` (as the API shows it) after the event number `last`."""

    def __init__(self, job_id: UUID) -> None:
        self.job_id = job_id
        self.job: dict[str, Any] = {}
        self.last = 0
        self.watchers = 0
        self.is_broken = False
        self._recent: deque[dict[str, Any]] = deque(maxlen=RECENT)
        self._news = asyncio.Event()
        self._woken = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def after(self, sequence: int) -> list[dict[str, Any]] | None:
        """The events after that number, as the API shows them; None: they are too old to be kept here."""
        if sequence >= self.last:
            return []
        if not self._recent or self._recent[0]["sequence"] > sequence + 1:
            return None
        return list(islice(self._recent, sequence + 1 - self._recent[0]["sequence"], None))

    def news(self) -> asyncio.Event:
        """Set when something is new from now on."""
        return self._news

    async def stop(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        layer: Any = get_channel_layer()
        channel = await layer.new_channel()
        await layer.group_add(group_of(self.job_id), channel)
        listening = asyncio.create_task(self._listen(layer, channel))
        try:
            self._tell(await _job_now(self.job_id), [])
            while not self.job["is_over"]:
                job, events = await _events_after(self.job_id, self.last)
                if job is not None:
                    self._tell(job, events)
                if len(events) == BATCH:
                    continue
                await asyncio.sleep(PAUSE_S)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), LOOK_S - PAUSE_S)
                self._woken.clear()
        except Job.DoesNotExist:
            self._break()
        except Exception:
            logger.exception("The live view of job %s broke off.", self.job_id)
            self._break()
        finally:
            listening.cancel()
            await layer.group_discard(group_of(self.job_id), channel)

    async def _listen(self, layer: Any, channel: str) -> None:
        while True:
            try:
                await layer.receive(channel)
            except Exception:
                logger.warning("Watching job %s goes on without being woken.", self.job_id, exc_info=True)
                return
            self._woken.set()

    def _tell(self, job: dict[str, Any], events: list[dict[str, Any]]) -> None:
        self._recent.extend(events)
        self.job, self.last = job, events[-1]["sequence"] if events else job["last_sequence"]
        self._announce()

    def _break(self) -> None:
        self.is_broken = True
        self._announce()

    def _announce(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[UUID, Feed]] = WeakKeyDictionary()


@asynccontextmanager
async def watch(job_id: UUID) -> AsyncIterator[Feed]:
    """The feed of a job that exists, which whoever else watches it here has too; `job` is there once it has news."""
    feeds = _feeds.setdefault(asyncio.get_running_loop(), {})
    feed = feeds.get(job_id)
    if feed is None or feed.is_broken:
        feed = feeds[job_id] = Feed(job_id)
    feed.watchers += 1
    try:
        while not feed.job and not feed.is_broken:
            await feed.news().wait()
        yield feed
    finally:
        feed.watchers -= 1
        if not feed.watchers:
            if feeds.get(job_id) is feed:
                del feeds[job_id]
            await feed.stop()


@database_sync_to_async  # type: ignore[untyped-decorator]
def _job_now(job_id: UUID) -> dict[str, Any]:
    return dict(JobOut(Job.across_tenants.for_page().get(pk=job_id)).data)


@database_sync_to_async  # type: ignore[untyped-decorator]
def _events_after(job_id: UUID, sequence: int) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """The next events, and the job as it was with the last of them or later: one query. Nothing changes without one."""
    found = JobEvent.across_tenants.filter(job=job_id).after(sequence)
    found = found.select_related("job__created_by", "job__api_key").defer("job__payload", "job__result")
    events: list[JobEvent] = list(found[:BATCH])
    job = dict(JobOut(events[-1].job).data) if events else None
    return job, [dict(event) for event in EventOut(events, many=True).data]
