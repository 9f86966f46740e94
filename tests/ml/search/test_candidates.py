"""Candidates are made to fit by what their files really cost."""

from __future__ import annotations

import pytest

from ml.search.candidates import Draft, fitted, of_row
from ml.search.pricing import Limits, Price

DRAFTS = [Draft({"units": [width]}, Price(100 * width, 0.01 * width)) for width in (1, 2, 4, 8)]
SOURCE = of_row("dense", "feed_forward", DRAFTS)


def units(model):
    return model.params.units[0]


def test_the_largest_that_fits_is_taken():
    candidate = fitted(SOURCE, Limits(max_bytes=450), lambda model: Price(100 * units(model), 0.0))
    assert (candidate.model.id, candidate.model.model_type, units(candidate.model)) == ("dense", "feed_forward", 4)
    assert (candidate.estimate.bytes, candidate.price.bytes) == (400, 400)


@pytest.mark.parametrize(("factor", "expected"), [(1.1, 4), (1.2, 2), (3.0, 1)])
def test_estimates_that_were_too_low_make_it_smaller(factor, expected):
    candidate = fitted(SOURCE, Limits(max_bytes=450), lambda model: Price(factor * 100 * units(model), 0.0))
    assert units(candidate.model) == expected
    assert candidate.price.bytes <= 450


def test_both_limits_count():
    candidate = fitted(SOURCE, Limits(900, 0.05), lambda model: Price(100, 0.01 * units(model)))
    assert units(candidate.model) == 4


def test_what_never_fits_is_left_out():
    assert fitted(SOURCE, Limits(max_bytes=450), lambda model: Price(1000, 0.0)) is None
    assert fitted(SOURCE, Limits(max_bytes=50), lambda model: Price(100, 0.0)) is None


def test_a_load_is_the_largest_share_of_a_limit():
    price = Price(50, 0.3)
    assert Limits().load(price) == 0.0
    assert Limits(max_bytes=100).load(price) == 0.5
    assert Limits(max_bytes=100, max_ms=0.2).load(price) == pytest.approx(1.5)
    assert not Limits(max_bytes=100, max_ms=0.2).fits(price)


def test_limits_are_tightened_by_what_was_too_much_alone():
    limits = Limits(max_bytes=100, max_ms=1.0)
    tighter = limits.tightened(Price(90, 0.5), Price(120, 0.6))
    assert tighter.max_bytes == pytest.approx(90 * 0.995 * 100 / 120)
    assert tighter.max_ms == 1.0
