"""The wire: where the key goes, what answers mean, what takes too long."""

from __future__ import annotations

import httpx
import pytest

from device_client import InvalidKeyError, RateLimitedError, ServerRefusedError, ServerUnreachableError, _http
from device_client._http import Http


def http_of(answer) -> Http:
    return Http(
        server="https://bantam.test/",
        api_key="dk_secret",
        user_agent="test",
        transport=httpx.MockTransport(answer),
    )


def redirecting(location: str, seen: list[httpx.Request], status: int = 302):
    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if len(seen) == 1:
            return httpx.Response(status, headers={"Location": location})
        return httpx.Response(200, content=b"file")

    return answer


@pytest.mark.parametrize(
    "location",
    [
        "https://storage.test/x",
        "https://bantam.test:8443/x",
        "https://bantam.test.evil.test/x",
        "//storage.test/x",
        "https://bantam.test@evil.test/x",
    ],
)
def test_the_key_does_not_follow_a_redirect_to_another_origin(location):
    seen: list[httpx.Request] = []
    assert http_of(redirecting(location, seen)).get("file").content == b"file"
    assert seen[0].headers["Authorization"] == "Bearer dk_secret"
    assert "Authorization" not in seen[1].headers


@pytest.mark.parametrize("location", ["/moved", "https://bantam.test/moved", "https://bantam.test:443/moved"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_key_follows_a_redirect_within_the_server(location, status):
    seen: list[httpx.Request] = []
    http_of(redirecting(location, seen, status)).get("file")
    assert seen[1].headers["Authorization"] == "Bearer dk_secret"
    assert seen[1].url.path == "/moved"


@pytest.mark.parametrize("location", ["http://bantam.test/x", "ftp://storage.test/x", "file:///etc/passwd"])
def test_a_redirect_away_from_https_is_not_followed(location):
    seen: list[httpx.Request] = []
    with pytest.raises(ServerUnreachableError, match="only https is followed from https"):
        http_of(redirecting(location, seen)).get("file")
    assert len(seen) == 1


def test_a_circle_of_redirects_ends():
    http = http_of(lambda request: httpx.Response(302, headers={"Location": "/again"}))
    with pytest.raises(ServerUnreachableError, match="more than 5 redirects"):
        http.get("file")


def test_a_path_prefix_of_the_server_is_kept():
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200)

    http = Http(server="https://x.test/bantam/", api_key="dk_", user_agent="t", transport=httpx.MockTransport(answer))
    http.get("api/device/v1/manifest", params={"user.plan": "a b&c"})
    assert seen == ["https://x.test/bantam/api/device/v1/manifest?user.plan=a+b%26c"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, InvalidKeyError),
        (403, InvalidKeyError),
        (429, RateLimitedError),
        (404, ServerRefusedError),
        (500, ServerRefusedError),
    ],
)
def test_an_error_carries_the_servers_own_words(status, kind):
    body = {"error": {"code": "quota_spent", "message": "Come back tomorrow.", "details": [{"field": "x"}]}}
    headers = {"Retry-After": "17"}
    with pytest.raises(kind, match="quota_spent: Come back tomorrow") as caught:
        http_of(lambda request: httpx.Response(status, json=body, headers=headers)).get("manifest")
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.code) == (status, "quota_spent")
    assert caught.value.details == [{"field": "x"}]
    assert caught.value.retry_after == 17


@pytest.mark.parametrize(
    "content", [b"", b"<html>Bad gateway</html>", b'{"error": "text"}', b"[1]", b'{"error": null}']
)
def test_an_error_without_the_agreed_shape_is_still_an_error(content):
    with pytest.raises(ServerRefusedError, match="502 http_502: no explanation") as caught:
        http_of(lambda request: httpx.Response(502, content=content)).get("manifest")
    assert caught.value.code == "http_502"
    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("0", 0), ("3.5", 3.5), ("-4", 0), ("999999999", 86_400), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("soon", None)],
)
def test_retry_after_is_a_number_or_a_date(header, seconds):
    with pytest.raises(RateLimitedError) as caught:
        http_of(lambda request: httpx.Response(429, headers={"Retry-After": header})).get("manifest")
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("refused"), httpx.ConnectTimeout(""), httpx.ReadTimeout(""), httpx.RemoteProtocolError("x")],
)
def test_no_answer_is_one_kind_of_error_and_does_not_show_the_user(error):
    def answer(request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(ServerUnreachableError, match=r"no usable answer from https://bantam\.test/manifest") as caught:
        http_of(answer).get("manifest", params={"user.email": "me@example.com"})
    assert "me@example.com" not in str(caught.value)
    assert "dk_secret" not in str(caught.value)


def test_an_answer_that_does_not_end_is_cut_off(monkeypatch):
    monkeypatch.setattr(_http, "MAX_ANSWER_BYTES", 1000)
    with pytest.raises(ServerUnreachableError, match="more than 1000 bytes"):
        http_of(lambda request: httpx.Response(200, content=b"x" * 2000)).get("manifest")


def test_an_answer_that_drips_is_cut_off(monkeypatch):
    monkeypatch.setattr(_http, "ANSWER_SECONDS", -1.0)
    with pytest.raises(ServerUnreachableError, match="did not finish its answer"):
        http_of(lambda request: httpx.Response(200, content=b"x")).get("manifest")


def test_a_compressed_answer_is_read():
    import gzip

    headers = {"Content-Encoding": "gzip"}
    http = http_of(lambda request: httpx.Response(200, content=gzip.compress(b"manifest"), headers=headers))
    assert http.get("manifest").content == b"manifest"


def test_after_stop_nothing_is_asked():
    http = http_of(lambda request: httpx.Response(200))
    http.stop()
    with pytest.raises(ServerUnreachableError, match="is closing"):
        http.get("manifest")


def test_the_time_limits():
    assert (_http.TIMEOUT.connect, _http.TIMEOUT.read, _http.TIMEOUT.write) == (5.0, 30.0, 30.0)
