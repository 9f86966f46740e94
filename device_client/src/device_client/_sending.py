"""Getting queued events to the server."""

from __future__ import annotations

import json
import logging
from typing import Any

from device_client._events import EventQueue, QueuedEvent
from device_client._exceptions import ServerRefusedError, ServerUnreachableError
from device_client._http import Http, refusal
from device_client._lock import FileLock

logger = logging.getLogger("device_client")

MAX_BATCH_EVENTS = 500
# The server accepts 1 MiB; the rest is room for what surrounds the events.
MAX_BATCH_BYTES = 1024 * 1024 - 16 * 1024
# Events that are refused one by one before the server is taken to refuse everything.
MAX_SUSPECTS = 10
PATH = "api/device/v1/events"


class Sender:
    """Sends the queue in batches, oldest first; an event leaves the queue only when the server has answered for it."""

    def __init__(self, *, http: Http, queue: EventQueue, installation: str, lock: FileLock) -> None:
        self._http = http
        self._queue = queue
        self._installation = installation
        self._lock = lock

    def send_all(self, *, lock_timeout: float) -> int:
        """Send until the queue is empty.

        Returns:
            how many events the server accepted or already had.

        Raises:
            ServerError: what is left stays queued.
            StorageError: another process was sending for all of `lock_timeout` seconds.
        """
        sent = after = 0
        limit = MAX_BATCH_EVENTS
        suspects: list[QueuedEvent] = []
        refused: ServerRefusedError | None = None
        with self._lock.hold(lock_timeout):
            while batch := self._queue.oldest(limit=limit, max_bytes=MAX_BATCH_BYTES, after=after):
                try:
                    sent += self._send(batch)
                    self._queue.remove(batch)
                except ServerRefusedError as error:
                    if error.status not in (400, 413, 422) or len(suspects) >= MAX_SUSPECTS:
                        raise
                    # The batch as a whole is refused. Halving finds the event that it is about, if it is about one.
                    if len(batch) > 1:
                        limit = len(batch) // 2
                        continue
                    suspects += batch
                    after = batch[0].seq
                    refused = error
                limit = MAX_BATCH_EVENTS
            if refused is not None:
                if not sent:
                    raise refused  # the server takes no event at all, so it is not about these
                for event in suspects:
                    logger.warning("an event is dropped, because the server refuses it (%s): %s", refused, event.body)
                self._queue.remove(suspects)
        return sent

    def _send(self, batch: list[QueuedEvent]) -> int:
        head = json.dumps({"installation": self._installation})[:-1]
        body = f'{head},"events":[{",".join(event.body for event in batch)}]}}'.encode()
        response = self._http.post_json(PATH, body)
        if response.status_code != 202:
            raise refusal(response, response.content)
        rejected = _rejected(response.content)
        for entry in rejected:
            logger.warning(
                "the server rejected event %s (%s): %s", entry.get("id"), entry.get("code"), entry.get("message")
            )
        return len(batch) - len(rejected)


def _rejected(content: bytes) -> list[dict[str, Any]]:
    """The rejected entries of an answer.

    Raises:
        ServerUnreachableError: it is not the agreed answer, so it came from something else than the server.
    """
    try:
        answer = json.loads(content)
        int(answer["accepted"])
        return [entry for entry in answer["rejected"] if isinstance(entry, dict)]
    except (ValueError, KeyError, TypeError) as error:
        raise ServerUnreachableError(f"the answer to a batch of events is not the agreed one: {error!r}") from error
