"""What feedback says of a prediction: whether it was right, or, of a regression, how far it was off."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

REGRESSION = "regression"


def error_of(data: Mapping[str, Any]) -> float | None:
    """The mean absolute difference of the numbers in the texts `label` and `correct` of checked feedback: "0.25, 3".

    None where they are no finite numbers, or not as many.
    """
    given, right = _numbers(data["label"]), _numbers(data["correct"])
    if not given or len(given) != len(right):
        return None
    error = sum(abs(one - other) for one, other in zip(given, right, strict=True)) / len(given)
    return error if math.isfinite(error) else None


def _numbers(text: str) -> list[float]:
    """The numbers in a text, none if anything in it is not one."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []
