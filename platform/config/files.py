"""Which storage holds the files: `STORAGE_URL` → a django-storages configuration."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from botocore.config import Config
from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True)
class FileStorage:
    """A STORAGES entry, and the origins that a browser must be allowed to talk to for it."""

    backend: dict[str, Any]
    origin: list[str]


def storage_from_url(url: str, data_dir: Path) -> FileStorage:
    """Parse `s3://KEY:SECRET@HOST[:PORT]/BUCKET?region=…&secure=true|false`; empty means local files in `data_dir`.

    Raises ImproperlyConfigured naming the part that is wrong.
    """
    if not url:
        backend = {"BACKEND": "apps.projects.storage.LocalStorage", "OPTIONS": {"location": str(data_dir / "media")}}
        return FileStorage(backend, [])
    parts = urlsplit(url)
    accepted = "STORAGE_URL must look like s3://KEY:SECRET@HOST[:PORT]/BUCKET?region=us-east-1&secure=true"
    if parts.scheme != "s3":
        raise ImproperlyConfigured(f"{accepted}. Received the scheme {parts.scheme!r}.")
    bucket = parts.path.strip("/")
    if not (parts.username and parts.password and parts.hostname and bucket) or "/" in bucket:
        raise ImproperlyConfigured(
            f"{accepted}. The key, secret, host or bucket is missing, or the bucket has a slash."
        )
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    unknown = set(query) - {"region", "secure"}
    if unknown:
        raise ImproperlyConfigured(f"{accepted}. Unknown: {', '.join(sorted(unknown))}.")
    secure = query.get("secure", "true").lower()
    if secure not in {"true", "false"}:
        raise ImproperlyConfigured(f"{accepted}. secure is true or false. Received: {secure!r}.")
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise ImproperlyConfigured(f"{accepted}. The port is no number: {error}.") from error
    origin = f"{'https' if secure == 'true' else 'http'}://{parts.hostname}{port}"
    options = {
        "access_key": unquote(parts.username),
        "secret_key": unquote(parts.password),
        "bucket_name": bucket,
        "endpoint_url": origin,
        "region_name": query.get("region", "us-east-1"),
        "client_config": Config(
            s3={"addressing_style": "path"},
            signature_version="s3v4",
            connect_timeout=10,
            read_timeout=60,
            retries={"mode": "standard", "max_attempts": 4},
            # Newer checksums only where the protocol demands them: presigned links would ask them of every client, and
            # not every compatible store knows them.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
        "file_overwrite": True,
        "querystring_auth": True,
        "default_acl": None,
    }
    return FileStorage({"BACKEND": "apps.projects.storage.S3Storage", "OPTIONS": options}, [origin])
