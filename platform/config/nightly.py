"""When the nightly clean-up runs, and how old a file has to be that it may delete."""

from __future__ import annotations

import re
from datetime import time

from environ import ImproperlyConfigured

USUAL_AGE_S = 7 * 24 * 3600
MOST_AGE_S = 10 * 365 * 24 * 3600


def time_of_day(variable: str, text: str) -> time | None:
    """`HH:MM`, or None for `off`. Raises ImproperlyConfigured."""
    if text.strip().lower() == "off":
        return None
    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", text.strip())
    if not found:
        raise ImproperlyConfigured(
            f"{variable} must be a time of the day (UTC) as HH:MM, such as 03:00, or off. Received: {text!r}"
        )
    return time(int(found[1]), int(found[2]))


def safe_age(variable: str, seconds: int | None, least: int) -> int:
    """`seconds`, or what is usual. Raises ImproperlyConfigured for less than `least`."""
    if seconds is None:
        return max(USUAL_AGE_S, least)
    if not least <= seconds <= MOST_AGE_S:
        raise ImproperlyConfigured(
            f"{variable} must be {least} … {MOST_AGE_S} seconds: at least twice as long as an upload or job may take, "
            f"so that no file is deleted before the row that needs it is there. Received: {seconds}"
        )
    return seconds
