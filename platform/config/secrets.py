"""The platform's secret key: given by the environment, or made once and kept beside the data."""

import fcntl
import secrets
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
    # Web and worker may start at the same moment: one makes the key, the other one waits for it.
    with (data_dir / "secret_key.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path.touch(mode=0o600)
        if not path.read_text():
            path.write_text(secrets.token_urlsafe(50))
        return path.read_text()
