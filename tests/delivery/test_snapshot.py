"""decide() is pure: these tests have no database."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.delivery.snapshot import Attributes, PublishedModel, Snapshot, decide, version_tuple

DIGITS = PublishedModel(
    slug="digits",
    version=UUID(int=1),
    number=3,
    revision=2,
    bytes=100,
    sha256="0" * 64,
    min_runtime="2.17.0",
    task="classification",
)
SNAPSHOT = Snapshot(UUID(int=9), 5, (DIGITS,))


def device(runtime: str) -> Attributes:
    return Attributes(installation=uuid4(), runtime_version=runtime)


@pytest.mark.parametrize("runtime", ["2.17.0", "2.17", "2.17.1", "2.20.0", "3.0", "2.17.0-rc1"])
def test_a_device_whose_runtime_is_new_enough_gets_the_version(runtime):
    decision = decide(SNAPSHOT, device(runtime))
    assert [(item.model, item.rule) for item in decision.assigned] == [(DIGITS, "default")]
    assert decision.withheld == ()


@pytest.mark.parametrize(
    ("runtime", "reason"),
    [("2.16.9", "runtime_too_old"), ("1.99", "runtime_too_old"), ("2.9.0", "runtime_too_old"), ("", "runtime_unknown")],
)
def test_a_device_that_can_not_run_it_is_told_why(runtime, reason):
    decision = decide(SNAPSHOT, device(runtime))
    assert decision.assigned == ()
    (withheld,) = decision.withheld
    assert withheld.as_json() == {
        "model": "digits",
        "version": str(DIGITS.version),
        "reason": reason,
        "min_runtime": "2.17.0",
    }


def test_a_version_that_states_no_runtime_goes_to_every_device():
    snapshot = replace(SNAPSHOT, models=(replace(DIGITS, min_runtime=""),))
    assert len(decide(snapshot, device("")).assigned) == 1


def test_each_model_is_decided_by_itself():
    newer = replace(DIGITS, slug="sounds", min_runtime="2.20.0")
    decision = decide(replace(SNAPSHOT, models=(DIGITS, newer)), device("2.18.0"))
    assert [item.model.slug for item in decision.assigned] == ["digits"]
    assert [item.model.slug for item in decision.withheld] == ["sounds"]


@given(
    one=st.uuids(),
    other=st.uuids(),
    platform=st.text(max_size=5),
    ram=st.none() | st.integers(0, 10**6),
    runtime=st.sampled_from(["", "2.16.0", "2.17.0", "2.21.0"]),
)
def test_devices_that_get_the_same_share_one_decision(one, other, platform, ram, runtime):
    first = decide(SNAPSHOT, Attributes(installation=one, runtime_version=runtime))
    second = decide(SNAPSHOT, Attributes(installation=other, platform=platform, ram_mb=ram, runtime_version=runtime))
    assert first == second
    assert hash(first) == hash(second)


@given(st.lists(st.integers(0, 10**8), min_size=1, max_size=5))
def test_version_tuple_reads_what_was_written(numbers):
    assert version_tuple(".".join(map(str, numbers)) + "+local") == (*numbers, *[0] * (3 - len(numbers)))


@pytest.mark.parametrize("text", ["", "  ", "latest", "v2.17", "-1"])
def test_version_tuple_of_no_version_is_none(text):
    assert version_tuple(text) is None
