"""Which example goes where: by seed, stratified by class, and copies of one example always together."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ml.refusal import Detail, RefusedError

SPLITS = ("train", "validation", "test")
UNLABELLED = "unlabelled"
_NAMES = {
    **{name: name for name in (*SPLITS, UNLABELLED)},
    **dict.fromkeys(("training",), "train"),
    **dict.fromkeys(("val", "valid", "dev"), "validation"),
    **dict.fromkeys(("testing",), "test"),
    **dict.fromkeys(("unlabeled",), UNLABELLED),
}
ACCEPTED_NAMES = "train, validation (val, valid, dev), test or unlabelled"


def read_split(name: str) -> str | None:
    """The split that a name stands for, or None."""
    return _NAMES.get(name.strip().lower())


def check_fractions(*, validation: float, test: float) -> None:
    """Raises RefusedError `invalid_fractions`."""
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise RefusedError(
            "invalid_fractions",
            f"The fractions leave nothing to train on. Received: validation {validation}, test {test}. "
            "Accepted: each from 0 to below 1, together below 1.",
        )


def assign_splits(
    labels: npt.NDArray[np.int32],
    groups: npt.NDArray[np.int32],
    *,
    names: Sequence[str] | None,
    seed: int,
    validation: float,
    test: float,
    is_strict: bool = True,
) -> npt.NDArray[np.int8]:
    """The place in SPLITS for each example.

    `labels` [examples] are classes, all zero where there are none; `groups` [examples] is equal for exact copies.
    Examples of one class and group get the same split. Every class gets at least one example in each split whose
    fraction is above zero. `names` are those of the classes by number, None for no classes. Raises RefusedError
    `class_too_small` or, without classes, `too_few_examples` if there are too few different examples for that; unless
    `is_strict` is false: then a small class stays in train.
    """
    check_fractions(validation=validation, test=test)
    order = np.lexsort((groups, labels))
    differs = (np.diff(labels[order]) != 0) | (np.diff(groups[order]) != 0)
    starts = np.append(0, np.flatnonzero(differs) + 1)[: len(order)]  # of each pool: what stays together
    sizes = np.diff(np.append(starts, len(order)))
    pool_labels = labels[order][starts]
    needed = 1 + (validation > 0) + (test > 0)
    if is_strict:
        _check_sizes(pool_labels, names, needed=needed)

    assigned = np.zeros(len(labels), np.int8)
    borders = np.flatnonzero(np.diff(pool_labels)) + 1
    for first, last in zip([0, *borders.tolist()], [*borders.tolist(), len(starts)], strict=True):
        if first == last:
            continue
        label = names[pool_labels[first]] if names else ""
        pools = list(range(first, last))
        random.Random(f"{seed}/{label}").shuffle(pools)  # noqa: S311 — reproducible, not secret
        total = int(sizes[first:last].sum())
        for split, fraction in (("test", test), ("validation", validation)):
            wanted, taken = max(1, round(fraction * total)) if fraction else 0, 0
            # One pool must stay for each split that is still to be filled, train last.
            keep = 1 + (split == "test" and validation > 0)
            while taken < wanted and len(pools) > keep:
                pool = pools.pop()
                assigned[order[starts[pool] : starts[pool] + sizes[pool]]] = SPLITS.index(split)
                taken += int(sizes[pool])
    return assigned


def _check_sizes(pool_labels: npt.NDArray[np.int32], names: Sequence[str] | None, *, needed: int) -> None:
    if names is None:
        if len(pool_labels) < needed:
            raise RefusedError(
                "too_few_examples",
                f"There are too few different examples to be in every split. Received: {len(pool_labels)}. "
                f"Accepted: at least {needed}.",
            )
        return
    present, counts = np.unique(pool_labels, return_counts=True)
    small = {names[label]: int(count) for label, count in zip(present, counts, strict=True) if count < needed}
    if small:
        listed = ", ".join(f"'{label}' has {size}" for label, size in sorted(small.items())[:5])
        details: list[Detail] = [
            {"field": label, "message": f"{size} different examples; at least {needed} are needed"}
            for label, size in sorted(small.items())[:20]
        ]
        raise RefusedError(
            "class_too_small",
            f"A class has too few different examples to be in every split. Received: {listed}. "
            f"Accepted: at least {needed} for each class.",
            details,
        )
