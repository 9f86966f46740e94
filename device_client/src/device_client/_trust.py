"""Whom this device believes: the project's TUF root, and what it has already seen.

The rules are those of the TUF specification's client workflow (section 5), for the two roles that a manifest has:
each new root must be signed by the one before it and by itself; the manifest is the targets role.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.api.metadata import Metadata, Root, Targets  # type: ignore[attr-defined]
from tuf.api.serialization import DeserializationError

from device_client._atomic import write_atomically
from device_client._exceptions import ExpiredError, RollbackError, SignatureError
from device_client._manifest import Manifest, manifest_of

logger = logging.getLogger("device_client")

MAX_ROOT_ROTATIONS = 256
BAD_METADATA = (RepositoryError, DeserializationError, DownloadError, ValueError, KeyError, TypeError)

FetchRoot = Callable[[int], "bytes | None"]


class Trust:
    """The trusted root and the newest manifest seen, kept in a folder.

    Not thread-safe: callers hold the directory's lock.

    Args:
        folder: where root.json, manifest.json and seen.json are kept.
        bundled_root: a root that the application ships, or None to trust the first root that the server shows.
        now: the device's clock.
    """

    def __init__(
        self,
        folder: Path,
        *,
        bundled_root: bytes | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._folder = folder
        self._bundled_root = bundled_root
        self._now = now
        # What was verified last, by its bytes: a signature costs tens of milliseconds in plain Python, and a small
        # device asks for the same few files again and again.
        self._verified_root: tuple[bytes, Metadata[Root]] | None = None
        self._verified_manifest: tuple[bytes, bytes, Manifest] | None = None

    # What is on this device

    def etag(self) -> str | None:
        """The ETag of the stored manifest; None when nothing new could be done with "unchanged" as the answer: there
        is no manifest, it has expired or no longer verifies, or the ETag is another one's."""
        noted = self._noted()
        manifest = self.stored_manifest()
        if manifest is None or datetime.fromisoformat(manifest.expires) <= self._now():
            return None
        try:
            stored = (self._folder / "manifest.json").read_bytes()
        except OSError:
            return None
        belongs = noted.get("sha256") == hashlib.sha256(stored).hexdigest()
        return str(noted["etag"]) if belongs and noted.get("etag") else None

    def stored_manifest(self) -> Manifest | None:
        """The newest manifest that this device accepted, expired or not; None before the first one.

        What is stored was verified when it came. It is verified again, as far as signatures go, because disks and
        people change files: a stored manifest that no longer verifies counts as none.
        """
        root = self._stored_root()
        try:
            data = (self._folder / "manifest.json").read_bytes()
        except OSError:
            return None
        if root is None:
            return None
        known = self._verified_manifest
        if known is not None and known[:2] == (root.signed_bytes, data):
            return known[2]
        try:
            manifest = manifest_of(_verified_targets(root, data).signed)
            self._verified_manifest = root.signed_bytes, data, manifest
            return manifest
        except SignatureError as error:
            logger.warning("the stored manifest is put aside: %s", error)
            return None

    # What comes from the server

    def update_root(self, fetch: FetchRoot) -> None:
        """Walk from the trusted root to the newest one.

        Args:
            fetch: gives the bytes of root number n, or None when the server has no such root.

        Raises:
            SignatureError: there is no root at all, or the next one is not signed by the one before and by itself.
            ExpiredError: the newest root has expired.
        """
        root = self._stored_root() or self._first_root(fetch)
        for _ in range(MAX_ROOT_ROTATIONS):
            number = root.signed.version + 1
            data = fetch(number)
            if data is None:
                break
            new = _parsed(Root, data, f"root {number}")
            if new.signed.version != number:
                raise SignatureError(f"the server gave root {new.signed.version} where root {number} was asked for")
            _check(root, Root.type, new, f"root {number}", by=f"root {root.signed.version}")
            _check(new, Root.type, new, f"root {number}", by="itself")
            if not set(_keys(root, Targets.type)) & set(_keys(new, Targets.type)):
                # Whoever held the old keys could have numbered a manifest into the far future (TUF 5.3.11).
                logger.warning("the project's signing keys have changed; the newest manifest seen is forgotten")
                (self._folder / "seen.json").unlink(missing_ok=True)
                (self._folder / "manifest.json").unlink(missing_ok=True)
            write_atomically(self._folder / "root.json", data)
            root = new
        if root.signed.is_expired(self._now()):
            raise ExpiredError(self._expired(f"root {root.signed.version}", root.signed.expires))

    def accept_manifest(self, data: bytes, etag: str | None) -> Manifest:
        """Verify a manifest that just came and remember it as the newest.

        Raises:
            SignatureError: it can't be parsed or is not signed by the trusted root's targets keys.
            RollbackError: its version is below the newest one seen.
            ExpiredError: its expiry date has passed.
        """
        root = self._stored_root()
        if root is None:
            raise SignatureError("no trusted root; update_root() comes before accept_manifest()")
        targets = _verified_targets(root, data).signed
        seen = self._newest_version_seen()
        if targets.version < seen:
            raise RollbackError(
                f"the manifest has version {targets.version}, but this device has already seen version {seen}"
            )
        if targets.is_expired(self._now()):
            raise ExpiredError(self._expired("the manifest", targets.expires))
        manifest = manifest_of(targets)
        write_atomically(self._folder / "manifest.json", data)
        self._verified_manifest = root.signed_bytes, data, manifest
        noted = {"etag": etag, "sha256": hashlib.sha256(data).hexdigest(), "version": manifest.version}
        write_atomically(self._folder / "seen.json", json.dumps(noted).encode())
        return manifest

    def current_manifest(self) -> Manifest:
        """The stored manifest, to act on after the server said that nothing has changed.

        Raises:
            SignatureError: there is none.
            ExpiredError: its expiry date has passed. A server that only ever says "unchanged" freezes a device in
                the past; so what is there keeps working, but nothing new is fetched.
        """
        manifest = self.stored_manifest()
        if manifest is None:
            raise SignatureError("the server says that the manifest is unchanged, but this device has none")
        if datetime.fromisoformat(manifest.expires) <= self._now():
            raise ExpiredError(self._expired("the stored manifest", datetime.fromisoformat(manifest.expires)))
        return manifest

    def _first_root(self, fetch: FetchRoot) -> Metadata[Root]:
        data = self._bundled_root if self._bundled_root is not None else fetch(1)
        if data is None:
            raise SignatureError("the server has no root 1, so nothing that it signs can be trusted")
        root = _parsed(Root, data, "the first root")
        _check(root, Root.type, root, "the first root", by="itself")
        write_atomically(self._folder / "root.json", data)
        return root

    def _stored_root(self) -> Metadata[Root] | None:
        path = self._folder / "root.json"
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        known = self._verified_root
        if known is not None and known[0] == data:
            return known[1]
        try:
            root = _parsed(Root, data, "the stored root")
            _check(root, Root.type, root, "the stored root", by="itself")
        except SignatureError as error:
            # Starting again from root 1 would let anyone who can damage one file choose the keys.
            raise SignatureError(f"{error}. Remove {path} only if you know why it changed.") from error
        self._verified_root = data, root
        return root

    def _newest_version_seen(self) -> int:
        # Both places count: a crash may have come between the two writes, and either file may be damaged.
        stored = self.stored_manifest()
        noted = self._noted().get("version")
        return max(stored.version if stored else 0, noted if isinstance(noted, int) else 0)

    def _noted(self) -> dict[str, Any]:
        try:
            noted = json.loads((self._folder / "seen.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return noted if isinstance(noted, dict) else {}

    def _expired(self, what: str, expires: datetime) -> str:
        return (
            f"{what} expired at {expires.isoformat()}; the clock of this device says "
            f"{self._now().replace(microsecond=0).isoformat()}"
        )


def _parsed(kind: type[Root] | type[Targets], data: bytes, what: str) -> Metadata:  # type: ignore[type-arg]
    try:
        metadata: Metadata = Metadata.from_bytes(data)  # type: ignore[type-arg]
    except BAD_METADATA as error:
        raise SignatureError(f"{what} is not TUF metadata: {error}") from error
    if metadata.signed.type != kind.type:
        raise SignatureError(f"{what} is TUF metadata of type {metadata.signed.type!r}; {kind.type!r} is accepted")
    return metadata


def _verified_targets(root: Metadata[Root], data: bytes) -> Metadata[Targets]:
    targets: Metadata[Targets] = _parsed(Targets, data, "the manifest")
    _check(root, Targets.type, targets, "the manifest", by=f"the keys of root {root.signed.version}")
    return targets


def _check(root: Metadata[Root], role: str, metadata: Metadata, what: str, *, by: str) -> None:  # type: ignore[type-arg]
    try:
        root.signed.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except BAD_METADATA as error:
        raise SignatureError(f"{what} is not signed by {by}: {error}") from error


def _keys(root: Metadata[Root], role: str) -> list[str]:
    return list(root.signed.roles[role].keyids)
