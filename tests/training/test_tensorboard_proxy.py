"""What goes through to a TensorBoard and what comes back: a small server on a socket says what it got."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

import pytest
from django.test import RequestFactory

from apps.training.tensorboard.proxy import forward

HTML = b"<html><head></head><style>url(/font-roboto/a.woff2)"
PREFIX = "/o/acme/p/reader/training/tensorboard/pass/"


class Echo(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        got = {"line": self.requestline, "headers": dict(self.headers), "body": self.rfile.read(length).decode()}
        said = (
            b"<html><head></head><style>url(/font-roboto/a.woff2)" if ".html" in self.path else json.dumps(got).encode()
        )
        self.send_response(200)
        for name, value in {
            "Content-Type": "text/html; charset=utf-8" if ".html" in self.path else "application/json",
            "Content-Length": str(len(said)),
            "Set-Cookie": "sessionid=stolen; Path=/",
            "Connection": "close",
            "Keep-Alive": "timeout=5",
            "Access-Control-Allow-Origin": "*",
            "Clear-Site-Data": '"cookies"',
            "Refresh": "0; url=https://elsewhere.example/",
            "Cache-Control": "public, max-age=60",
            "Content-Security-Policy": f"script-src 'self' https://elsewhere.example 'sha256-{'A' * 43}='",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    do_POST = do_HEAD = do_GET  # noqa: N815

    def address_string(self) -> str:
        return "platform"

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        pass


class Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


@pytest.fixture(scope="module")
def at() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place, Server(f"{place}/socket", Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Path(place) / "socket"
        server.shutdown()
        thread.join()


def sent(at: Path, method: str, path: str, *, is_page: bool = False, **more: Any) -> Any:
    request = getattr(RequestFactory(), method)(f"{PREFIX}{path}", **more)
    response: Any = forward(request, path.partition("?")[0], at, PREFIX, is_page=is_page)
    response.body = response.getvalue()
    ended(response)
    return response


def ended(response: Any) -> None:
    """As after a request, without the signal of its end, which would close the database of the tests."""
    for close in response._resource_closers:
        close()


def test_no_cookie_and_no_credential_goes_in(at):
    given = {
        **{"cookie": "sessionid=secret; csrftoken=secret", "authorization": "Bearer secret", "host": "testserver"},
        **{"x-csrftoken": "secret", "x-forwarded-for": "203.0.113.5", "x-anything": "secret", "origin": "null"},
        **{"referer": "http://testserver/o/acme/", "proxy-authorization": "secret", "forwarded": "for=secret"},
        **{"accept": "application/json", "accept-encoding": "gzip", "if-none-match": '"a"', "range": "bytes=0-"},
    }
    got = json.loads(sent(at, "get", "data/runs?a=%2F&a=b%20c", headers=given).body)
    assert got["line"] == "GET /data/runs?a=%2F&a=b%20c HTTP/1.1"
    assert {name.lower(): value for name, value in got["headers"].items()} == {
        **{"host": "tensorboard", "accept": "application/json", "accept-encoding": "gzip", "range": "bytes=0-"},
    }


def test_what_its_page_posts_goes_in_as_it_is(at):
    got = json.loads(sent(at, "post", "data/x", data="a=1&b=2", content_type="application/x-www-form-urlencoded").body)
    assert (got["line"], got["body"]) == ("POST /data/x HTTP/1.1", "a=1&b=2")
    assert got["headers"]["Content-Type"] == "application/x-www-form-urlencoded"


def test_nothing_comes_out_that_could_change_the_platform_s_pages(at):
    response = sent(at, "get", "data/runs")
    assert set(response.headers) == {
        *("Content-Type", "Content-Length", "Cache-Control"),
        *("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy"),
    }
    assert not response.cookies
    assert response["Cache-Control"] == "max-age=60, private"
    policy = response["Content-Security-Policy"]
    assert "elsewhere.example" not in policy
    assert f"'sha256-{'A' * 43}='" in policy


def test_its_documents_get_what_they_miss_in_an_origin_of_their_own(at):
    response = sent(at, "get", "data/plugin_entry.html", headers={"accept-encoding": "gzip"})
    assert response.body.startswith(b"<html><head><script>// A page with an origin of its own")
    assert response.body.endswith(f"url({PREFIX}font-roboto/a.woff2)".encode())
    assert "Content-Length" not in response


def test_head_has_no_body(at):
    response = sent(at, "head", "index.html")
    assert (response.status_code, response.body) == (200, b"")


def test_an_address_of_six_numbers_is_named_by_the_word_for_itself(at):
    policy = sent(at, "get", "data/runs", headers={"host": "[::1]:8000"})["Content-Security-Policy"]
    assert "connect-src 'self';" in policy


def test_what_gives_no_answer_is_said(tmp_path):
    response = sent(tmp_path / "socket", "get", "data/runs")
    assert (response.status_code, response.body) == (502, b"TensorBoard gives no answer.")
    assert response["Content-Security-Policy"].startswith("sandbox ")


def test_an_answer_is_handed_on_while_it_comes():
    with tempfile.TemporaryDirectory() as place, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{place}/socket")
        listening.listen()
        may_go_on = threading.Event()

        def answer() -> None:
            with listening.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 10\r\n\r\nfirst")
                may_go_on.wait(10)
                connection.sendall(b" last")

        thread = threading.Thread(target=answer)
        thread.start()
        response: Any = forward(RequestFactory().get(PREFIX), "data", Path(place) / "socket", PREFIX, is_page=False)
        blocks = iter(response)
        assert next(blocks) == b"first"
        may_go_on.set()
        assert next(blocks) == b" last"
        ended(response)
        thread.join()
