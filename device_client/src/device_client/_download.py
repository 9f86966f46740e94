"""Fetching one signed file: resumed after a break, hashed as it comes, visible only when it is right."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path

import httpx

from device_client._atomic import sync_folder, write_atomically
from device_client._exceptions import FileMismatchError, ServerRefusedError, ServerUnreachableError, StorageError
from device_client._http import Http, refusal, unreachable_on_failure
from device_client._manifest import Target

logger = logging.getLogger("device_client")

ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.5
CHUNK = 64 * 1024
# Left on the disk besides the file itself: a device with a full disk has other troubles than an old model.
SPARE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Download:
    """How a download went. `received` counts the bytes that came over the network, over all attempts."""

    seconds: float
    received: int
    resumed: bool


def download(
    http: Http,
    target: Target,
    destination: Path,
    *,
    deadline: float | None = None,
) -> Download:
    """Fetch `target` to `destination`.

    The bytes go to `<destination>.part`. A break leaves that file, and the next attempt, of this call or of a later
    process, asks for the rest only. When length and SHA-256 are the signed ones, the file gets its name.

    Args:
        deadline: of `time.monotonic()`; None for as long as it takes.

    Raises:
        ServerUnreachableError: the connection broke in every attempt, or the deadline came.
        ServerRefusedError: the server refuses the file.
        FileMismatchError: the bytes are not the signed ones; nothing of them is kept.
        StorageError: no space, or the folder can't be written.
    """
    started = time.monotonic()
    partial = _Partial(destination, target, lambda: http.closing or (deadline or inf) < time.monotonic())
    resumed = False
    for attempt in range(1, ATTEMPTS + 1):
        resumed = resumed or partial.length > 0
        try:
            try:
                _fetch_rest(http, target, partial)
                partial.finish(destination)
            except OSError as error:
                raise _storage_error(error, target, partial.path) from error
            return Download(seconds=time.monotonic() - started, received=partial.received, resumed=resumed)
        except ServerUnreachableError as error:
            if attempt == ATTEMPTS or partial.is_late():
                raise
            logger.info("download of %s broke at byte %d: %s", target.version, partial.length, error)
        except ServerRefusedError as error:
            if error.status < 500 or attempt == ATTEMPTS or partial.is_late():
                raise
        http.pause(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
    raise AssertionError("unreachable")


class _Partial:
    """The bytes so far, their hash, and the ETag of the answer that they came from."""

    def __init__(self, destination: Path, target: Target, is_late: Callable[[], bool]) -> None:
        self._target = target
        self.is_late = is_late
        self.path = destination.with_name(destination.name + ".part")
        self._note = destination.with_name(destination.name + ".part.json")
        self.received = 0
        self.restart(keep=True)

    def restart(self, *, keep: bool) -> None:
        """Begin again, with what is on disk if `keep`."""
        self.hash = hashlib.sha256()
        self.length = 0
        self.etag: str | None = None
        try:
            note = json.loads(self._note.read_bytes()) if keep else {}
        except (OSError, ValueError):
            note = {}
        if not isinstance(note, dict) or note.get("sha256") != self._target.sha256:
            self.path.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)
            return
        self.etag = note.get("etag")
        try:
            with self.path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    self.hash.update(chunk)
                    self.length += len(chunk)
        except FileNotFoundError:
            return
        if self.length > self._target.length:
            self.restart(keep=False)

    def begin(self, etag: str | None) -> None:
        """Note what the bytes that follow are bytes of, before the first is written."""
        self.restart(keep=False)
        self.etag = etag
        write_atomically(self._note, json.dumps({"sha256": self._target.sha256, "etag": etag}).encode())

    def append(self, response: httpx.Response) -> None:
        """Write the answer's body behind what is there, counting and hashing."""
        # Without a buffer, so that a process that is killed leaves all that came. Chunks are as large as reads are.
        with self.path.open("ab", buffering=0) as file:
            # Without a chunk size: httpx would hold back, and at a break lose, what does not fill a chunk.
            chunks = response.iter_raw()
            while True:
                with unreachable_on_failure(response.request.url):
                    chunk = next(chunks, None)
                if chunk is None:
                    break
                if self.length + len(chunk) > self._target.length:
                    self.restart(keep=False)
                    raise FileMismatchError(
                        f"the file of {self._target.model} version {self._target.version} is longer than the "
                        f"{self._target.length} bytes that were signed"
                    )
                file.write(chunk)
                self.hash.update(chunk)
                self.length += len(chunk)
                self.received += len(chunk)
                if self.is_late():
                    raise ServerUnreachableError(
                        f"the time was up at byte {self.length} of {self._target.length}; the rest is fetched next time"
                    )
            os.fsync(file.fileno())

    def finish(self, destination: Path) -> None:
        """Give the complete file its name, or drop it."""
        digest = self.hash.hexdigest()
        if digest != self._target.sha256:
            self.restart(keep=False)
            raise FileMismatchError(
                f"the file of {self._target.model} version {self._target.version} has SHA-256 {digest}; "
                f"{self._target.sha256} was signed"
            )
        self.path.replace(destination)
        self._note.unlink(missing_ok=True)
        sync_folder(destination.parent)


def _fetch_rest(http: Http, target: Target, partial: _Partial) -> None:
    """Bring `partial` to its full length."""
    missing = target.length - partial.length
    if missing == 0:
        return
    if shutil.disk_usage(partial.path.parent).free < missing + SPARE_BYTES:
        raise OSError(errno.ENOSPC, "no space left")
    # identity: a compressed body has other lengths and offsets than the signed file.
    headers = {"Accept-Encoding": "identity"}
    if partial.length:
        headers["Range"] = f"bytes={partial.length}-"
        headers["If-Range"] = partial.etag or f'"{target.sha256}"'
    with http.stream(target.url, headers=headers) as response:
        if response.status_code == 416:
            partial.restart(keep=False)
            raise ServerUnreachableError("the server does not have the rest of the file; it is fetched from the start")
        if response.status_code not in (200, 206):
            raise refusal(response, http.read(response))
        if response.status_code == 200:
            etag = response.headers.get("ETag")
            # A weak ETag can't promise equal bytes, so it is of no use in If-Range.
            partial.begin(etag if etag and not etag.startswith("W/") else None)
        elif not _continues(response, partial.length):
            partial.restart(keep=False)
            raise ServerUnreachableError("the server sent another part than the one asked for")
        partial.append(response)
    if partial.length < target.length:
        raise ServerUnreachableError(f"the answer ended at byte {partial.length} of {target.length}")


def _continues(response: httpx.Response, offset: int) -> bool:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return match is not None and int(match.group(1)) == offset


def _storage_error(error: OSError, target: Target, path: Path) -> StorageError:
    if error.errno == errno.ENOSPC:
        return StorageError(
            f"no space for the {target.length} bytes of {target.model} version {target.version} in {path.parent}"
        )
    return StorageError(f"{path} can't be written: {error}")
