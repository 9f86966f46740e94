"""The registry of model types. Importing it does not import TensorFlow: each builder does so when it is called."""

from ml.architectures import cnn, depthwise_cnn, feed_forward, projection
from ml.architectures.base import BuildContext, ModelParams, ModelType

MODEL_TYPES: dict[str, ModelType] = {
    module.MODEL_TYPE.name: module.MODEL_TYPE for module in (feed_forward, projection, cnn, depthwise_cnn)
}

__all__ = ["MODEL_TYPES", "BuildContext", "ModelParams", "ModelType"]
