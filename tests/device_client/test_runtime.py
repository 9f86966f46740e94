from __future__ import annotations

import pytest

from device_client._runtime import runtime_version, satisfies, tensorflow_lite_version_of, version_tuple


@pytest.mark.parametrize(
    ("litert", "tensorflow_lite"),
    [
        ("1.0.1", "2.17.0"),
        ("1.4.0", "2.20.0"),
        ("2.0.3", "2.21.0"),
        ("2.1.6", "2.22.0"),
        ("2.3.0", "2.22.0"),
        ("3.0.0rc1", "2.22.0"),
    ],
)
def test_a_litert_release_implements_a_tensorflow_lite_version(litert, tensorflow_lite):
    assert tensorflow_lite_version_of(litert) == tensorflow_lite


def test_litert_2_runs_a_model_that_needs_2_17_though_its_own_number_is_lower():
    assert satisfies("2.17.0", tensorflow_lite_version_of("2.3.0"))
    assert not satisfies("2.17.0", "2.3.0")


@pytest.mark.parametrize(
    ("minimum", "satisfied"),
    [(None, True), ("", True), ("1.5.0", True), ("2.9.0", True), ("2.22", True), ("2.22.1", False), ("3.0.0", False)],
)
def test_a_minimum_is_compared_number_by_number(minimum, satisfied):
    assert satisfies(minimum, "2.22.0") is satisfied


def test_the_installed_litert_is_known():
    assert version_tuple(runtime_version()) >= (2, 22, 0)
