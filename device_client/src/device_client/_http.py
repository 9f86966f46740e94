"""The wire: one httpx client, its timeouts, and what its answers mean.

Nothing here knows what a manifest or a model is.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from device_client._exceptions import (
    InvalidKeyError,
    RateLimitedError,
    ServerRefusedError,
    ServerUnreachableError,
)

# A phone on a slow network needs longer than the 2 seconds that made others' clients fail.
TIMEOUT = httpx.Timeout(connect=5.0, read=30.0, write=30.0, pool=5.0)
# No single answer of metadata or events may take longer than this, however slowly it drips.
ANSWER_SECONDS = 60.0
MAX_ANSWER_BYTES = 4 * 1024 * 1024
MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Http:
    """Requests to one server with one key. Safe to use from several threads.

    The key goes to the server's own scheme, host and port and nowhere else: redirects are followed by hand and the
    `Authorization` header is left out as soon as one leads elsewhere.
    """

    def __init__(
        self, *, server: str, api_key: str, user_agent: str, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._server = httpx.URL(server)
        self._authorization = f"Bearer {api_key}"
        self._closing = threading.Event()
        self._client = httpx.Client(
            timeout=TIMEOUT,
            transport=transport,
            follow_redirects=False,
            headers={"User-Agent": user_agent},
            auth=_NoAuth(),
        )

    def stop(self) -> None:
        """Let requests under way and pauses end soon, with ServerUnreachableError."""
        self._closing.set()

    def close(self) -> None:
        self.stop()
        self._client.close()

    @property
    def closing(self) -> bool:
        return self._closing.is_set()

    def pause(self, seconds: float) -> None:
        """Sleep between two attempts, but not after stop()."""
        self._closing.wait(seconds)

    def get(
        self, path: str, *, params: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """GET a small answer. 200 and 304 come back.

        Raises:
            ServerUnreachableError: no answer, or none within the limits of time and size.
            ServerRefusedError: any other status.
        """
        with self.stream(path, params=params, headers=headers) as response:
            if response.status_code not in (200, 304):
                raise refusal(response, self.read(response))
            content = self.read(response)
        return httpx.Response(
            response.status_code, headers=_without_encoding(response.headers), content=content, request=response.request
        )

    def post_json(self, path: str, body: bytes) -> httpx.Response:
        """POST JSON. Whatever the status is, the answer comes back read.

        Raises:
            ServerUnreachableError: no answer, or none within the limits of time and size.
        """
        headers = {"Content-Type": "application/json", "Authorization": self._authorization}
        request = self._client.build_request("POST", self._server.join(path), content=body, headers=headers)
        with self._send(request) as response:
            content = self.read(response)
        return httpx.Response(
            response.status_code, headers=_without_encoding(response.headers), content=content, request=request
        )

    @contextmanager
    def stream(
        self, path: str, *, params: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> Iterator[httpx.Response]:
        """GET without reading the body; the block reads it. Follows redirects."""
        url = self._server.join(path)
        if params:
            url = url.copy_merge_params(params)
        for _ in range(MAX_REDIRECTS + 1):
            request = self._client.build_request("GET", url, headers=headers)
            if _origin(url) == _origin(self._server):
                request.headers["Authorization"] = self._authorization
            with self._send(request) as response:
                location = response.headers.get("Location")
                if response.status_code not in REDIRECTS or not location:
                    yield response
                    return
            target = url.join(location)
            if target.scheme not in ("http", "https") or (url.scheme == "https" and target.scheme != "https"):
                raise ServerUnreachableError(
                    f"{_shown(url)} redirects to {target.scheme}://{target.host}; only https is followed from https"
                )
            url = target
        raise ServerUnreachableError(f"{_shown(url)}: more than {MAX_REDIRECTS} redirects")

    @contextmanager
    def _send(self, request: httpx.Request) -> Iterator[httpx.Response]:
        if self.closing:
            raise ServerUnreachableError(f"{_shown(request.url)} is not asked: the client is closing")
        with unreachable_on_failure(request.url):
            response = self._client.send(request, stream=True)
        try:
            yield response
        finally:
            response.close()

    def read(self, response: httpx.Response) -> bytes:
        """The whole body of a small answer, within the limits of time and size."""
        deadline = time.monotonic() + ANSWER_SECONDS
        content = bytearray()
        with unreachable_on_failure(response.request.url):
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > MAX_ANSWER_BYTES:
                    raise ServerUnreachableError(
                        f"{_shown(response.request.url)} answered with more than {MAX_ANSWER_BYTES} bytes"
                    )
                if time.monotonic() > deadline:
                    raise ServerUnreachableError(
                        f"{_shown(response.request.url)} did not finish its answer within {ANSWER_SECONDS:g} seconds"
                    )
        return bytes(content)


@contextmanager
def unreachable_on_failure(url: httpx.URL) -> Iterator[None]:
    """Turn httpx's transport errors into ServerUnreachableError, without the query, which is about the user."""
    try:
        yield
    except (httpx.TransportError, httpx.DecodingError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise ServerUnreachableError(f"no usable answer from {_shown(url)}: {reason}") from error


def refusal(response: httpx.Response, content: bytes) -> ServerRefusedError:
    """The exception for an answer that is an error, with the server's own words when it has any."""
    status = response.status_code
    code, message, details = f"http_{status}", "", []
    try:
        error: dict[str, Any] = json.loads(content)["error"]
        code, message = str(error.get("code") or code), str(error.get("message") or "")
        details = list(error.get("details") or [])
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    kind = InvalidKeyError if status in (401, 403) else RateLimitedError if status == 429 else ServerRefusedError
    return kind(
        f"{response.request.method} {_shown(response.request.url)} was answered with {status} {code}: "
        f"{message or 'no explanation'}",
        status=status,
        code=code,
        details=details,
        retry_after=_retry_after(response.headers.get("Retry-After")),
    )


def _retry_after(value: str | None) -> float | None:
    """Seconds from a Retry-After header, which is a number or a date. At most a day."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), 86_400.0)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _shown(url: httpx.URL) -> str:
    return str(url.copy_with(query=None, userinfo=b""))


def _without_encoding(headers: httpx.Headers) -> httpx.Headers:
    """The body was decoded while it was read; a copy of the answer must not decode it again."""
    kept = headers.copy()
    for name in ("Content-Encoding", "Content-Length", "Transfer-Encoding"):
        kept.pop(name, None)
    return kept


class _NoAuth(httpx.Auth):
    """Keeps httpx from making an Authorization header of its own out of a URL's user and password."""
