"""Every exception of the package.

DeviceClientError
├── ConfigurationError            an argument of initialize() or model() can't be used (also a ValueError)
├── ClientClosedError             the client was used after close()
├── StorageError                  the directory can't be written, is full, or another process holds it too long
├── ServerError
│   ├── ServerUnreachableError    no answer: name not found, connection refused or broken, timeout
│   └── ServerRefusedError        an answer that is an error; has .status, .code and .details
│       ├── InvalidKeyError       401 or 403: the key is unknown, revoked, or not a device key
│       └── RateLimitedError      429; has .retry_after
├── UntrustedError                what the server sent must not be used
│   ├── SignatureError            forged, or signed by keys that this device does not trust
│   ├── RollbackError             older than what this device has already seen
│   ├── ExpiredError              older than its own expiry date, by the clock of this device
│   └── FileMismatchError         a file's length or SHA-256 is not the signed one
├── ModelError
│   ├── ModelNotAssignedError     the server offers no version of this model to this device
│   ├── ModelNotAvailableError    there is no usable copy on this device (yet)
│   ├── RuntimeTooOldError        the model needs a newer LiteRT than the one installed
│   └── ModelLoadError            LiteRT can't load or run the file
├── InputError                    predict() got something that the model does not accept (also a ValueError)
└── FeedbackError                 feedback() got something that does not fit the prediction (also a ValueError)

Every exception has a `code`: a stable word in snake_case that is also what `failed` events carry.
"""

from __future__ import annotations

from typing import Any


class DeviceClientError(Exception):
    """Base of everything that this package raises on purpose."""

    code = "device_client_error"


class ConfigurationError(DeviceClientError, ValueError):
    code = "configuration_error"


class ClientClosedError(DeviceClientError):
    code = "client_closed"


class StorageError(DeviceClientError):
    code = "storage_error"


class ServerError(DeviceClientError):
    code = "server_error"


class ServerUnreachableError(ServerError):
    code = "server_unreachable"


class ServerRefusedError(ServerError):
    """The server answered with an error.

    Attributes:
        status: the HTTP status.
        code: the server's own error code, or `http_<status>` when the answer carries none.
        details: the server's details, a list of objects; empty when there are none.
        retry_after: seconds that the server asked to wait, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str,
        details: list[Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = details or []
        self.retry_after = retry_after


class InvalidKeyError(ServerRefusedError):
    pass


class RateLimitedError(ServerRefusedError):
    pass


class UntrustedError(DeviceClientError):
    code = "untrusted"


class SignatureError(UntrustedError):
    code = "bad_signature"


class RollbackError(UntrustedError):
    code = "rollback_refused"


class ExpiredError(UntrustedError):
    code = "expired"


class FileMismatchError(UntrustedError):
    code = "file_mismatch"


class ModelError(DeviceClientError):
    code = "model_error"


class ModelNotAssignedError(ModelError):
    code = "model_not_assigned"


class ModelNotAvailableError(ModelError):
    code = "model_not_available"


class RuntimeTooOldError(ModelError):
    code = "runtime_too_old"


class ModelLoadError(ModelError):
    code = "model_load_failed"


class InputError(DeviceClientError, ValueError):
    code = "bad_input"


class FeedbackError(DeviceClientError, ValueError):
    code = "bad_feedback"
