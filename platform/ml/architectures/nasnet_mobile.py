"""NASNet-A (4 @ 1056): cells found by a search on CIFAR-10, put together for phones.

Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition" (2018), figure 4 and table 3. Built by
keras.applications.
"""

from __future__ import annotations

from typing import Any

from ml.architectures import published
from ml.architectures.base import BuildContext, ModelType


class NasnetMobileParams(published.PublishedParams):
    def network(self, pictures: Any, weights: str | None, context: BuildContext) -> Any:
        from tf_keras import applications

        shape = tuple(pictures.shape[1:])
        return applications.NASNetMobile(
            input_tensor=pictures, input_shape=shape, include_top=False, weights=weights
        ).output


MODEL_TYPE = ModelType(
    name="nasnet_mobile",
    title="NASNet mobile",
    description="A network of cells that were found by search: 4 million parameters, slow to build, a strong trainer.",
    params=NasnetMobileParams,
    encode=published.encode,
    takes=published.TAKES,
)
