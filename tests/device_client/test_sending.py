"""Every event reaches the server once, whatever happens on the way."""

from __future__ import annotations

import json
import threading

import httpx
import pytest

from device_client import RateLimitedError, ServerRefusedError, ServerUnreachableError


@pytest.fixture
def client(make_client):
    return make_client()


def add(client, count: int, **data) -> list[str]:
    return [client._events.add("inferred", model="digits", version=None, data=data) for _ in range(count)]


def test_events_go_out_in_batches_of_at_most_500_oldest_first(server, client):
    ids = add(client, 1203)
    assert client.flush() == 1203
    assert server.batches == [500, 500, 203]
    assert list(server.events) == ids
    assert client.pending_events == 0
    assert {json.loads(r.content)["installation"] for r in server.requests} == {client.installation}


def test_a_batch_stays_below_a_mebibyte(server, client):
    add(client, 300, message="x" * 10_000)
    assert client.flush() == 300
    assert len(server.batches) == 3


def test_an_answer_that_was_lost_does_no_harm(server, make_client):
    """The server took the batch, but the device never heard of it."""

    def lose_the_first(request: httpx.Request) -> httpx.Response:
        answer: httpx.Response = server.transport.handle_request(request)
        if len(server.batches) == 1:
            raise httpx.ReadTimeout("the tunnel", request=request)
        return answer

    client = make_client(transport=httpx.MockTransport(lose_the_first))
    ids = add(client, 3)
    with pytest.raises(ServerUnreachableError):
        client.flush()
    assert len(server.events) == 3
    assert client.flush() == 3
    assert server.batches == [3, 3]
    assert list(server.events) == ids


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.ConnectError("no route"), ServerUnreachableError),
        (httpx.ReadTimeout("slow"), ServerUnreachableError),
        (httpx.Response(500), ServerRefusedError),
        (httpx.Response(429, headers={"Retry-After": "9"}), RateLimitedError),
        (httpx.Response(401), ServerRefusedError),
        (httpx.Response(404), ServerRefusedError),
        (httpx.Response(200, content=b"<html>Welcome to the hotel's network</html>"), ServerRefusedError),
        (httpx.Response(202, content=b"<html>Welcome</html>"), ServerUnreachableError),
        (httpx.Response(202, json={"accepted": None, "rejected": []}), ServerUnreachableError),
    ],
)
def test_events_stay_until_the_server_has_answered_for_them(server, client, answer, error):
    ids = add(client, 3)
    server.answers.append(answer)
    with pytest.raises(error):
        client.flush()
    assert client.pending_events == 3
    assert client.flush() == 3
    assert list(server.events) == ids


def test_a_rejected_event_is_dropped_and_logged_and_the_others_arrive(server, client, caplog):
    ids = add(client, 3)
    server.reject = lambda event: (
        {"code": "unknown_model", "message": "No such model."} if event["id"] == ids[1] else None
    )
    assert client.flush() == 2
    assert client.pending_events == 0
    assert list(server.events) == [ids[0], ids[2]]
    assert f"the server rejected event {ids[1]} (unknown_model): No such model." in caplog.text


class Picky(httpx.MockTransport):
    """Refuses any batch that holds one certain event, as a whole."""

    def __init__(self, server, poison: set[str]) -> None:
        self.poison = poison

        def answer(request: httpx.Request):
            events = json.loads(request.content)["events"]
            if any(event["id"] in self.poison for event in events):
                return httpx.Response(400, json={"error": {"code": "bad_batch", "message": "no", "details": []}})
            return server.transport.handle_request(request)

        super().__init__(answer)


def test_an_event_that_spoils_its_batch_is_found_and_dropped(server, make_client, caplog):
    picky = Picky(server, set())
    client = make_client(transport=picky)
    ids = add(client, 100)
    picky.poison = {ids[37]}
    assert client.flush() == 99
    assert client.pending_events == 0
    assert set(server.events) == set(ids) - {ids[37]}
    assert "because the server refuses it" in caplog.text


def test_a_server_that_refuses_every_batch_does_not_empty_the_queue(server, make_client):
    picky = Picky(server, set())
    client = make_client(transport=picky)
    for count in (3, 60):
        picky.poison |= set(add(client, count))
        with pytest.raises(ServerRefusedError, match="bad_batch"):
            client.flush()
    assert client.pending_events == 63
    picky.poison = set()
    assert client.flush() == 63


def test_nothing_is_sent_while_it_is_not_allowed(server, make_client):
    client = make_client(send_events=False)
    add(client, 2)
    assert client.flush() == 0
    client._send_in_background()
    assert server.requests == []
    client.send_events = True
    assert client.flush() == 2


def test_two_threads_that_flush_send_each_event_once(server, client):
    add(client, 2000)
    threads = [threading.Thread(target=client.flush) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(server.batches) == 2000
    assert len(server.events) == 2000
