"""How often a long loop says how far it has come."""

from __future__ import annotations

from time import monotonic


class Pace:
    """Due at once, and then after every so many seconds."""

    def __init__(self, seconds: float = 0.5) -> None:
        self._seconds = seconds
        self._next = 0.0

    def is_due(self) -> bool:
        """Whether to speak now; the time begins anew if so."""
        now = monotonic()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True
