"""Numbers as tables, JSON and records write them."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ml.features.reader import UnfitValueError

Numbers = npt.NDArray[np.float32]
_ACCEPTED = "finite numbers"


def read_numbers(given: Iterable[object]) -> Numbers:
    """float32 of one axis. Raises UnfitValueError `not_a_number`, or `bad_values` for NaN, infinity and gaps."""
    items = list(given)
    try:
        values = [float(item) for item in items]  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        values = [_number(item) for item in items]
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite and is named below
        numbers = np.asarray(values, np.float64).astype(np.float32)
    if not np.isfinite(numbers).all():
        place = int(np.argmin(np.isfinite(numbers)))
        raise UnfitValueError("bad_values", _shown(items[place], f"value {place + 1} of {len(items)}"), _ACCEPTED)
    return numbers


def parse_numbers(text: str) -> object:
    """What a cell holds: a JSON list, or numbers with blanks between them. Raises UnfitValueError `not_a_number`."""
    text = text.strip()
    if not text.startswith("["):
        return text.split() or [""]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise UnfitValueError("not_a_number", _shown(text), "a JSON list of numbers") from None


def _number(item: object) -> float:
    if item is None or (isinstance(item, str) and not item.strip()):
        return float("nan")  # a gap
    if isinstance(item, str | int | float):
        try:
            return float(item)
        except (ValueError, OverflowError):
            pass
    raise UnfitValueError("not_a_number", _shown(item), _ACCEPTED)


def _shown(item: object, where: str = "") -> str:
    text = "nothing" if item in (None, "") else str(item) if isinstance(item, float) else repr(item)
    return f"{text[:60]} in {where}" if where else text[:60]
