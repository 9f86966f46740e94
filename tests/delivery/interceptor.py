"""A hostile network: an HTTP server between the device and the platform that may change every answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

import httpx

Change = Callable[[str, httpx.Response], tuple[int, bytes]]


def unchanged(path: str, response: httpx.Response) -> tuple[int, bytes]:
    return response.status_code, response.content


class Interceptor:
    """Forwards to `server`; `change(path, response)` gives the status and body that the device sees instead."""

    def __init__(self, server: str, change: Change = unchanged) -> None:
        self.change = change
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.forward(None)

            def do_POST(self) -> None:
                self.forward(self.rfile.read(int(self.headers["Content-Length"])))

            def forward(self, body: bytes | None) -> None:
                kept = {"authorization", "content-type", "if-none-match", "range", "if-range"}
                headers = {name: value for name, value in self.headers.items() if name.lower() in kept}
                response = httpx.request(self.command, server + self.path, headers=headers, content=body)
                status, content = outer.change(self.path, response)
                self.send_response(status)
                for name in ("ETag", "Location"):
                    if name in response.headers:
                        self.send_header(name, response.headers[name])
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Interceptor:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
