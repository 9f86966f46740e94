"""What an application installs to get its models from a Bantam server, run them, and tell how they do.

    import device_client

    client = device_client.initialize(server="https://…", api_key="dk_…", app_version="2.3.0")
    digits = client.model("digits")
    prediction = digits.predict(image=pixels)
    digits.feedback(prediction, correct="7")

The exceptions are drawn as a tree in `device_client._exceptions`.
"""

from device_client._client import Client, initialize
from device_client._exceptions import (
    ClientClosedError,
    ConfigurationError,
    DeviceClientError,
    ExpiredError,
    FeedbackError,
    FileMismatchError,
    InputError,
    InvalidKeyError,
    ModelError,
    ModelLoadError,
    ModelNotAssignedError,
    ModelNotAvailableError,
    RateLimitedError,
    RollbackError,
    RuntimeTooOldError,
    ServerError,
    ServerRefusedError,
    ServerUnreachableError,
    SignatureError,
    StorageError,
    UntrustedError,
)
from device_client._manifest import Manifest, Target, Withheld
from device_client._model import Model
from device_client._prediction import ModelVersion, Prediction
from device_client._probe import DeviceAttributes, DeviceProbe
from device_client._version import __version__

__all__ = [
    "Client",
    "ClientClosedError",
    "ConfigurationError",
    "DeviceAttributes",
    "DeviceClientError",
    "DeviceProbe",
    "ExpiredError",
    "FeedbackError",
    "FileMismatchError",
    "InputError",
    "InvalidKeyError",
    "Manifest",
    "Model",
    "ModelError",
    "ModelLoadError",
    "ModelNotAssignedError",
    "ModelNotAvailableError",
    "ModelVersion",
    "Prediction",
    "RateLimitedError",
    "RollbackError",
    "RuntimeTooOldError",
    "ServerError",
    "ServerRefusedError",
    "ServerUnreachableError",
    "SignatureError",
    "StorageError",
    "Target",
    "UntrustedError",
    "Withheld",
    "__version__",
    "initialize",
]

# A reader of a traceback sees the name that an application imports.
for _name in __all__:
    if not _name.startswith("__"):
        globals()[_name].__module__ = "device_client"
del _name
