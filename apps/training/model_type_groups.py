"""The model types as a person chooses among them: by family, and those apart that can't work on the data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ml.specs import MODEL_TYPES

FAMILIES = {
    "Dense and projection": ("feed_forward", "projection", "projection_sparse"),
    "Convolutional": ("cnn", "depthwise_cnn", "projection_cnn"),
    "Step after step": ("qrnn", "lstm", "bilstm"),
    "Published networks": ("mobilenet", "nasnet_mobile", "inception_v3", "resnet"),
    "From what is trained already": ("transfer", "saved_model"),
    "Several inputs": ("multimodal",),
}
FAMILY_OF = {name: family for family, names in FAMILIES.items() for name in names}
OTHER, UNFIT = "Other", "Not for this data"


@dataclass(frozen=True)
class OptionGroup:
    """Options under one heading, each with whether it is chosen. The heading of an unknown choice is empty."""

    label: str
    options: list[tuple[str, bool]]


def model_type_groups(
    features: Sequence[str], *, task: str | None, is_trainer: bool, chosen: str
) -> tuple[OptionGroup, ...]:
    """All model types for inputs of the types `features`, grouped. A choice that is none of them is kept, and shown."""
    groups: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    if chosen not in MODEL_TYPES:
        groups[""].append((chosen, True))
    for name in MODEL_TYPES:
        fits = _fits(name, features, task=task, is_trainer=is_trainer)
        groups[FAMILY_OF.get(name, OTHER) if fits else UNFIT].append((name, name == chosen))
    order = ["", *FAMILIES, OTHER, UNFIT]
    return tuple(OptionGroup(label, groups[label]) for label in order if label in groups)


def _fits(name: str, features: Sequence[str], *, task: str | None, is_trainer: bool) -> bool:
    """Whether a model type works on such data at all; whether its parameters do is for the spec to say."""
    kind = MODEL_TYPES[name]
    if kind.is_trainer_only and not is_trainer:
        return False
    if len(features) > 1 and not kind.takes_several:
        return False
    return all(feature in kind.takes for feature in features) and (task != "sequence" or features[0] in kind.steps)
