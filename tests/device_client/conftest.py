"""A simulated server, and clients of it without background threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import device_client
from tests.device_client.server_simulator import ServerSimulator

MakeClient = Callable[..., device_client.Client]


@pytest.fixture
def server() -> ServerSimulator:
    return ServerSimulator()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "device"


@pytest.fixture
def make_client(server: ServerSimulator, directory: Path) -> Iterator[MakeClient]:
    """Make clients of `server` in `directory`, as one process after the other would; all are closed at the end."""
    made: list[device_client.Client] = []

    def make(**changes: Any) -> device_client.Client:
        arguments: dict[str, Any] = {
            "server": server.url,
            "api_key": server.key,
            "app_version": "2.3.0",
            "directory": directory,
            "transport": server.transport,
            "background": False,
        }
        made.append(device_client.initialize(**{**arguments, **changes}))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def image() -> npt.NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (8, 8)).astype(np.uint8)
