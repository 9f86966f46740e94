"""Reading a batch of events: which of them can be kept, and what is wrong with the others. No database here.

Plain code instead of a serializer: a device sends up to 500 events at once, and this is the endpoint that a whole fleet
calls.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict
from uuid import UUID

import orjson

from apps.errors import Refused

MAX_BATCH_BYTES = 2**20
MAX_EVENTS = 500
MAX_DATA_BYTES = 8 * 1024
MAX_DEPTH = 50
MAX_TEXT = 2_000
MAX_AHEAD = timedelta(days=1)
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
TYPES = ("assigned", "downloaded", "loaded", "inferred", "feedback", "failed")


class Rejection(TypedDict):
    """An event that was not kept: its place in the batch, its id as sent, and why."""

    index: int
    id: str | None
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """An event whose form is right. Whether its model and version exist is for the database to say."""

    index: int
    key: UUID
    type: str
    model: str
    version: UUID | None
    occurred_at: datetime
    data: dict[str, Any]
    latency_ms: float | None
    is_correct: bool | None


@dataclass(frozen=True, slots=True)
class Batch:
    installation: UUID
    events: list[ReceivedEvent]
    rejected: list[Rejection]


class _BadEventError(Exception):
    """One event can't be kept."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def read_batch(content: bytes, *, now: datetime) -> Batch:
    """Parse the body of a request.

    Raises Refused for the batch as a whole: "batch_too_large" (413), "invalid_json", "invalid", "too_many_events".
    """
    if len(content) > MAX_BATCH_BYTES:
        raise batch_too_large(len(content))
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Refused("invalid_json", f"The body is not JSON: {error}.") from error
    if not isinstance(body, dict):
        raise Refused("invalid", 'An object {"installation", "events"} is accepted.')
    installation = _uuid(body.get("installation"))
    if installation is None:
        received = f"Received: {_shown(body.get('installation'))}."
        raise _invalid("installation", f"A UUID made once by the device is needed. {received}")
    entries = body.get("events")
    if not isinstance(entries, list):
        raise _invalid("events", f"A list is needed. Received: {type(entries).__name__}.")
    if len(entries) > MAX_EVENTS:
        message = f"At most {MAX_EVENTS} events a batch are accepted. Received: {len(entries)}."
        raise Refused("too_many_events", message, details=[{"field": "events", "message": message}])
    events: list[ReceivedEvent] = []
    rejected: list[Rejection] = []
    for index, entry in enumerate(entries):
        try:
            events.append(_event(index, entry, latest=now + MAX_AHEAD))
        except _BadEventError as error:
            sent = entry.get("id") if isinstance(entry, dict) else None
            rejected.append(rejection(index, sent if isinstance(sent, str) else None, error.code, error.message))
    return Batch(installation, events, rejected)


def rejection(index: int, key: str | None, code: str, message: str) -> Rejection:
    return {"index": index, "id": key[:60] if key else key, "code": code, "message": message}


def batch_too_large(received: int) -> Refused:
    message = f"A batch has at most {MAX_BATCH_BYTES} bytes. Received: {received} or more. Send fewer events at once."
    return Refused("batch_too_large", message, status=413)


def _event(index: int, entry: Any, *, latest: datetime) -> ReceivedEvent:
    if not isinstance(entry, dict):
        raise _BadEventError("invalid_event", f"An event is an object. Received: {type(entry).__name__}.")
    key = _uuid(entry.get("id"))
    if key is None:
        raise _BadEventError("invalid_id", f"id must be a UUID. Received: {_shown(entry.get('id'))}.")
    kind = entry.get("type")
    if kind not in TYPES:
        raise _BadEventError("unknown_type", f"type is one of {', '.join(TYPES)}. Received: {_shown(kind)}.")
    model = entry.get("model")
    if not isinstance(model, str) or not 0 < len(model) <= 50 or "\x00" in model:
        raise _BadEventError("invalid_model", f"model is the slug of a model. Received: {_shown(model)}.")
    version = None
    if entry.get("version") is not None:
        version = _uuid(entry["version"])
        if version is None:
            raise _BadEventError("invalid_version", f"version is a UUID or null. Received: {_shown(entry['version'])}.")
    occurred_at = _date(entry.get("occurred_at"), latest=latest)
    data = entry.get("data", {})
    if not isinstance(data, dict):
        raise _BadEventError("invalid_data", f"data is an object. Received: {_shown(data)}.")
    _check_form(data)
    if check := CHECKS.get(kind):
        check(data)
    is_correct = data["label"] == data["correct"] if kind == "feedback" else None
    latency = float(data["latency_ms"]) if kind == "inferred" and data.get("latency_ms") is not None else None
    return ReceivedEvent(index, key, kind, model, version, occurred_at, data, latency, is_correct)


def _check_form(data: dict[str, Any]) -> None:
    """Refuse what the database could not keep. `data` is at most as deep as orjson reads, which is 1,024 levels."""
    level: list[Any] = [data]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            break
    else:
        raise _BadEventError("invalid_data", f"data has at most {MAX_DEPTH} levels. Received: more.")
    if len(encoded := orjson.dumps(data)) > MAX_DATA_BYTES:
        raise _BadEventError("data_too_large", f"data has at most {MAX_DATA_BYTES} bytes. Received: {len(encoded)}.")
    # An even number of backslashes before it: the text \\u0000 as somebody typed it, which is no NUL.
    if NUL.search(encoded):
        raise _BadEventError("invalid_data", "data may not contain NUL characters.")


def _children(value: Any) -> list[Any]:
    """The objects and lists right inside an object or a list."""
    inner = value.values() if isinstance(value, dict) else value
    return [child for child in inner if isinstance(child, dict | list)]


def _check_inferred(data: dict[str, Any]) -> None:
    latency = data.get("latency_ms")
    if latency is not None and (not _is_number(latency) or not 0 <= latency < math.inf):
        raise _BadEventError("invalid_data", f"latency_ms is a number of 0 or more. Received: {_shown(latency)}.")
    score = data.get("score")
    if score is not None and not _is_number(score):
        raise _BadEventError("invalid_data", f"score is a number. Received: {_shown(score)}.")
    _check_texts(data, optional=("label",))


def _check_feedback(data: dict[str, Any]) -> None:
    _check_texts(data, needed=("label", "correct"))
    if data.get("prediction") is not None and _uuid(data["prediction"]) is None:
        raise _BadEventError(
            "invalid_data", f"prediction is the id of an event. Received: {_shown(data['prediction'])}."
        )


def _check_failed(data: dict[str, Any]) -> None:
    _check_texts(data, needed=("stage", "code"), optional=("message",))


CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "inferred": _check_inferred,
    "feedback": _check_feedback,
    "failed": _check_failed,
}


def _check_texts(data: dict[str, Any], *, needed: tuple[str, ...] = (), optional: tuple[str, ...] = ()) -> None:
    for name in (*needed, *optional):
        value = data.get(name)
        if value is None and name in optional:
            continue
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise _BadEventError(
                "invalid_data", f"{name} is text of at most {MAX_TEXT} characters. Received: {_shown(value)}."
            )


def _date(value: Any, *, latest: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise _BadEventError(
            "invalid_date", f"occurred_at is ISO 8601, such as 2026-11-23T14:05:00Z. Received: {_shown(value)}."
        ) from None
    if moment.tzinfo is None:
        raise _BadEventError("invalid_date", f"occurred_at needs an offset from UTC, or Z. Received: {_shown(value)}.")
    if moment > latest:
        raise _BadEventError("date_in_the_future", f"occurred_at is more than a day ahead. Received: {_shown(value)}.")
    if moment < EARLIEST:
        raise _BadEventError("invalid_date", f"occurred_at is before 1970. Received: {_shown(value)}.")
    return moment


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _uuid(value: Any) -> UUID | None:
    if not isinstance(value, str) or len(value) > 45:
        return None
    try:
        return UUID(value)
    except ValueError:
        return None


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):  # may be nested deeper than str can follow
        return "an object" if isinstance(value, dict) else "a list"
    return repr(value) if value is None or isinstance(value, bool) else repr(str(value)[:60])


def _invalid(field: str, message: str) -> Refused:
    return Refused("invalid", f"{field}: {message}", details=[{"field": field, "message": message}])
