"""The ASGI application answers, and enters a thread once a request."""

from __future__ import annotations

from inspect import iscoroutinefunction

import httpx
import pytest
from asgiref import sync

from config.asgi import application
from config.handler import OneThreadHandler


@pytest.fixture
def crossings(monkeypatch) -> list[object]:
    """What was called from the event loop in a thread, or from a thread in the event loop."""
    called: list[object] = []
    for kind in (sync.SyncToAsync, sync.AsyncToSync):

        def count(self, *arguments, _call=kind.__call__, **keywords):
            called.append(getattr(self, "func", None) or self.awaitable)
            return _call(self, *arguments, **keywords)

        monkeypatch.setattr(kind, "__call__", count)
    return called


async def get(path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://127.0.0.1") as client:
        return await client.get(path)


async def test_the_whole_of_django_runs_in_one_crossing(crossings):
    await get("/healthz")
    crossings.clear()
    answer = await get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    names = [getattr(call, "__name__", str(call)) for call in crossings]
    assert names.count("get_response") == 1
    # What remains is the end of a request: signals and the closing of the answer.
    assert len(names) <= 5, names


async def test_an_unknown_address_is_a_page_of_ours():
    answer = await get("/api/nothing")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_the_middleware_is_synchronous():
    assert not iscoroutinefunction(vars(OneThreadHandler())["_middleware_chain"])
