"""The MobileNets: networks of depthwise separable convolutions, whose width is a parameter.

v1: Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications" (2017), table 1;
v2: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (2018), table 2;
v3: Howard et al., "Searching for MobileNetV3" (2019), tables 1 (large) and 2 (small). Built by keras.applications.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from ml.architectures import published
from ml.architectures.base import BuildContext, ModelType

# The widths for which there are weights to download.
_IMAGENET_ALPHAS = {
    "v1": (0.25, 0.5, 0.75, 1.0),
    "v2": (0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
    "v3_small": (0.75, 1.0),
    "v3_large": (0.75, 1.0),
}


class MobilenetParams(published.PublishedParams):
    version: Literal["v1", "v2", "v3_small", "v3_large"] = Field(
        default="v2", title="Version", description="Which of the published networks."
    )
    alpha: float = Field(
        default=1.0,
        ge=0.1,
        le=2.0,
        title="Width (alpha)",
        description="Share of the published number of filters in each layer. Parameters go with its square.",
    )

    @model_validator(mode="after")
    def check_alpha(self) -> Self:
        alphas = _IMAGENET_ALPHAS[self.version]
        if self.weights == published.IMAGENET and self.alpha not in alphas:
            raise ValueError(
                f"there are no {published.IMAGENET} weights of {self.version} in this width. "
                f"Received: alpha {self.alpha:g}. Accepted: {', '.join(f'{alpha:g}' for alpha in alphas)}"
            )
        return self

    def network(self, pictures: Any, weights: str | None, context: BuildContext) -> Any:
        from tf_keras import applications

        shared = {
            "input_tensor": pictures,
            "input_shape": tuple(pictures.shape[1:]),
            "alpha": self.alpha,
            "include_top": False,
            "weights": weights,
        }
        match self.version:
            case "v1":
                return applications.MobileNet(**shared).output
            case "v2":
                return applications.MobileNetV2(**shared).output
            case "v3_small":
                return applications.MobileNetV3Small(include_preprocessing=False, **shared).output
        return applications.MobileNetV3Large(include_preprocessing=False, **shared).output


MODEL_TYPE = ModelType(
    name="mobilenet",
    title="MobileNet",
    description="The published networks for phones, v1 to v3, in any width. Good with pre-trained weights.",
    params=MobilenetParams,
    encode=published.encode,
    takes=published.TAKES,
)
