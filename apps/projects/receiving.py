"""Receiving an announced file, whole or in pieces, into local storage, without ever holding it in memory.

Protocol of a signed PUT link: `PUT` the whole body; or pieces in order, each with `Content-Range: bytes 0-999/5000`.
The answer says `{"received": …, "size": …}`: status 200 when the file is complete, 202 while pieces are missing. After
a break, `HEAD` gives the header `Upload-Offset`: the number of bytes to go on from.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from apps.errors import Refused
from apps.projects.storage import part_of

Awaits = Callable[[str], bool]

_awaits: list[Awaits] = []


def accept_only(awaits: Awaits) -> None:
    """Say who knows, by its storage key, whether a file is still waited for. A signed link alone does not tell."""
    _awaits[:] = [awaits]


def refuse_unless_awaited(key: str) -> None:
    """Raises Refused `upload_closed` (410). Makes one query."""
    if not any(awaits(key) for awaits in _awaits):
        raise upload_closed()


def upload_closed() -> Refused:
    return Refused(
        "upload_closed",
        "Nothing is waited for here any more: the upload was completed, refused or given up. Ask for a new one.",
        status=410,
    )


@dataclass(frozen=True)
class Piece:
    """The bytes `first` up to, not including, `end` of a file."""

    first: int
    end: int


def announced_piece(size: int, content_length: str | None, content_range: str | None) -> Piece:
    """Which piece of a file of `size` bytes a PUT says it brings. Raises Refused before a byte is read."""
    piece = Piece(0, size)
    if content_range:
        match = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", content_range.strip())
        if not match or not int(match[1]) <= int(match[2]) < int(match[3]) == size:
            raise Refused(
                "invalid_range",
                f"Content-Range must be 'bytes FIRST-LAST/{size}' within the {size} bytes announced. "
                f"Received: {content_range[:100]!r}.",
            )
        piece = Piece(int(match[1]), int(match[2]) + 1)
    if content_length:
        wanted = piece.end - piece.first
        length = int(content_length) if content_length.isascii() and content_length.isdigit() else -1
        if length > wanted:
            raise Refused("too_many_bytes", f"{wanted} bytes were announced; {length} are being sent.", status=413)
        if length < wanted:
            raise Refused("too_few_bytes", f"{wanted} bytes were announced; {length} are being sent.")
    return piece


class Receiver:
    """Writes one piece of an announced file. Bytes gather beside `path`; it appears there once all are in.

    Use as a context manager, `write` what comes, then `finish`. Left without `finish` (the connection broke), the bytes
    so far stay for the next attempt. Raises Refused: `already_received` (409), `transfer_running` (409: somebody else
    is sending this file now), `wrong_offset` (409), `too_many_bytes` (413), `too_few_bytes` (400), `upload_closed`
    (410: the bytes were deleted meanwhile), `storage_full` (507), after which nothing of the file is kept.
    """

    def __init__(self, path: Path, size: int, piece: Piece) -> None:
        self.path = path
        self.size = size
        self.piece = piece
        self.offset = piece.first
        self._file = -1

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(part_of(self.path), os.O_RDWR | os.O_CREAT, 0o640)
        except OSError as error:
            self._refuse_if_full(error)
            raise
        try:
            self._begin()
        except BaseException:
            os.close(self._file)
            raise
        return self

    def _begin(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Refused(
                "transfer_running",
                "Another transfer of this file is running. Wait for it, or for it to break.",
                status=409,
            ) from error
        if self.path.exists():
            part_of(self.path).unlink(missing_ok=True)
            raise Refused(
                "already_received",
                f"All {self.size} bytes have been received already. Say that the upload is complete.",
                status=409,
            )
        there = os.fstat(self._file).st_size
        if self.piece.first > there or (self.piece.first and self.piece.first != there):
            raise Refused(
                "wrong_offset",
                f"{there} bytes have been received: go on from there, not from {self.piece.first}.",
                status=409,
            )
        os.ftruncate(self._file, self.piece.first)
        os.lseek(self._file, self.piece.first, os.SEEK_SET)

    def write(self, chunk: bytes) -> None:
        if self.offset + len(chunk) > self.piece.end:
            os.ftruncate(self._file, self.piece.first)
            raise Refused(
                "too_many_bytes",
                f"{self.piece.end - self.piece.first} bytes were announced; more are being sent.",
                status=413,
            )
        view = memoryview(chunk)
        while view:
            written = os.write(self._file, view)
            view = view[written:]
            self.offset += written

    def finish(self) -> bool:
        """The body has ended. True: the file is complete and in its place; False: pieces are missing."""
        if self.offset < self.piece.end:
            raise Refused(
                "too_few_bytes",
                f"{self.piece.end - self.piece.first} bytes were announced; {self.offset - self.piece.first} came.",
            )
        if self.offset < self.size:
            return False
        os.fsync(self._file)
        try:
            part_of(self.path).replace(self.path)
        except FileNotFoundError:
            raise upload_closed() from None
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._refuse_if_full(error)
        finally:
            os.close(self._file)  # gives the lock back

    def _refuse_if_full(self, error: BaseException | None) -> None:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            part_of(self.path).unlink(missing_ok=True)
            raise Refused(
                "storage_full",
                f"The disk of this platform is full, so the {self.size} bytes announced can't be kept. Tell its "
                "operator, and send the file again when there is room.",
                status=507,
            ) from error
