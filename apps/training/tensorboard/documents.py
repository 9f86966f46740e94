"""What has to change in TensorBoard's documents so that they work in an origin of their own, below our address."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

SCRIPT = Path(__file__).with_name("own_origin.js").read_text()
# How a policy names a script that stands in the document.
SCRIPT_HASH = f"'sha256-{base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()}'"

_FIRST_TAG = re.compile(rb"<(?:meta|head)\b[^>]*>", re.IGNORECASE)


def may_be_document(path: str) -> bool:
    """Whether what TensorBoard has at `path` may be one, which must come uncompressed."""
    return path == "" or path.endswith(".html")


def fitted(html: bytes, prefix: str) -> bytes:
    """The document with what its scripts miss in such an origin, and with its fonts, which it names from the
    root of the address, from below `prefix`."""
    html = html.replace(b"url(/font-roboto/", f"url({prefix}font-roboto/".encode())
    script = f"<script>{SCRIPT}</script>".encode()
    return _FIRST_TAG.sub(lambda tag: tag[0] + script, html, count=1)
