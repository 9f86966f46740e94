"""The events that wait to be sent: a bounded queue in one SQLite file, shared by threads and processes.

An event is on disk before the call that made it returns, so a crash of the process loses none. (A power cut may take
the last moments: the journal is synced at checkpoints, not at every event, which would wear out a device's flash.)
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

logger = logging.getLogger("device_client")

TYPES = frozenset({"assigned", "downloaded", "loaded", "inferred", "feedback", "failed"})
TRIM_EVERY = 64

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    body TEXT NOT NULL
);
"""


@dataclass(frozen=True)
class QueuedEvent:
    """One event as it will be sent. `body` is its JSON."""

    seq: int
    id: str
    body: str


class EventQueue:
    """Events in the order in which they happened.

    Telemetry never breaks the application: when the file can't be written, the event is lost, a warning is logged,
    and the call returns. A damaged file is put aside and a new one begun.

    Args:
        path: the SQLite file.
        max_events: how many events are kept. Beyond it the oldest `inferred` events go first, then the oldest of all.
    """

    def __init__(self, path: Path, *, max_events: int) -> None:
        self._path = path
        self._max_events = max_events
        self._lock = threading.Lock()
        self._since_trim = 0
        self._lost = 0
        self._closed = False
        self._connection: sqlite3.Connection | None = None
        with self._lock:
            self._recovering(self._trim)

    def add(self, kind: str, *, model: str, version: str | None, data: dict[str, Any]) -> str:
        """Write one event to disk.

        Returns:
            its id, a UUID made here, which makes sending it twice harmless.
        """
        assert kind in TYPES, kind
        event_id = str(uuid.uuid4())
        body = json.dumps(
            {
                "id": event_id,
                "type": kind,
                "model": model,
                "version": version,
                "occurred_at": datetime.now(timezone.utc).isoformat(),
                "data": data,
            },
            separators=(",", ":"),
            allow_nan=False,
        )
        with self._lock:
            self._recovering(lambda db: self._insert(db, event_id, kind, body))
        return event_id

    def oldest(self, *, limit: int, max_bytes: int, after: int = 0) -> list[QueuedEvent]:
        """The oldest events whose seq is above `after`, at most `limit` and `max_bytes` of JSON together, but at least
        one if there is one."""

        def read(db: sqlite3.Connection) -> list[QueuedEvent]:
            batch: list[QueuedEvent] = []
            size = 0
            rows = db.execute("SELECT seq, id, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit))
            for seq, event_id, body in rows:
                size += len(body.encode()) + 1
                if batch and size > max_bytes:
                    break
                batch.append(QueuedEvent(seq, event_id, body))
            return batch

        with self._lock:
            return self._recovering(read) or []

    def remove(self, events: list[QueuedEvent]) -> None:
        def delete(db: sqlite3.Connection) -> None:
            db.executemany("DELETE FROM events WHERE seq = ?", [(event.seq,) for event in events])

        with self._lock:
            self._recovering(delete)

    def __len__(self) -> int:
        with self._lock:
            return int(self._recovering(lambda db: db.execute("SELECT count(*) FROM events").fetchone()[0]) or 0)

    def close(self) -> None:
        """Close the file. A thread that ends later may still add: its event is kept, the file is closed again."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def _insert(self, db: sqlite3.Connection, event_id: str, kind: str, body: str) -> None:
        db.execute("INSERT OR IGNORE INTO events (id, type, body) VALUES (?, ?, ?)", (event_id, kind, body))
        self._since_trim += 1
        if self._since_trim >= TRIM_EVERY:
            self._trim(db)

    def _trim(self, db: sqlite3.Connection) -> None:
        self._since_trim = 0
        excess = db.execute("SELECT count(*) FROM events").fetchone()[0] - self._max_events
        if excess > 0:
            db.execute(
                "DELETE FROM events WHERE seq IN (SELECT seq FROM events ORDER BY type <> 'inferred', seq LIMIT ?)",
                (excess,),
            )
            logger.warning("the event queue is full (%d): %d old events were dropped", self._max_events, excess)

    def _recovering(self, work: Any) -> Any:
        """Run `work(connection)` in one transaction; None when the file refuses."""
        for attempt in (1, 2):
            try:
                db = self._connect()
                with db:
                    return work(db)
            except sqlite3.DatabaseError as error:
                self._disconnect()
                # Only the base class itself says that the file is damaged or no database.
                if type(error) is sqlite3.DatabaseError and attempt == 1:
                    self._put_aside(error)
                    continue
                self._lost += 1
                if self._lost & (self._lost - 1) == 0:  # 1, 2, 4, 8 …: a full disk must not fill the log as well
                    logger.warning("%s refuses (%s); %d operations were lost so far", self._path, error, self._lost)
                return None
            finally:
                if self._closed:
                    self._disconnect()
        return None

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            # The lock of this object keeps threads apart; the busy timeout waits for other processes.
            connection = sqlite3.connect(self._path, timeout=10.0, check_same_thread=False)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.executescript(SCHEMA)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _put_aside(self, error: sqlite3.DatabaseError) -> None:
        aside = self._path.with_name(f"{self._path.name}.damaged-{int(time.time())}")
        logger.error("%s is damaged (%s): it is kept as %s and a new one begun", self._path, error, aside.name)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._path.replace(aside)
