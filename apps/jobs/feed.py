"""What is new in the jobs that somebody watches, looked up once for everybody in this process.

What is in the table is told; a channel message only says that it is time to look, so a lost one costs half a second.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import groupby, islice
from typing import Any, NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer
from django.db.models import Q

from apps.jobs.database import on_open_connection
from apps.jobs.events import group_of
from apps.jobs.models import Job, JobEvent
from apps.jobs.serializers import EventOut, JobOut

logger = logging.getLogger(__name__)

# Events that one watcher is sent in one message, and that one look reads of all jobs.
BATCH = 500
MOST_READ = 2000
# Jobs that one look asks for.
JOBS_AT_ONCE = 100
LOOK_S = 0.5
# Jobs may wake their watchers more often than people can read.
PAUSE_S = 0.2
# How long a stop is waited for; what is left then ends by itself.
STOP_S = 5.0
# Events that are kept for those who have not sent them yet; whoever is further behind reads the table.
RECENT = 1000


class News(NamedTuple):
    """A job as the API shows it, and what has happened in it since the last look."""

    job: dict[str, Any]
    events: list[dict[str, Any]]


class Feed:
    """One job as its watchers see it: `job` (as the API shows it) after the event number `last`."""

    def __init__(self, job_id: UUID) -> None:
        self.job_id = job_id
        self.job: dict[str, Any] = {}
        self.last = 0
        self.watchers = 0
        self.is_broken = False
        self.is_woken = False
        self.looked_at = 0.0
        self._recent: deque[dict[str, Any]] = deque(maxlen=RECENT)
        self._news = asyncio.Event()

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

    def is_due(self, now: float) -> bool:
        """Whether somebody should look what is new by now."""
        is_open = not self.is_broken and not self.job.get("is_over")
        return is_open and (self.is_woken or now - self.looked_at >= LOOK_S)

    def tell(self, job: dict[str, Any], events: list[dict[str, Any]]) -> None:
        self._recent.extend(events)
        self.job, self.last = job, events[-1]["sequence"] if events else job["last_sequence"]
        self._announce()

    def break_off(self) -> None:
        self.is_broken = True
        self._announce()

    def _announce(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Looker:
    """Looks for all feeds of an event loop at once: how many jobs there are costs no further query.

    It works from the first feed to the last.
    """

    def __init__(self) -> None:
        self.feeds: dict[UUID, Feed] = {}
        self._layer: Any = get_channel_layer()
        self._channel: asyncio.Task[str] = asyncio.create_task(self._layer.new_channel())
        self._woken = asyncio.Event()
        self._tasks = [asyncio.create_task(self._look_on()), asyncio.create_task(self._listen())]

    def enter(self, job_id: UUID) -> Feed:
        """The feed of the job for one watcher more, made if there is none that works."""
        feed = self.feeds.get(job_id)
        if feed is None or feed.is_broken:
            feed = self.feeds[job_id] = Feed(job_id)
            feed.is_woken = True
            self._woken.set()
        feed.watchers += 1
        return feed

    async def leave(self, feed: Feed) -> None:
        """One watcher less; who was the last one closes the feed."""
        feed.watchers -= 1
        if not feed.watchers and self.feeds.get(feed.job_id) is feed:
            del self.feeds[feed.job_id]
            with self._unwoken():
                await self._layer.group_discard(group_of(feed.job_id), await self._channel)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks, timeout=STOP_S)

    async def _look_on(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            if due := [feed for feed in self.feeds.values() if feed.is_due(now())]:
                for feed in due:
                    feed.is_woken, feed.looked_at = False, now()
                await self._look_for(due)
            await asyncio.sleep(PAUSE_S)
            # asyncio.wait_for would lose a cancellation that comes as the event is set, before Python 3.12.
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S - PAUSE_S):
                    await self._woken.wait()
            self._woken.clear()

    async def _look_for(self, feeds: list[Feed]) -> None:
        try:
            unknown = [feed for feed in feeds if not feed.job]
            if unknown:
                with self._unwoken():  # from before the first look on, so that nothing falls in between
                    for feed in unknown:
                        await self._layer.group_add(group_of(feed.job_id), await self._channel)
                jobs = await _jobs_now([feed.job_id for feed in unknown])
                for feed in unknown:
                    if feed.job_id in jobs:
                        feed.tell(jobs[feed.job_id], [])
                    else:
                        feed.break_off()
            left = [feed for feed in feeds if not feed.is_broken and not feed.job["is_over"]]
            while left:
                left = await self._look_once(left)
        except Exception:
            logger.exception("The live view of %d jobs broke off.", len(feeds))
            for feed in feeds:
                feed.break_off()

    async def _look_once(self, feeds: list[Feed]) -> list[Feed]:
        """Tell what is new in the first of them. Returns those that were not reached."""
        asked = feeds[:JOBS_AT_ONCE]
        found = await _news_after({feed.job_id: feed.last for feed in asked})
        is_full = sum(len(news.events) for news in found.values()) == MOST_READ
        for feed in asked:
            if feed.job_id in found:
                feed.tell(*found[feed.job_id])
                feed.is_woken = feed.is_woken or is_full  # the last of them may have more, in the next round
        if is_full:
            self._woken.set()
        missed = [feed for feed in asked if feed.job_id not in found] if is_full else []
        return missed + feeds[JOBS_AT_ONCE:]

    async def _listen(self) -> None:
        with self._unwoken():
            channel = await self._channel
            while True:
                message = await self._layer.receive(channel)
                if feed := self.feeds.get(UUID(message["job"])):
                    feed.is_woken = True
                    self._woken.set()

    @contextmanager
    def _unwoken(self) -> Iterator[None]:
        """Where messages do not come through, each feed looks twice a second as before."""
        try:
            yield
        except Exception:
            logger.warning("Watching jobs goes on without being woken.", exc_info=True)


_lookers: WeakKeyDictionary[asyncio.AbstractEventLoop, Looker] = WeakKeyDictionary()


@asynccontextmanager
async def watch(job_id: UUID) -> AsyncIterator[Feed]:
    """The feed of a job that exists, which whoever else watches it here has too; `job` is there once it has news."""
    loop = asyncio.get_running_loop()
    looker = _lookers.get(loop)
    if looker is None:
        looker = _lookers[loop] = Looker()
    feed = looker.enter(job_id)
    try:
        while not feed.job and not feed.is_broken:
            await feed.news().wait()
        yield feed
    finally:
        await looker.leave(feed)
        if not looker.feeds and _lookers.get(loop) is looker:
            del _lookers[loop]
            await looker.stop()


@on_open_connection
def _jobs_now(ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    return {job.pk: dict(JobOut(job).data) for job in Job.across_tenants.for_page().filter(pk__in=ids)}


@on_open_connection
def _news_after(sequences: Mapping[UUID, int]) -> dict[UUID, News]:
    """The next events of these jobs, and the jobs as they were with the last of them or later: one query.

    Jobs without news are left out, since nothing changes in a job without an event. With MOST_READ events in all, those
    of the last job may not be all, and of jobs that are left out there may be some.
    """
    new = Q()
    for job_id, sequence in sequences.items():
        new |= Q(job=job_id, sequence__gt=sequence)
    found = JobEvent.across_tenants.filter(new).order_by("job", "sequence")
    found = found.select_related("job__created_by", "job__api_key").defer("job__payload", "job__result")
    of_jobs = groupby(found[:MOST_READ], lambda event: event.job_id)
    return {job_id: _news(events) for job_id, events in of_jobs}


def _news(events: Iterable[JobEvent]) -> News:
    rows = list(events)
    return News(dict(JobOut(rows[-1].job).data), [dict(event) for event in EventOut(rows, many=True).data])
