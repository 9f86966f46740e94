"""A job's page, live: what is in the table is sent; a channel message only says that it is time to look."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.crypto import constant_time_compare

from apps.accounts.models import User
from apps.jobs.events import group_of
from apps.jobs.models import Job, JobEvent
from apps.jobs.serializers import EventOut, JobOut
from apps.projects.access import Access, enter_project

logger = logging.getLogger(__name__)

# Close codes: 4000 + the HTTP status that a page would answer with.
SIGN_IN, NOT_FOUND = 4401, 4404
OVER = 1000
BATCH = 500
LOOK_S = 1.0
# A job may wake its watchers more often than people can read.
PAUSE_S = 0.2
# How soon somebody who signed out or was removed from the organization stops seeing its jobs.
CHECK_ACCESS_S = 15.0


class SignedOutError(Exception):
    """The session that the websocket was opened with is over."""


class JobConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Sends `{"type": "events", "events": […]}` for every event after `?after=`, and `{"type": "state", "job": {…}}`
    when the job's state or progress changed; closes with 1000 when the job is over and everything was sent.
    """

    async def connect(self) -> None:
        self._changed = asyncio.Event()
        self._feeding: asyncio.Task[None] | None = None
        await self.accept()  # a close code reaches the browser only after the handshake
        if not self.scope["user"].is_authenticated:
            await self.close(SIGN_IN)
            return
        job_id = self.scope["url_route"]["kwargs"]["job"]
        self._group = group_of(job_id)
        await self.channel_layer.group_add(self._group, self.channel_name)
        self._feeding = asyncio.create_task(self._feed(_after(self.scope["query_string"])))

    async def disconnect(self, code: int) -> None:
        if self._feeding is not None:
            self._feeding.cancel()
            await self.channel_layer.group_discard(self._group, self.channel_name)

    async def job_changed(self, message: dict[str, Any]) -> None:
        self._changed.set()

    async def _feed(self, after: int) -> None:
        """Send what is new until the job is over. Ends the connection in any case."""
        loop = asyncio.get_running_loop()
        entered_at = -CHECK_ACCESS_S
        shown = None
        try:
            while True:
                self._changed.clear()
                if loop.time() - entered_at >= CHECK_ACCESS_S:
                    access, entered_at = await self._enter(), loop.time()
                job, events = await _look(access, self.scope["url_route"]["kwargs"]["job"], after)
                if events:
                    await self.send_json({"type": "events", "events": events})
                    after = events[-1]["sequence"]
                if job != shown:
                    await self.send_json({"type": "state", "job": job})
                    shown = job
                if len(events) == BATCH:
                    continue
                if job["is_over"]:
                    await self.close(OVER)
                    return
                await asyncio.sleep(PAUSE_S)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), LOOK_S - PAUSE_S)
        except SignedOutError:
            await self.close(SIGN_IN)
        except (Http404, PermissionDenied):
            await self.close(NOT_FOUND)
        except Exception:
            logger.exception("The live view of a job broke off.")
            await self.close(1011)

    @database_sync_to_async  # type: ignore[untyped-decorator]
    def _enter(self) -> Access:
        """Through the door again: the person may have signed out, the account been closed, the membership ended."""
        where = self.scope["url_route"]["kwargs"]
        user = _user_of(self.scope["session"].session_key)
        if user is None:
            raise SignedOutError
        return enter_project(user, scope=None, organization__slug=where["organization"], slug=where["project"])


def _user_of(session_key: str | None) -> User | None:
    """Whose session this is by now: nobody's after signing out, a change of password or the end of the account.

    Read anew, because the scope keeps what the session held when the websocket was opened; and only read, because
    `django.contrib.auth.get_user` may give the session another key, of which this browser would never hear.
    """
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = User.objects.filter(pk=session.get(SESSION_KEY), is_active=True).first()
    if user is None:
        return None
    kept = session.get(HASH_SESSION_KEY, "")
    accepted = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return user if any(constant_time_compare(kept, one) for one in accepted) else None


@database_sync_to_async  # type: ignore[untyped-decorator]
def _look(access: Access, job_id: Any, after: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The job and its next events. The job is read first: once it is over, every event is there."""
    job = access.get(Job, job_id, access.query(Job).for_page())
    events: list[JobEvent] = []
    if job.last_sequence > after:
        events = access.query(JobEvent).filter(job=job).after(after)[:BATCH]
    return dict(JobOut(job).data), [dict(event) for event in EventOut(events, many=True).data]


def _after(query_string: bytes) -> int:
    value = parse_qs(query_string.decode(errors="replace")).get("after", ["0"])[-1]
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0
