"""Signatures after Standard Webhooks (https://www.standardwebhooks.com, specification 1.0): symmetric, version v1."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from apps.encryption import decrypt, encrypt

PURPOSE = "bantam.jobs.webhook"
PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """`whsec_` and the base64 of 256 random bits."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")


def sealed(secret: str) -> bytes:
    """What is stored of a secret."""
    return encrypt(PURPOSE, secret.encode())


def opened(stored: bytes | memoryview) -> str:
    """The secret again. Raises UnreadableError."""
    return decrypt(PURPOSE, stored).decode()


def signature(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over "id.timestamp.body", under the bytes that the secret encodes."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")
