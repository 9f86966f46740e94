"""Inception-v3: convolutions of several sizes side by side, large ones split into a row and a column.

Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (2016), section 6 and table 1. Built by
keras.applications.
"""

from __future__ import annotations

from typing import Any

from ml.architectures import published
from ml.architectures.base import BuildContext, ModelType


class InceptionV3Params(published.PublishedParams):
    @property
    def smallest_side(self) -> int:
        return 75

    def network(self, pictures: Any, weights: str | None, context: BuildContext) -> Any:
        from tf_keras import applications

        shape = tuple(pictures.shape[1:])
        return applications.InceptionV3(
            input_tensor=pictures, input_shape=shape, include_top=False, weights=weights
        ).output


MODEL_TYPE = ModelType(
    name="inception_v3",
    title="Inception v3",
    description="22 million parameters, for pictures of at least 75x75: a trainer, best with pre-trained weights.",
    params=InceptionV3Params,
    encode=published.encode,
    takes=published.TAKES,
)
