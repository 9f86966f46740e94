"""One request handed on to a TensorBoard, and its answer streamed back. Only what both need goes through."""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.http.response import StreamingHttpResponse
from django.utils.cache import patch_cache_control

from apps.training.tensorboard.documents import fitted, may_be_document
from apps.training.tensorboard.policy import OPAQUE, policy
from apps.training.tensorboard.sockets import named

TIMEOUT_S = 60.0
BLOCK = 64 * 1024
# No cookie, no credential, nothing that the platform or a proxy before it has put in.
PASSED_IN = ("Accept", "Accept-Encoding", "Accept-Language", "Content-Type", "Range")
PASSED_OUT = (
    *("Content-Type", "Content-Encoding", "Content-Length", "Content-Range", "Content-Disposition", "Accept-Ranges"),
    *("Cache-Control", "Expires", "ETag", "Last-Modified"),
)


class Connection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("tensorboard", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        with named(self._path) as name:
            self.sock.connect(name)


def forward(request: HttpRequest, path: str, at: Path, prefix: str, *, is_page: bool) -> HttpResponseBase:
    """What the TensorBoard at the socket `at` says to `request`, asked for `/path`. `prefix`: where its pages lie.

    502 where it gives no answer.
    """
    connection = Connection(at)
    query = request.META.get("QUERY_STRING", "")
    headers = {name: request.headers[name] for name in PASSED_IN if name in request.headers}
    if may_be_document(path):
        headers["Accept-Encoding"] = "identity"
    body = request.body if request.method == "POST" else None
    try:
        connection.request(request.method or "GET", _target(path, query), body=body, headers=headers)
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException, UnicodeError, ValueError):
        connection.close()
        return guarded(request, HttpResponse("TensorBoard gives no answer.", "text/plain", 502), prefix, is_page=False)
    passed = {name: value for name in PASSED_OUT if (value := answer.getheader(name)) is not None}
    theirs = answer.getheader("Content-Security-Policy", "")
    blocks = _Blocks(connection, answer)
    if request.method != "HEAD" and passed.get("Content-Type", "").startswith("text/html"):
        with closing(blocks):
            document = fitted(b"".join(blocks), prefix)
        passed.pop("Content-Length", None)
        return guarded(
            request, HttpResponse(document, None, answer.status, headers=passed), prefix, theirs, is_page=is_page
        )
    content = blocks.in_turn() if isinstance(request, ASGIRequest) else iter(blocks)
    response = StreamingHttpResponse(content, status=answer.status, headers=passed)
    response._resource_closers.append(blocks.close)  # type: ignore[attr-defined]
    return guarded(request, response, prefix, theirs, is_page=is_page)


def preflight(request: HttpRequest, prefix: str) -> HttpResponse:
    """What a browser asks before it lets TensorBoard's page send a POST with headers of its own."""
    headers = {
        "Access-Control-Allow-Methods": "GET, HEAD, POST",
        "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers", ""),
        "Access-Control-Max-Age": "600",
    }
    response = HttpResponse(status=204, headers={name: value for name, value in headers.items() if value})
    guarded(request, response, prefix, is_page=False)
    return response


def guarded(
    request: HttpRequest, response: HttpResponseBase, prefix: str, theirs: str = "", *, is_page: bool
) -> HttpResponseBase:
    """`response` with the headers that keep the page to itself, and let it read its own answers."""
    response["Content-Security-Policy"] = policy(request, prefix, theirs, is_page=is_page)
    response["X-Content-Type-Options"] = "nosniff"
    response["Referrer-Policy"] = "no-referrer"  # the address has the pass in it
    patch_cache_control(response, private=True)
    response.xframe_options_exempt = not is_page  # type: ignore[attr-defined]
    if request.headers.get("Origin") == OPAQUE:
        response["Access-Control-Allow-Origin"] = OPAQUE
    return response


def _target(path: str, query: str) -> str:
    return "/" + quote(path, safe="/~!$&'()*+,;=:@") + (f"?{query}" if query else "")


class _Blocks:
    """The body, as it comes."""

    def __init__(self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> None:
        self._connection, self._answer = connection, answer

    def __iter__(self) -> Iterator[bytes]:
        while block := self._answer.read1(BLOCK):
            yield block

    async def in_turn(self) -> AsyncIterator[bytes]:
        while block := await asyncio.to_thread(self._answer.read1, BLOCK):
            yield block

    def close(self) -> None:
        self._answer.close()
        self._connection.close()
