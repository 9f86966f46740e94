"""How often one address may ask with one key. A device key lies in every copy of an application, so it is no secret."""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import time
from math import ceil
from typing import cast

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from apps.projects.models import ApiKey

WINDOW_S = 60

logger = logging.getLogger(__name__)


class DeviceThrottle(BaseThrottle):
    """At most DEVICE_REQUESTS_PER_MINUTE of a device key and address in each minute of the clock; 0: no limit.

    Counted in the cache, so with REDIS_URL for all processes together and else in each alone; never in the database.
    When the cache can't be asked, or no address is known, requests pass: devices must get their models all the same.
    """

    def allow_request(self, request: Request, view: APIView) -> bool:
        most: int = settings.DEVICE_REQUESTS_PER_MINUTE
        address = client_address(request)
        if not most or address is None:
            return True
        key = cast(ApiKey, request.user)
        try:
            return _count(key, address) <= most
        except (RedisError, OSError) as error:
            logger.warning("Requests of devices are not counted, for the cache does not answer: %s", error)
            return True

    def wait(self) -> float:
        """Whole seconds until the next minute begins."""
        return max(1, ceil(WINDOW_S - time.time() % WINDOW_S))


def client_address(request: Request) -> str | None:
    """The address that asks, of IPv6 its network of 64 bits, which one subscriber has to itself; None: not known.

    Behind a proxy it is what that proxy wrote into X-Forwarded-For; what stands before that, anybody may have written.
    """
    address: str = request.META.get("REMOTE_ADDR", "")
    if proxies := getattr(settings, "ALLAUTH_TRUSTED_PROXY_COUNT", 0):
        forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        address = forwarded[-proxies] if len(forwarded) >= proxies else ""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.IPv6Network((int(parsed), 64), strict=False).network_address)
    return str(parsed)


def _count(key: ApiKey, address: str) -> int:
    """Count a request in this minute; how many there are now."""
    minute = int(time.time() // WINDOW_S)
    name = "device-requests:" + hashlib.sha256(f"{key.pk}:{address}:{minute}".encode()).hexdigest()
    try:
        return cache.incr(name)
    except ValueError:  # the first of this minute, here or, if add says no, in another process just now
        return 1 if cache.add(name, 1, timeout=2 * WINDOW_S) else cache.incr(name)
