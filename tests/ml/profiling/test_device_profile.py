"""Profiles as files, and what they say of an operation."""

from __future__ import annotations

import json

import pytest

from ml.profiling.device_profile import DeviceProfile, Speed, profile_of
from ml.refusal import RefusedError
from ml.specs import Budget
from tests.ml.profiling.profiles import plain_profile


def test_outputs_are_worked_on_in_groups():
    speed = Speed(overhead_ms=0, ms_per_million=1, tile=8)
    assert [speed.padded(outputs) for outputs in (1, 8, 9, 16)] == [8, 8, 16, 16]


def test_a_written_profile_is_read_again(tmp_path):
    plain_profile().write(tmp_path / "phone.json")
    assert DeviceProfile.read(tmp_path / "phone.json") == plain_profile()


def test_numbers_that_were_not_measured_are_taken_as_floats():
    profile = plain_profile()
    assert profile.speed("convolution", "int8").ms_per_million == 0.005
    assert profile.speed("dense", "int8") == profile.speeds["dense/float32"]
    assert profile.speed("scalar", "float32") == profile.speeds["scalar/int32"]


def test_a_budget_names_its_profile_beside_the_spec(tmp_path):
    plain_profile(factor=2).write(tmp_path / "devices" / "phone.json")
    budget = Budget(max_latency_ms=1, device_profile="devices/phone.json")
    assert profile_of(budget, tmp_path) == plain_profile(factor=2)
    assert profile_of(Budget(max_latency_ms=1), tmp_path) is None


def plain_speeds():
    return plain_profile().model_dump()["speeds"]


def changed(**fields):
    return json.dumps({**plain_profile().model_dump(), **fields})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"\(No such file or directory\)"),
        ("{", "Invalid JSON"),
        ("[]", "should be an object"),
        (changed(version=2), "not a version of this format"),
        (changed(speeds={"dense/float32": {"overhead_ms": 0, "ms_per_million": 1}}), "lack convolution/float32"),
        (changed(invoke_ms=-1), "invoke_ms"),
        (changed(invoke_ms=float("nan")), "invoke_ms"),
        (changed(invoke_ms=float("inf")), "invoke_ms: Input should be a finite number"),
        (changed(speeds={**plain_speeds(), "dense/int9": {"overhead_ms": 0, "ms_per_million": 1}}), "dense/int9"),
        (changed(colour="red"), "colour"),
    ],
)
def test_what_is_no_profile_is_refused(tmp_path, content, said):
    if content is not None:
        (tmp_path / "phone.json").write_text(content)
    with pytest.raises(RefusedError, match=said) as refused:
        profile_of(Budget(max_latency_ms=1, device_profile="phone.json"), tmp_path)
    assert refused.value.code == "unreadable_profile"
    assert refused.value.details[0]["field"] == "budget.device_profile"
    assert "Received: phone.json" in refused.value.message
