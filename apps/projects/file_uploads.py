"""Uploads to local files, in front of Django: straight from the connection to their place on the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, ParamSpec, TypeVar

from django.db import close_old_connections
from django.http import JsonResponse
from django.urls import reverse

from apps.errors import Refused
from apps.projects.file_views import finish_put, put_link, received_answer, refusal
from apps.projects.receiving import Receiver, announced_piece

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

P = ParamSpec("P")
T = TypeVar("T")

BLOCK = 1024 * 1024


class FileUploads:
    """An ASGI application that takes the PUTs of signed links and leaves everything else to `application`.

    Behind ASGI, Django gathers a body in a temporary file before any view sees the request: a large upload would be
    written twice, could not be refused by its announced size, and would be lost when the connection breaks. Without
    this in front (WSGI), `file_views.file_link` takes them.
    """

    def __init__(self, application: Application) -> None:
        self.application = application
        self._prefix = reverse("file-link", args=["-"]).removesuffix("-")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "PUT" or not scope["path"].startswith(self._prefix):
            await self.application(scope, receive, send)
            return
        try:
            answer = await self._take(scope, receive)
        except Refused as refused:
            answer = refusal(refused)
        if answer is not None:
            await _send(answer, send)

    async def _take(self, scope: Scope, receive: Receive) -> JsonResponse | None:
        """The answer to a PUT; None when the connection broke, after which the bytes so far stay."""
        link, path = await _with_database(put_link, scope["path"].removeprefix(self._prefix))
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        piece = announced_piece(link.size, headers.get("content-length"), headers.get("content-range"))
        with Receiver(path, link.size, piece) as receiver:
            block = bytearray()
            has_more = True
            while has_more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    receiver.write(bytes(block))
                    return None
                block += message.get("body", b"")
                has_more = message.get("more_body", False)
                if len(block) >= BLOCK or not has_more:
                    await asyncio.to_thread(receiver.write, bytes(block))
                    block.clear()
            complete = await _with_database(finish_put, receiver, link)
        return received_answer(receiver.offset, link.size, complete=complete)


async def _with_database(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work`, which makes queries, in a thread. No request ends here, so its connection is closed at once."""

    def run() -> T:
        try:
            return work(*args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.to_thread(run)


async def _send(answer: JsonResponse, send: Send) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer.content)).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    if answer.status_code >= 400:
        headers.append((b"connection", b"close"))  # what is still being sent is not going to be read
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": answer.content})
