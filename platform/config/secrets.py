"""The platform's secret key: given by the environment, or made once and kept beside the data."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def load_secret_key(given: str, data_dir: Path, *, shared: bool) -> str:
    """Return `given`, or the key kept in `data_dir/secret_key`, made on first use.

    With `shared` (several machines may serve one database) a key of this machine alone would sign people out and make
    stored secrets unreadable elsewhere, so it must be given. Raises ImproperlyConfigured with what to do.
    """
    if given:
        if len(given) < 32:
            raise ImproperlyConfigured(f"SECRET_KEY must have at least 32 characters. Received: {len(given)}.")
        return given
    if shared:
        raise ImproperlyConfigured(
            "DATABASE_URL names a database server, so SECRET_KEY must be set (the same on every machine). "
            'Make one with: python -c "import secrets; print(secrets.token_urlsafe(50))"'
        )
    path = data_dir / "secret_key"
    if not path.exists():
        # Web and worker may start at the same moment: a link is made whole or not at all, and the first one's key wins.
        with tempfile.NamedTemporaryFile("w", dir=data_dir) as file:
            file.write(secrets.token_urlsafe(50))
            file.flush()
            with contextlib.suppress(FileExistsError):
                os.link(file.name, path)
    return path.read_text()
