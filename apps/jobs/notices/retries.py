"""When what could not be sent is tried again."""

from __future__ import annotations

import random
from datetime import timedelta

# After the first, second … try. Together 23 hours; a tenth is left to chance, so that not all come back at once.
PAUSES_S = [15 * 4**n for n in range(7)]
MOST_TRIES = len(PAUSES_S) + 1


def pause_after(tries: int) -> timedelta:
    """The pause after so many tries, 1 or more; the longest one from the last on."""
    pause = PAUSES_S[min(tries, len(PAUSES_S)) - 1]
    return timedelta(seconds=pause * random.uniform(0.9, 1.1))  # noqa: S311
