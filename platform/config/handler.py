"""Django behind ASGI, with one thread a request."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class OneThreadHandler(ASGIHandler):
    """Runs all middleware and the view in one thread, entered once.

    Our views are synchronous. Django's own handler would run the middleware that can be asynchronous in the event loop,
    and each of its two halves in the thread again: 34 crossings a request, which cost several times what a small
    request costs otherwise.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response, thread_sensitive=True)(request)
