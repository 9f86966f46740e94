"""The registry of model types. Importing it does not import TensorFlow: each builder does so when it is called."""

from ml.architectures import (
    bilstm,
    cnn,
    depthwise_cnn,
    feed_forward,
    inception_v3,
    lstm,
    mobilenet,
    multimodal,
    nasnet_mobile,
    projection,
    projection_cnn,
    projection_sparse,
    qrnn,
    resnet,
    saved_model,
    transfer,
)
from ml.architectures.base import BuildContext, ModelParams, ModelType

MODEL_TYPES: dict[str, ModelType] = {
    module.MODEL_TYPE.name: module.MODEL_TYPE
    for module in (
        feed_forward,
        projection,
        projection_sparse,
        projection_cnn,
        cnn,
        depthwise_cnn,
        mobilenet,
        nasnet_mobile,
        inception_v3,
        resnet,
        lstm,
        bilstm,
        qrnn,
        multimodal,
        transfer,
        saved_model,
    )
}

__all__ = ["MODEL_TYPES", "BuildContext", "ModelParams", "ModelType"]
