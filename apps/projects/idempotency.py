"""The header by which a client that got no answer can ask again, without making a thing twice.

draft-ietf-httpapi-idempotency-key-header: the client chooses the key, a new one for each thing that it wants made.
"""

from __future__ import annotations

import re

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from apps.errors import Refused

HEADER = "Idempotency-Key"
PARAMETER = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="1 … 80 visible characters of ASCII, such as a UUID. A request with a key that the project has seen "
    "before is answered with what was made then.",
)
_KEY = re.compile(r"[\x21-\x7e]{1,80}")


def key_of(request: Request) -> str | None:
    """What `create_job` is to know the request by; None without the header. Raises Refused."""
    given = request.headers.get(HEADER)
    if given is None:
        return None
    if not _KEY.fullmatch(given):
        message = f"{HEADER} must have 1 … 80 visible characters of ASCII. Received: {given[:100]!r}."
        raise Refused("idempotency_key_invalid", message, details=[{"field": HEADER, "message": message}])
    return f"request {given}"
