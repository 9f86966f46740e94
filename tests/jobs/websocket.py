"""A websocket client that talks to the ASGI application directly. (That of channels.testing needs another server.)"""

from __future__ import annotations

import json
from typing import Any

from asgiref.testing import ApplicationCommunicator

from config.asgi import application

HOST = "127.0.0.1:8000"
PATIENCE_S = 10


class Socket:
    """One connection to `path`, from a browser that has the cookie `session`."""

    def __init__(self, path: str, query: str = "", session: str | None = None) -> None:
        self.session = session
        headers = [(b"origin", f"http://{HOST}".encode()), (b"host", HOST.encode())]
        if session:
            headers.append((b"cookie", session.encode()))
        scope = {
            "type": "websocket",
            "path": path,
            "query_string": query.encode(),
            "headers": headers,
            "subprotocols": [],
        }
        self._app = ApplicationCommunicator(application, scope)

    async def connect(self) -> None:
        await self._app.send_input({"type": "websocket.connect"})
        assert (await self._app.receive_output(PATIENCE_S))["type"] == "websocket.accept"

    async def receive(self) -> dict[str, Any]:
        message = await self._app.receive_output(PATIENCE_S)
        assert message["type"] == "websocket.send", message
        content: dict[str, Any] = json.loads(message["text"])
        return content

    async def close_code(self) -> int:
        """The code that the server closes with, which must be the next thing it does."""
        message = await self._app.receive_output(PATIENCE_S)
        assert message["type"] == "websocket.close", message
        await self.disconnect()
        return int(message["code"])

    async def disconnect(self) -> None:
        await self._app.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._app.wait(PATIENCE_S)
