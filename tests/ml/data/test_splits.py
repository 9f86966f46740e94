from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.data.splits import SPLITS, assign_splits, read_split
from ml.refusal import RefusedError


def split(labels, groups=None, *, seed=7, validation=0.1, test=0.2, has_classes=True, is_strict=True):
    names = sorted(set(labels))
    assigned = assign_splits(
        np.array([names.index(label) for label in labels], np.int32),
        np.array(range(len(labels)) if groups is None else groups, np.int32),
        names=names if has_classes else None,
        seed=seed,
        validation=validation,
        test=test,
        is_strict=is_strict,
    )
    return [SPLITS[place] for place in assigned]


def test_fractions_hold_within_each_class():
    labels = ["a"] * 100 + ["b"] * 50
    counts = Counter(zip(labels, split(labels), strict=True))
    assert counts == {
        ("a", "train"): 70,
        ("a", "validation"): 10,
        ("a", "test"): 20,
        ("b", "train"): 35,
        ("b", "validation"): 5,
        ("b", "test"): 10,
    }


def test_the_seed_alone_decides():
    labels = ["a", "b"] * 50
    assert split(labels) == split(labels)
    assert split(labels) != split(labels, seed=8)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30)), min_size=1, max_size=120),
    st.sampled_from([(0.1, 0.2), (0.0, 0.3), (0.2, 0.0), (0.0, 0.0), (0.45, 0.45)]),
)
def test_copies_stay_together_and_every_class_is_in_every_split(examples, fractions):
    validation, test = fractions
    labels = [label for label, _ in examples]
    groups = [group for _, group in examples]
    wanted = {"train"} | ({"validation"} if validation else set()) | ({"test"} if test else set())
    different = Counter(label for label, _ in set(examples))
    if min(different.values()) < len(wanted):
        with pytest.raises(RefusedError):
            split(labels, groups, validation=validation, test=test)
        return
    assigned = split(labels, groups, validation=validation, test=test)
    together: dict[tuple[str, int], set[str]] = {}
    for label, group, name in zip(labels, groups, assigned, strict=True):
        together.setdefault((label, group), set()).add(name)
    assert all(len(names) == 1 for names in together.values())
    for label in set(labels):
        assert {name for one, name in zip(labels, assigned, strict=True) if one == label} == wanted


def test_a_class_with_one_example_is_refused_by_name():
    with pytest.raises(RefusedError, match="'rare' has 1") as caught:
        split(["common"] * 10 + ["rare"])
    assert caught.value.code == "class_too_small"
    assert caught.value.details == [{"field": "rare", "message": "1 different examples; at least 3 are needed"}]


def test_without_strictness_a_small_class_stays_in_train():
    assigned = split(["common"] * 10 + ["rare"], is_strict=False)
    assert assigned[-1] == "train"
    assert Counter(assigned) == {"train": 8, "validation": 1, "test": 2}


def test_without_classes_all_examples_are_one_pool():
    assert Counter(split(["x"] * 20, has_classes=False)) == {"train": 14, "validation": 2, "test": 4}
    with pytest.raises(RefusedError, match="Received: 2") as caught:
        split(["x"] * 4, [0, 0, 1, 1], has_classes=False)
    assert caught.value.code == "too_few_examples"


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (-0.1, 0.2), (0.1, 1.0)])
def test_fractions_that_leave_nothing_are_refused(fractions):
    with pytest.raises(RefusedError, match="Received: validation"):
        split(["a"] * 10, validation=fractions[0], test=fractions[1])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Train", "train"), ("val", "validation"), (" dev ", "validation"), ("TEST", "test"), ("unlabeled", "unlabelled")],
)
def test_splits_have_several_names(name, expected):
    assert read_split(name) == expected
    assert read_split(f"{name}ing ground") is None
