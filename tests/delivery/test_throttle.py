from __future__ import annotations

from types import SimpleNamespace
from uuid import uuid4

import pytest
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from apps.delivery import throttle
from apps.delivery.throttle import client_address

URL = "/api/device/v1/manifest"
NOON = 1_800_000_000


@pytest.fixture(autouse=True)
def clock(monkeypatch, settings) -> SimpleNamespace:
    """At most two requests a minute, of which 15 seconds have gone."""
    settings.DEVICE_REQUESTS_PER_MINUTE = 2
    clock = SimpleNamespace(now=NOON - NOON % 60 + 15.5)
    monkeypatch.setattr(throttle, "time", SimpleNamespace(time=lambda: clock.now))
    return clock


@pytest.fixture
def device(api_of, device_key):
    return api_of(device_key)


def ask(device, **headers: str):
    return device.get(URL, {"installation": str(uuid4())}, **headers)


def test_too_many_requests_are_refused_until_the_next_minute(device, clock):
    assert [ask(device).status_code for _ in range(3)] == [200, 200, 429]
    refused = ask(device)
    assert refused["Retry-After"] == "45"
    error = refused.json()["error"]
    assert (error["code"], error["details"]) == ("throttled", [])
    assert error["message"].startswith("At most 2 requests a minute are accepted with one key from one address.")
    clock.now += int(refused["Retry-After"])
    assert ask(device).status_code == 200


def test_all_of_the_device_api_is_counted_together(device):
    assert device.get("/api/device/v1/root/1").status_code == 200
    assert device.get(f"/api/device/v1/models/{uuid4()}/file").status_code == 404
    batch = {"installation": str(uuid4()), "events": []}
    assert device.post("/api/device/v1/events", batch).status_code == 429


def test_another_address_and_another_key_have_their_own_count(device, api_of, other_device_key):
    assert [ask(device).status_code for _ in range(3)] == [200, 200, 429]
    assert ask(device, REMOTE_ADDR="192.0.2.7").status_code == 200
    assert ask(api_of(other_device_key)).status_code == 200


def test_zero_is_no_limit(device, settings):
    settings.DEVICE_REQUESTS_PER_MINUTE = 0
    assert {ask(device).status_code for _ in range(5)} == {200}


def test_counting_asks_no_database(device, django_assert_num_queries, settings):
    settings.DEVICE_REQUESTS_PER_MINUTE = 1
    ask(device)
    with django_assert_num_queries(1):  # the key
        assert ask(device).status_code == 429


def test_devices_are_served_while_the_cache_does_not_answer(device, settings, caplog):
    nobody = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {"default": nobody}
    assert {ask(device).status_code for _ in range(4)} == {200}
    assert "the cache does not answer" in caplog.text


def test_a_count_ends_with_its_minute(device, clock):
    ask(device)
    clock.now += 60
    assert [ask(device).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize(
    ("proxies", "remote", "forwarded", "address"),
    [
        (0, "192.0.2.1", None, "192.0.2.1"),
        (0, "192.0.2.1", "198.51.100.9", "192.0.2.1"),
        (1, "10.0.0.1", "203.0.113.5, 198.51.100.9", "198.51.100.9"),
        (1, "10.0.0.1", None, None),
        (0, "2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::"),
        (0, "::ffff:192.0.2.1", None, "192.0.2.1"),
        (0, "", None, None),
    ],
)
def test_who_asks(settings, proxies, remote, forwarded, address):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    headers = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
    request = APIRequestFactory().get(URL, REMOTE_ADDR=remote, **headers)
    assert client_address(Request(request)) == address
