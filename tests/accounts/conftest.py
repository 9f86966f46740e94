from __future__ import annotations

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def fresh_rate_limits() -> None:
    """Attempts at signing in are counted by address, which is the same in every test."""
    cache.clear()
