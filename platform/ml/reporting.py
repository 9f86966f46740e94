"""What a command says while it works: one JSON object a line for programs, or text for people."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Literal, TextIO

from ml.refusal import Detail


class Reporter:
    """Writes events to `stream` (standard output by default): JSON lines if `events`, readable text if not."""

    def __init__(self, *, events: bool, stream: TextIO | None = None, part: tuple[float, float] = (0.0, 1.0)) -> None:
        self._events = events
        self._stream = stream or sys.stdout
        self._part = self._phase = part

    def phase(self, begin: float, end: float) -> None:
        """What follows leads the command from the share `begin` to `end` (0 … 1), so that no bar goes back."""
        self._phase = (self._whole(begin), self._whole(end))

    def part(self, begin: float, end: float) -> Reporter:
        """A reporter for work that is one part of this one's: its shares 0 … 1 are `begin` … `end` here."""
        return Reporter(events=self._events, stream=self._stream, part=(self._whole(begin), self._whole(end)))

    def _whole(self, share: float) -> float:
        begin, end = self._part
        return begin + (end - begin) * share

    def progress(self, done: int, total: int, unit: str, message: str) -> None:
        """`done` of `total` units of work in this phase; `message` is short."""
        begin, end = self._phase
        share = round(begin + (end - begin) * min(done / max(total, 1), 1), 4)
        self._emit(
            {"event": "progress", "done": done, "total": total, "unit": unit, "message": message, "share": share},
            f"{message}: {done} of {total} {unit}",
        )

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Measured values after `step` updates. Values that are not finite are left out: they are not JSON."""
        finite = {name: float(f"{value:.6g}") for name, value in values.items() if math.isfinite(value)}
        listed = "  ".join(f"{name} {value:.4g}" for name, value in finite.items())
        self._emit({"event": "metrics", "step": step, "values": finite}, f"step {step}: {listed}")

    def log(self, level: Literal["info", "warning", "error"], message: str) -> None:
        """A line for the log."""
        self._emit({"event": "log", "level": level, "message": message}, f"{level}: {message}")

    def error(self, code: str, message: str, details: Sequence[Detail] = ()) -> None:
        """Why the command ends without a result."""
        listed = "".join(f"\n  {detail['field'] or '-'}: {detail['message']}" for detail in details)
        self._emit(
            {"event": "error", "code": code, "message": message, "details": list(details)},
            f"error ({code}): {message}{listed}",
        )

    def _emit(self, event: Mapping[str, object], text: str) -> None:
        line = json.dumps(event, ensure_ascii=False, allow_nan=False) if self._events else text
        self._stream.write(line + "\n")
        self._stream.flush()
