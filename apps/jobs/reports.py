"""What a child says, turned into job events: checked, bounded in size and number, progress thinned out."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

from apps.errors import Detail
from apps.jobs.events import NewEvent
from apps.jobs.leases import Progress
from apps.jobs.models import JobEvent

LINES_A_BEAT = 200
LINES = 5_000
LINE_LENGTH = 2_000
METRICS = 20_000
LEVELS = {"info", "warning", "error"}


@dataclass(frozen=True)
class ReportedError:
    """The child's own account of why it ends without a result."""

    code: str
    message: str
    details: list[Detail]


class Estimate:
    """Seconds left of one phase, from its average speed. A phase is a run of progress with one unit and total."""

    def __init__(self) -> None:
        self._phase: tuple[str, float] | None = None
        self._start = (0.0, 0.0)

    def seconds_left(self, done: float, total: float, unit: str, now: float) -> int | None:
        if self._phase != (unit, total) or done < self._start[1]:
            self._phase, self._start = (unit, total), (now, done)
        passed, advanced = now - self._start[0], done - self._start[1]
        # The first steps are slow (compilation), so a guess from a blink of an eye would scare people.
        if passed < 2 or advanced < 0.01 * total:
            return None
        return math.ceil((total - done) * passed / advanced)


@dataclass
class Batch:
    """What is to be written next."""

    events: list[NewEvent] = field(default_factory=list)
    progress: Progress | None = None

    def __bool__(self) -> bool:
        return bool(self.events)


class Reports:
    """Collects what the child says. `take` gives what is due to be written and gives it again until `written`."""

    def __init__(self, now: float) -> None:
        self.error: ReportedError | None = None
        self._started = now
        self._batch = Batch()
        self._estimate = Estimate()
        self._progress: tuple[Progress, NewEvent] | None = None
        self._progress_due = now
        self._lines = self._lines_in_beat = self._left_out = self._metrics = 0

    def output(self, line: bytes, now: float) -> None:
        """A line of standard output: an event in JSON, or else a line for the log."""
        event = _json_object(line)
        match event.get("event"):
            case "progress":
                self._hear_progress(event, now)
            case "metrics":
                self._hear_metrics(event)
            case "log":
                self._log(str(event.get("level")), _text(event.get("message"), LINE_LENGTH))
            case "error":
                self.error = _error(event)  # its message becomes that of the job's next state
            case _:
                self.stderr(line)

    def stderr(self, line: bytes) -> None:
        """A line of standard error."""
        if text := _text(line.decode(errors="replace").rstrip(), LINE_LENGTH):
            self._log("info", text)

    def take(self, now: float, *, last: bool = False) -> Batch:
        """Everything that is due at `now` (monotonic seconds). Progress may wait, unless this is the `last`."""
        if self._left_out and (last or self._lines < LINES):
            said = f"{self._left_out:,} lines were left out: a job may say {LINES_A_BEAT} at a time, {LINES:,} in all."
            self._batch.events.append(NewEvent(JobEvent.Kind.LOG, {"level": "warning", "message": said}))
            self._left_out = 0
        self._lines_in_beat = 0
        if self._progress is not None and (last or now >= self._progress_due):
            self._batch.progress, event = self._progress
            self._batch.events.append(event)
            self._progress = None
            # A job of hours does not need a row for every second of it.
            self._progress_due = now + min(max(1.0, (now - self._started) / 300), 5.0)
        return self._batch

    def written(self) -> None:
        self._batch = Batch()

    def _hear_progress(self, event: dict[str, Any], now: float) -> None:
        done, total = _number(event.get("done")), _number(event.get("total"))
        if done is None or total is None or total <= 0:
            return
        overall = _number(event.get("share"))  # of the whole job, where the child knows; else of what it counts now
        share = min(max(done / total if overall is None else overall, 0.0), 1.0)
        unit, message = _text(event.get("unit"), 40), _text(event.get("message"), 200)
        left = self._estimate.seconds_left(done, total, unit, now)
        said = {"done": done, "total": total, "unit": unit, "message": message, "share": share, "seconds_left": left}
        self._progress = Progress(share, message, left), NewEvent(JobEvent.Kind.PROGRESS, said)

    def _hear_metrics(self, event: dict[str, Any]) -> None:
        step, values = _number(event.get("step")), event.get("values")
        if step is None or not isinstance(values, dict) or self._metrics >= METRICS:
            return
        self._metrics += 1
        numbers = {_text(name, 100): number for name, value in values.items() if (number := _number(value)) is not None}
        self._batch.events.append(NewEvent(JobEvent.Kind.METRICS, {"step": step, "values": numbers}))

    def _log(self, level: str, message: str) -> None:
        if self._lines >= LINES or self._lines_in_beat >= LINES_A_BEAT:
            self._left_out += 1
            return
        self._lines += 1
        self._lines_in_beat += 1
        level = level if level in LEVELS else "info"
        self._batch.events.append(NewEvent(JobEvent.Kind.LOG, {"level": level, "message": message}))


def _json_object(line: bytes) -> dict[str, Any]:
    """The line as a JSON object; empty where it is none. NaN and infinities, which no database takes, become None."""
    try:
        value = json.loads(line, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(value: Any, limit: int) -> str:
    """A string without NUL and lone surrogates, which PostgreSQL refuses, cut to `limit` characters."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    return text[:limit].replace("\0", "").encode(errors="replace").decode()


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
    return value if is_number else None


def _error(event: dict[str, Any]) -> ReportedError:
    code = str(event.get("code"))
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", code):
        code = "internal_error"
    given = event.get("details")
    details: list[Detail] = [
        {"field": _text(item.get("field"), 200), "message": _text(item.get("message"), 1_000)}
        for item in (given if isinstance(given, list) else [])[:100]
        if isinstance(item, dict)
    ]
    return ReportedError(code, _text(event.get("message"), 4_000), details)
