"""What a browser lets TensorBoard's pages do: their scripts are not ours, and what they show was written by jobs.

They come from the platform's own address, so without a policy they could act as whoever is signed in. `sandbox`
without `allow-same-origin` gives the page an origin that nothing else has: it can't read the platform's pages, its
cookies or its storage, and the browser sends no cookie with what it asks for. Everything it loads must lie below its
own address.
"""

from __future__ import annotations

import re

from django.http import HttpRequest

from apps.training.tensorboard.documents import SCRIPT_HASH

# An origin of its own is called this in headers.
OPAQUE = "null"
SANDBOX = "sandbox allow-scripts allow-popups allow-downloads"
_SCRIPT_HASH = re.compile(r"'sha256-[A-Za-z0-9+/]{43}='")


def policy(request: HttpRequest, prefix: str, theirs: str, *, is_page: bool) -> str:
    """The Content-Security-Policy of an answer below the path `prefix`. `theirs`: TensorBoard's own.

    `is_page`: it is what the person opens, which no other page may frame. TensorBoard frames others of its documents.
    """
    host = request.get_host()
    here = "'self'" if host.startswith("[") else host + prefix  # the syntax of sources has no IPv6
    scripts = " ".join(["'unsafe-eval'", SCRIPT_HASH, *sorted(set(_SCRIPT_HASH.findall(theirs)))])
    parts = [
        SANDBOX,
        "default-src 'none'",
        f"script-src {here} {scripts}",  # its projector compiles formulas
        f"style-src {here} 'unsafe-inline'",
        f"img-src {here} data: blob:",
        f"media-src {here} data: blob:",
        f"font-src {here} data:",
        f"connect-src {here}",
        f"worker-src {here} blob:",
        f"frame-src {here}",
        f"base-uri {here}",
        "form-action 'none'",
    ]
    return "; ".join([*parts, *(["frame-ancestors 'none'"] if is_page else [])])
