"""What is stored encrypted: under a key derived from SECRET_KEY, readable with SECRET_KEY_FALLBACKS as well."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes


class UnreadableError(RuntimeError):
    """What is stored was encrypted under another SECRET_KEY than this server's, or for another purpose."""


def encrypt(purpose: str, plain: bytes) -> bytes:
    """A Fernet token of `plain` under SECRET_KEY. `purpose` ("bantam.…") gives each kind of secret a key of its own."""
    return _cipher(purpose).encrypt(plain)


def decrypt(purpose: str, token: bytes | memoryview, *, good_s: int | None = None) -> bytes:
    """What `encrypt` was given for the same purpose, `good_s` seconds ago at most. Raises UnreadableError."""
    try:
        return _cipher(purpose).decrypt(bytes(token), ttl=good_s)
    except InvalidToken:
        raise UnreadableError(
            f"What is stored for {purpose!r} can't be decrypted: it was stored under another SECRET_KEY. Start the "
            "server with that key, or put it into SECRET_KEY_FALLBACKS."
        ) from None


def _cipher(purpose: str) -> MultiFernet:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_derived_key(secret, purpose)) for secret in secrets])


def _derived_key(secret: str | bytes, purpose: str) -> bytes:
    """HKDF-SHA256 (RFC 5869), as Fernet wants it."""
    derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode())
    return base64.urlsafe_b64encode(derivation.derive(force_bytes(secret)))
