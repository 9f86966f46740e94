"""Which example goes where: stratified by class, by seed, and copies of one image always together."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from ml.refusal import Detail, RefusedError

SPLITS = ("train", "validation", "test")


def assign_splits(
    labels: Sequence[str], groups: Sequence[str], *, seed: int, validation: float, test: float
) -> list[str]:
    """A split for each example. Examples of the same class and group (an identical image) get the same split.

    Every class gets at least one example in each split whose fraction is above zero. Raises RefusedError
    `class_too_small` if a class has too few different examples for that.
    """
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise RefusedError(
            "invalid_fractions",
            f"The fractions leave nothing to train on. Received: validation {validation}, test {test}. "
            "Accepted: each from 0 to below 1, together below 1.",
        )
    members: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, (label, group) in enumerate(zip(labels, groups, strict=True)):
        members[label][group].append(index)
    needed = 1 + (validation > 0) + (test > 0)
    _check_sizes({label: len(found) for label, found in members.items()}, needed=needed)
    assigned = ["train"] * len(labels)
    for label in sorted(members):
        pools = [members[label][group] for group in sorted(members[label])]
        random.Random(f"{seed}/{label}").shuffle(pools)  # noqa: S311 — reproducible, not secret
        total = sum(map(len, pools))
        for split, fraction in (("test", test), ("validation", validation)):
            wanted, taken = max(1, round(fraction * total)) if fraction else 0, 0
            # One pool must stay for each split that is still to be filled, train last.
            keep = 1 + (split == "test" and validation > 0)
            while taken < wanted and len(pools) > keep:
                for index in pools[-1]:
                    assigned[index] = split
                taken += len(pools.pop())
    return assigned


def _check_sizes(sizes: dict[str, int], *, needed: int) -> None:
    small = {label: size for label, size in sorted(sizes.items()) if size < needed}
    if small:
        listed = ", ".join(f"'{label}' has {size}" for label, size in list(small.items())[:5])
        details: list[Detail] = [
            {"field": label, "message": f"{size} different examples; at least {needed} are needed"}
            for label, size in small.items()
        ]
        raise RefusedError(
            "class_too_small",
            f"A class has too few different examples to be in every split. Received: {listed}. "
            f"Accepted: at least {needed} for each class.",
            details,
        )
