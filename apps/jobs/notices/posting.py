"""One POST of one message: to the address that was checked, without redirects, within ten seconds in all."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from apps.errors import Refused
from apps.jobs.notices.addresses import Target, parse, resolve

TIMEOUT_S = 10.0
KEPT_OF_AN_ANSWER = 1000


@dataclass(frozen=True)
class Answer:
    """`status` is None where there was no answer; `text` is how it began, or why there was none."""

    status: int | None
    text: str
    duration_ms: int

    @property
    def is_good(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def post(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """Send `body`. Whatever goes wrong is in the answer. Does not touch the database."""
    began = time.monotonic()
    status: int | None = None
    try:
        status, text = _post(parse(url), headers, body, began + TIMEOUT_S)
    except Refused as refused:
        text = refused.message
    except socket.gaierror as error:
        text = f"The address's name was not found: {error.strerror}."
    except (OSError, http.client.HTTPException, ValueError) as error:
        late = time.monotonic() - began >= TIMEOUT_S
        text = f"No answer within {TIMEOUT_S:g} seconds." if late else f"{type(error).__name__}: {error}"
    return Answer(status, text.replace("\x00", "")[:KEPT_OF_AN_ANSWER], round((time.monotonic() - began) * 1000))


def _post(target: Target, headers: Mapping[str, str], body: bytes, until: float) -> tuple[int, str]:
    sock = socket.create_connection((resolve(target.host, target.port), target.port), timeout=TIMEOUT_S)
    held = [sock]
    # The socket's own limit is for each read: a receiver that sends a byte now and then would hold us for hours.
    deadline = threading.Timer(max(0.1, until - time.monotonic()), _hang_up, [held])
    deadline.daemon = True
    deadline.start()
    connection = http.client.HTTPConnection(target.host, target.port)
    try:
        if target.is_https:
            connection.default_port = http.client.HTTPS_PORT  # the Host header names the port where it is another
            held[0] = tls = _tls().wrap_socket(sock, server_hostname=target.host, do_handshake_on_connect=False)
            tls.do_handshake()
        connection.sock = held[0]
        connection.request("POST", target.path, body=body, headers=dict(headers))
        response = connection.getresponse()
        if time.monotonic() >= until:  # it may be cut off
            raise TimeoutError
        text = b""
        with suppress(OSError, http.client.HTTPException):  # the status is what counts
            text = response.read(KEPT_OF_AN_ANSWER)
        return response.status, text.decode("utf-8", "replace")
    finally:
        deadline.cancel()
        connection.close()
        held[0].close()


def _hang_up(held: list[socket.socket]) -> None:
    """End the connection under whoever reads from it. Not by the TLS socket's own method, which changes its state."""
    with suppress(OSError):
        socket.socket.shutdown(held[0], socket.SHUT_RDWR)


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
