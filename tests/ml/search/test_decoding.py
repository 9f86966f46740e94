"""From chances to one architecture."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ml.search.decoding import most_likely
from tests.ml.search.settings import space_of


def log_chances(space, likely):
    """0.7 for the likely size of each gate, the rest for the others."""
    found = {}
    for choice in space.choices:
        chances = np.full(len(choice.sizes), 0.3 / max(len(choice.sizes) - 1, 1))
        chances[choice.sizes.index(likely[choice.name])] = 0.7
        found[choice.name] = np.log(chances / chances.sum()).tolist()
    return found


LIKELY = {"depth": 1, "units_0": 48, "units_1": 24}


def weights(picked):
    """Of a network with 100 inputs and 10 outputs."""
    widths = [100, *(picked[f"units_{index}"] for index in range(picked["depth"])), 10]
    return sum(a * b for a, b in pairwise(widths))


def chosen(limit):
    space = space_of("feed_forward")
    return most_likely(space, log_chances(space, LIKELY), lambda picked: weights(picked) / limit)


def test_what_fits_exactly_is_taken_as_it_is():
    assert {name: chosen(weights(LIKELY))[name] for name in ("depth", "units_0")} == {"depth": 1, "units_0": 48}


def test_what_is_too_much_gets_narrower_before_it_gets_another_depth():
    picked = chosen(0.6 * weights(LIKELY))
    assert (picked["depth"], picked["units_0"]) == (1, 24)
    # Less than the narrowest layer of this depth: 8 · 110.
    assert chosen(870) is None or chosen(870)["depth"] == 0


def test_what_is_left_widens_a_layer_only_while_the_gates_do_not_mind():
    roomy = chosen(100 * weights(LIKELY))
    assert roomy["depth"] == 1
    assert 48 <= roomy["units_0"] <= 64


def test_nothing_is_chosen_where_nothing_fits():
    space = space_of("feed_forward")
    assert most_likely(space, log_chances(space, LIKELY), lambda picked: 2.0) is None
