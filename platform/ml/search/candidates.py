"""Models that might be proposed, each made as large as the budget lets it be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ml.search.architecture_search import Found
from ml.search.decoding import most_likely
from ml.search.family import Skeleton
from ml.search.pricing import Limits, Price, Pricing
from ml.search.space import Picked
from ml.specs import ModelSpec

Origin = Literal["search", "family"]
TRIES = 6


@dataclass(frozen=True)
class Draft:
    """Parameters of a model type, and what they are estimated to cost."""

    params: Mapping[str, Any]
    estimate: Price


@dataclass(frozen=True)
class Source:
    """Where a candidate comes from: `draft` gives the best one within limits, or None if there is none."""

    name: str
    model_type: str
    origin: Origin
    draft: Callable[[Limits], Draft | None]


@dataclass(frozen=True)
class Candidate:
    """A model that fits: what its file was estimated to cost, and what it costs."""

    source: Source
    model: ModelSpec
    estimate: Price
    price: Price


def of_skeleton(skeleton: Skeleton, pricing: Pricing) -> Source:
    """The largest of a row that fits."""
    space = skeleton.space
    drafts = [Draft(space.params(picked), pricing.of_picked(space, picked)) for picked in skeleton.steps]
    return of_row(skeleton.name, space.model_type, drafts)


def of_row(name: str, model_type: str, drafts: Sequence[Draft]) -> Source:
    """The last of `drafts`, small to large, that fits."""

    def draft(limits: Limits) -> Draft | None:
        return next((one for one in reversed(drafts) if limits.fits(one.estimate)), None)

    return Source(name, model_type, "family", draft)


def of_gates(found: Found, pricing: Pricing) -> Source:
    """The most likely architecture that fits, by what the gates of a branch have learned."""
    space = found.branch.space

    def draft(limits: Limits) -> Draft | None:
        def load(picked: Picked) -> float:
            return limits.load(pricing.of_picked(space, picked))

        picked = most_likely(space, found.log_chances, load)
        return None if picked is None else Draft(space.params(picked), pricing.of_picked(space, picked))

    return Source(f"{space.model_type}-search", space.model_type, "search", draft)


def model_of(name: str, model_type: str, params: Mapping[str, Any]) -> ModelSpec:
    """A ModelSpec as a person would write it."""
    return ModelSpec.model_validate({"id": name, "model_type": model_type, "params": dict(params)})


def fitted(source: Source, limits: Limits, price_of: Callable[[ModelSpec], Price]) -> Candidate | None:
    """The source's best model whose real file is within the limits, or None.

    An estimate that was too low makes the limits of the next try lower by as much.
    """
    allowed = limits
    for _ in range(TRIES):
        draft = source.draft(allowed)
        if draft is None:
            return None
        model = model_of(source.name, source.model_type, draft.params)
        price = price_of(model)
        if limits.fits(price):
            return Candidate(source, model, draft.estimate, price)
        allowed = limits.tightened(draft.estimate, price).at_most(allowed)
    return None
