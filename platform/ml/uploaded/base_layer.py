"""An uploaded model that tf_keras can't look into, as one layer of a model that is built here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
import tf_keras


class UploadedBase(tf_keras.layers.Layer):  # type: ignore[misc]
    """What `function` makes of the input; of its `variables` those in `learning` are trained.

    `tracked` is what has to be saved along. The layer is in every SavedModel, but it has no config: a model with it
    has no .keras file.
    """

    def __init__(
        self,
        function: Callable[[tf.Tensor], tf.Tensor],
        *,
        variables: Sequence[tf.Variable],
        learning: Sequence[tf.Variable],
        tracked: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._function = function
        self._all = list(variables)
        chosen = {id(variable) for variable in learning}
        self._learns = [id(variable) in chosen for variable in self._all]
        self._uploaded = tracked

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return self._function(inputs)

    @property
    def trainable_weights(self) -> list[tf.Variable]:
        return [one for one, learns in zip(self._all, self._learns, strict=True) if learns and self.trainable]

    @property
    def non_trainable_weights(self) -> list[tf.Variable]:
        return [one for one, learns in zip(self._all, self._learns, strict=True) if not (learns and self.trainable)]

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError("an uploaded model that tf_keras can't look into has no place in a .keras file")
