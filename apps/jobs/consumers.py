"""A job's page, live, for one browser; what is new in the job is looked up for all of them by apps.jobs.feed."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.core.exceptions import PermissionDenied
from django.http import Http404

from apps.accounts.sessions import user_of
from apps.jobs.database import on_open_connection
from apps.jobs.feed import BATCH, Feed, watch
from apps.jobs.models import Job, JobEvent
from apps.jobs.serializers import EventOut
from apps.projects.access import Access, enter_project

logger = logging.getLogger(__name__)

# Close codes: 4000 + the HTTP status that a page would answer with.
SIGN_IN, NOT_FOUND = 4401, 4404
OVER, BROKEN = 1000, 1011
# How soon somebody who signed out or was removed from the organization stops seeing its jobs.
CHECK_ACCESS_S = 15.0


class SignedOutError(Exception):
    """The session that the websocket was opened with is over."""


class JobConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Sends `{"type": "events", "events": […]}` for every event after `?after=`, and `{"type": "state", "job": {…}}`
    when the job's state or progress changed; closes with 1000 when the job is over and everything was sent.
    """

    # No channel of its own: the feed listens, once for all.
    channel_layer_alias = ""

    async def connect(self) -> None:
        self._feeding: asyncio.Task[None] | None = None
        await self.accept()  # a close code reaches the browser only after the handshake
        if not self.scope["user"].is_authenticated:
            await self.close(SIGN_IN)
            return
        self._feeding = asyncio.create_task(self._feed(_after(self.scope["query_string"])))

    async def disconnect(self, code: int) -> None:
        if self._feeding is not None:
            self._feeding.cancel()

    async def _feed(self, after: int) -> None:
        """Send what is new until the job is over. Ends the connection in any case."""
        job_id = self.scope["url_route"]["kwargs"]["job"]
        try:
            access = await self._enter(job_id)
            async with watch(job_id) as feed:
                await self._send_all(feed, access, after)
        except SignedOutError:
            await self.close(SIGN_IN)
        except (Http404, PermissionDenied):
            await self.close(NOT_FOUND)
        except Exception:
            logger.exception("The live view of a job broke off.")
            await self.close(BROKEN)

    async def _send_all(self, feed: Feed, access: Access, after: int) -> None:
        loop = asyncio.get_running_loop()
        # The first check at any moment: pages that were opened, or came back, together are not all due together.
        check_at = loop.time() + random.uniform(0, CHECK_ACCESS_S)  # noqa: S311  (nothing secret)
        shown = None
        while not feed.is_broken:
            news = feed.news()
            if loop.time() >= check_at:
                access, check_at = await self._enter(feed.job_id), loop.time() + CHECK_ACCESS_S
            events = feed.after(after)
            if events is None:
                events = await _missed(access, feed.job_id, after)
            if events:
                await self.send_json({"type": "events", "events": events[:BATCH]})
                after = events[:BATCH][-1]["sequence"]
            if feed.job != shown and after >= feed.last:
                await self.send_json({"type": "state", "job": feed.job})
                shown = feed.job
            if after < feed.last:
                continue
            if feed.job["is_over"]:
                await self.close(OVER)
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(max(check_at - loop.time(), 0.05)):
                    await news.wait()
        await self.close(BROKEN)

    @on_open_connection
    def _enter(self, job_id: UUID) -> Access:
        """Through the door again: the person may have signed out, the account been closed, the membership ended."""
        where = self.scope["url_route"]["kwargs"]
        user = user_of(self.scope["session"].session_key)  # the scope keeps what it held when this was opened
        if user is None:
            raise SignedOutError
        access = enter_project(user, scope=None, organization__slug=where["organization"], slug=where["project"])
        access.get(Job, job_id)
        return access


@on_open_connection
def _missed(access: Access, job_id: UUID, after: int) -> list[dict[str, Any]]:
    """What a watcher lacks that is too old for the feed."""
    events = access.query(JobEvent).filter(job=job_id).after(after)[:BATCH]
    return [dict(event) for event in EventOut(events, many=True).data]


def _after(query_string: bytes) -> int:
    value = parse_qs(query_string.decode(errors="replace")).get("after", ["0"])[-1]
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0
