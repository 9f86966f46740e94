"""What an application may import, and what importing costs it."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import device_client
from device_client import _exceptions


def test_the_public_names_are_these():
    assert device_client.__all__ == [
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


def test_every_public_name_is_there_and_says_that_it_belongs_to_the_package():
    for name in device_client.__all__:
        value = getattr(device_client, name)
        if name != "__version__":
            assert value.__module__ == "device_client", name


def test_every_exception_is_public_has_its_place_in_the_drawn_tree_and_a_code_of_its_own():
    classes = {
        name: value
        for name, value in vars(_exceptions).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    }
    assert set(classes) <= set(device_client.__all__)
    drawn = _drawn_tree()
    assert drawn == {
        name: next(base.__name__ for base in value.__mro__[1:] if base.__name__ in {*classes, "Exception"})
        for name, value in classes.items()
    }


def _drawn_tree() -> dict[str, str]:
    """Exception → its parent, as the module's docstring draws it."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in (_exceptions.__doc__ or "").splitlines():
        name = line.lstrip("│├└─ ").split(" ")[0]
        if not name.endswith("Error"):
            continue
        depth = (len(line) - len(line.lstrip("│├└─ "))) // 4
        path = [*path[:depth], name]
        parents[name] = path[depth - 1] if depth else "Exception"
    return parents


def test_importing_loads_nothing_heavy_and_touches_no_network():
    code = (
        "import json, socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('network at import')\n"
        "socket.socket.connect = refuse\n"
        "import device_client\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))\n"
    )
    paths = [path for path in sys.path if path]
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}\n{code}"]
    loaded = set(json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout))
    assert "device_client" in loaded
    assert not loaded & {"tensorflow", "keras", "tf_keras", "django", "rest_framework", "ml", "apps", "config", "PIL"}
