"""From what gates say to one architecture that fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ml.search.space import Choice, Picked, Space

Load = Callable[[Picked], float]
# How much of a size's probability counts for itself, and for each of its neighbours: they are nearly the same network.
_SMOOTHING = np.array([0.25, 0.5, 0.25])
# How much log probability wider layers may cost, all together, if there is room for them.
_WORTH = 1.0


def most_likely(space: Space, log_chances: Mapping[str, Sequence[float]], load: Load) -> dict[str, int] | None:
    """An architecture with nearly the highest probability among those with a load of at most 1; None if it finds none.

    It starts at the most likely size of each gate. While that is too much, it takes the step down of one width that
    costs the least probability for the load that it saves. What is not a width changes only when widths have nothing
    more to give: gates expect the limit of all depths together, so that the likeliest network is often somewhat too
    wide, and seldom too deep. In the end it takes back what fits, and what is left makes widths larger that gates find
    hardly less likely.
    """
    scores = {choice.name: _scores(choice, log_chances[choice.name]) for choice in space.choices}
    picked = {name: max(sizes, key=sizes.__getitem__) for name, sizes in scores.items()}

    def score(one: Picked) -> float:
        return sum(scores[name][size] for name, size in one.items())

    while (now := load(picked)) > 1.0:
        cheaper: list[tuple[dict[str, int], float]] = []
        for are_widths in (True, False):
            changed = [(one, load(one)) for one in _changes(space, picked, widths=are_widths)]
            cheaper = cheaper or [(one, after) for one, after in changed if after < now - 1e-9]
        if not cheaper:
            return None
        before = score(picked)
        # To save more than is needed is worth nothing.
        picked = min(cheaper, key=lambda found: (before - score(found[0])) / (now - max(found[1], 1.0) + 1e-9))[0]

    def steps() -> list[dict[str, int]]:
        return [one for one in _changes(space, picked, widths=True) if load(one) <= 1.0]

    while better := [one for one in steps() if score(one) > score(picked) + 1e-9]:
        picked = max(better, key=score)
    least = score(picked) - _WORTH
    while wider := [one for one in steps() if load(one) > load(picked) + 1e-9 and score(one) >= least]:
        picked = max(wider, key=score)
    return picked


def _scores(choice: Choice, log_chances: Sequence[float]) -> dict[int, float]:
    """The logarithm of each size's probability; of widths together with their neighbours'."""
    if not choice.is_width or len(choice.sizes) == 1:
        return dict(zip(choice.sizes, log_chances, strict=True))
    padded = np.pad(np.exp(log_chances), 1, mode="edge")
    return dict(zip(choice.sizes, np.log(np.convolve(padded, _SMOOTHING, "valid")).tolist(), strict=True))


def _changes(space: Space, picked: Picked, *, widths: bool) -> list[dict[str, int]]:
    """All architectures that differ in one gate: a width by one step, anything else in any way."""
    found = []
    for choice in space.choices:
        if choice.is_width == widths:
            place = choice.sizes.index(picked[choice.name])
            near = choice.sizes[max(place - 1, 0) : place + 2] if widths else choice.sizes
            found += [{**picked, choice.name: size} for size in near if size != picked[choice.name]]
    return found
