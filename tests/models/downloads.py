from __future__ import annotations

from urllib.parse import urlsplit

import httpx
from django.test import Client


def downloaded(client: Client, address: str) -> tuple[bytes, str]:
    """What a signed link gives and the name it gives it: from the platform itself, or from the object store."""
    if urlsplit(address).path.startswith("/files/"):
        file = client.get(address)
        return b"".join(file.streaming_content), file["Content-Disposition"]  # type: ignore[attr-defined]
    stored = httpx.get(address).raise_for_status()
    return stored.content, stored.headers["Content-Disposition"]
