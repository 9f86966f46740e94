"""The environment, whose numbers are refused in a sentence when they are none."""

from __future__ import annotations

import os
from typing import Any

import environ


class Environment(environ.Env):  # type: ignore[misc]
    def int(self, var: str, default: Any = environ.Env.NOTSET) -> Any:
        """The whole number in `var`, or `default`. Raises ImproperlyConfigured."""
        try:
            return super().int(var, default)
        except ValueError:
            message = f"{var} must be a whole number. Received: {os.environ.get(var)!r}"
            raise environ.ImproperlyConfigured(message) from None
