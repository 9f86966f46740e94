"""What can be chosen: for each type of model its gates, the parameters of a choice, and the layers that it means.

A space is made so that every choice is an ordinary ModelSpec of an existing model type.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from ml.features import FeatureSpec
from ml.profiling.reference_models import Kind
from ml.search.layers import Layer, Width
from ml.tasks import TaskSpec

Picked = Mapping[str, int]
Widths = Mapping[str, Width]

# What the converter makes part of the operator before it.
FUSED_ACTIVATIONS = frozenset({"relu", "relu6"})


@dataclass(frozen=True)
class Choice:
    """One gate: the sizes to choose from, small to large.

    `is_width`: they are numbers of channels, of which a few less make nearly the same network.
    """

    name: str
    sizes: tuple[int, ...]
    is_width: bool = True


@dataclass(frozen=True)
class Setting:
    """What is the same for all candidates of a proposal."""

    task: TaskSpec
    feature: FeatureSpec
    activation: str = "relu"

    @property
    def is_sequence(self) -> bool:
        return self.task.type == "sequence"

    @property
    def rows(self) -> int:
        """How many times the last layers work for one example: once, or once a step."""
        return (self.feature.steps or 1) if self.is_sequence else 1

    @property
    def kind(self) -> Kind:
        """What the last layers are to a device profile."""
        return "dense" if self.rows == 1 else "convolution"

    @property
    def activates(self) -> bool:
        """Whether an activation is an operator by itself."""
        return self.activation not in FUSED_ACTIVATIONS


@dataclass(frozen=True)
class Space(ABC):
    """All architectures of one model type that are considered."""

    model_type: str
    setting: Setting
    choices: tuple[Choice, ...]

    @abstractmethod
    def layers(self, widths: Widths) -> list[Layer]:
        """The layers after the front end, for sizes that are certain or only expected."""

    @abstractmethod
    def params(self, picked: Picked) -> dict[str, Any]:
        """The parameters of the model type."""

    def sizes(self, name: str) -> tuple[int, ...]:
        """The sizes of a gate; none if there is no such gate."""
        return next((choice.sizes for choice in self.choices if choice.name == name), ())

    def smallest(self) -> dict[str, int]:
        """The first size of every gate."""
        return {choice.name: choice.sizes[0] for choice in self.choices}

    def cheapest_with(self, name: str, size: int) -> list[dict[str, int]]:
        """Choices with this size of a gate that might be the cheapest ones, or the cheapest sensible ones."""
        first = self.smallest()
        if name == "depth":
            return [{**first, name: size}]
        # A layer is there only in a network that is as deep.
        least = int(name.rpartition("_")[2]) + 1 if name[-1].isdigit() else 0
        return [{**first, "depth": depth, name: size} for depth in self.sizes("depth") if depth >= least]

    def anchors(self) -> list[dict[str, int]]:
        """Choices whose files are measured, smallest first; the front ends of others are like these or between them."""
        return [self.smallest()]

    def with_sizes(self, sizes: Mapping[str, tuple[int, ...]]) -> Self:
        """The same with other sizes for some of its gates."""
        choices = tuple(replace(choice, sizes=sizes.get(choice.name, choice.sizes)) for choice in self.choices)
        return replace(self, choices=choices)


def certain(picked: Picked) -> dict[str, Width]:
    """Sizes that are chosen as widths."""
    return {name: Width.of(size) for name, size in picked.items()}
