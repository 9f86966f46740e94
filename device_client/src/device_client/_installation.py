"""The random id of this installation, made on the device and kept in its directory."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timezone
from pathlib import Path

from device_client._atomic import write_atomically
from device_client._exceptions import StorageError
from device_client._lock import FileLock

LOCK_SECONDS = 10.0


def installation_id(directory: Path) -> str:
    """The id, made at the first call. It says nothing about the device or the person.

    Raises:
        StorageError: the file is there but can't be read. A new id would count this device twice.
    """
    path = directory / "installation.json"
    with FileLock(directory / "installation.lock").hold(LOCK_SECONDS):
        try:
            return str(uuid.UUID(json.loads(path.read_bytes())["id"]))
        except FileNotFoundError:
            made = str(uuid.uuid4())
            note = {"id": made, "created_at": datetime.now(timezone.utc).isoformat(timespec="seconds")}
            write_atomically(path, json.dumps(note).encode())
            return made
        except (ValueError, KeyError, TypeError) as error:
            raise StorageError(
                f"{path} is damaged ({error!r}). Remove it to let this device register as a new installation."
            ) from error
