"""Keeps passes out of the platform's own log, which tells the address of each request that failed."""

from __future__ import annotations

import logging
import re
from typing import Any

_BELOW = re.compile(r"(/training/tensorboard/).+", re.DOTALL)


class WithoutPasses(logging.Filter):
    """Cuts what follows `/training/tensorboard/` from a record and what it says. A pass stands there."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _cut(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(map(_cut, record.args))
        return True


def _cut(value: Any) -> Any:
    return _BELOW.sub(r"\1…", value) if isinstance(value, str) else value
