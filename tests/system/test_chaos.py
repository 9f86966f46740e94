"""Everything is killed again and again while jobs run. benchmarks/chaos.py does the same ten times as long."""

from __future__ import annotations

import pytest

from tests.jobs.processes import Platform
from tests.system.chaos import KINDS, Chaos


@pytest.fixture
def platform(tmp_path, monkeypatch):
    monkeypatch.setenv("JOB_RETRY_S", "0")
    monkeypatch.setenv("JOB_MAX_ATTEMPTS", "50")
    platform = Platform(tmp_path, "tests.jobs.scripted.settings")
    yield platform
    platform.close()


def test_nothing_is_lost_done_twice_or_left_over(platform):
    chaos = Chaos(platform)
    chaos.run(jobs=6, kills=20, every_s=0.5)
    seconds = chaos.settle(6)
    assert chaos.count(6) == {"lost": 0, "completed_twice": 0, "published_twice": 0, "gaps": 0, "orphans": 0}
    assert seconds < 60
    assert sum(chaos.kills.values()) == 20
    assert set(KINDS) == {kind for kind, count in chaos.kills.items() if count}
