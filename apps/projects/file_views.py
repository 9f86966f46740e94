"""Local files over HTTP: downloads with ranges and ETags, and the two ends of a signed link."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.http.response import StreamingHttpResponse
from django.utils.http import content_disposition_header, parse_etags
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from apps.errors import Refused
from apps.projects.receiving import Receiver, announced_piece, refuse_unless_awaited
from apps.projects.storage import SALT, local_path, part_of, storage

BLOCK = 256 * 1024


@dataclass(frozen=True)
class Link:
    """What a signed link permits."""

    key: str
    method: str
    size: int = 0
    filename: str = ""
    content_type: str = ""


def read_link(token: str) -> Link:
    """The link that `token` stands for. Raises Refused (403): `invalid_link`, `link_expired`."""
    try:
        content: dict[str, Any] = signing.loads(token, salt=SALT)
    except signing.BadSignature as error:
        raise Refused(
            "invalid_link", "This link was not made by this platform, or it was changed. Ask for a new one.", status=403
        ) from error
    if content["x"] <= time.time():
        raise Refused("link_expired", "This link has expired. Ask for a new one.", status=403)
    return Link(content["k"], content["m"], content.get("n", 0), content.get("f", ""), content.get("t", ""))


@csrf_exempt  # the signed link itself is the permission; no cookie is looked at
@require_http_methods(["GET", "HEAD", "PUT"])
def file_link(request: HttpRequest, token: str) -> HttpResponseBase:
    """The end of a signed link of local files. Errors come in the APIs' one shape: programs read them."""
    try:
        if request.method == "PUT":
            return _receive(request, token)
        link = read_link(token)
        if link.method == "PUT":
            if request.method == "HEAD":
                return _offset_of(link)
            raise _wrong_method(link)
        return serve_file(request, link.key, filename=link.filename, content_type=link.content_type)
    except Refused as refused:
        return refusal(refused)
    except Http404 as missing:
        return refusal(Refused("not_found", str(missing), status=404))


def refusal(refused: Refused) -> JsonResponse:
    error = {"code": refused.code, "message": refused.message, "details": refused.details}
    return JsonResponse({"error": error}, status=refused.status)


def _wrong_method(link: Link) -> Refused:
    return Refused("wrong_method", f"This link is for {link.method}.", status=403)


def _offset_of(link: Link) -> HttpResponse:
    received, _ = storage().arrived(link.key)
    return HttpResponse(headers={"Upload-Offset": received, "Upload-Length": link.size, "Cache-Control": "no-store"})


def put_link(token: str) -> tuple[Link, Path]:
    """What a PUT by `token` may bring, and where to. Makes one query.

    Raises Refused as `read_link` does, `wrong_method`, and `upload_closed` (410) where nothing is waited for any more.
    """
    link = read_link(token)
    if link.method != "PUT":
        raise _wrong_method(link)
    path = local_path(link.key)
    if path is None:
        raise Refused("invalid_link", "Files are kept in an object store now. Ask for a new link.", status=403)
    refuse_unless_awaited(link.key)
    return link, path


def finish_put(receiver: Receiver, link: Link) -> bool:
    """The body of a PUT has ended: see `Receiver.finish`. Looks again whether the bytes are waited for: the upload may
    have been given up while they came. Raises Refused `upload_closed`, and keeps nothing then.
    """
    try:
        refuse_unless_awaited(link.key)
    except Refused:
        part_of(receiver.path).unlink(missing_ok=True)
        raise
    return receiver.finish()


def _receive(request: HttpRequest, token: str) -> HttpResponse:
    link, path = put_link(token)
    piece = announced_piece(link.size, request.META.get("CONTENT_LENGTH"), request.headers.get("Content-Range"))
    with Receiver(path, link.size, piece) as receiver:
        while chunk := request.read(BLOCK):
            receiver.write(chunk)
        complete = finish_put(receiver, link)
    return received_answer(receiver.offset, link.size, complete=complete)


def received_answer(received: int, size: int, *, complete: bool) -> JsonResponse:
    return JsonResponse({"received": received, "size": size}, status=200 if complete else 202)


# --- Downloads -------------------------------------------------------------------------------------------------------


def redirect_to_file(
    request: HttpRequest, key: str, *, filename: str, content_type: str = "application/octet-stream"
) -> HttpResponse:
    """302 to a signed, expiring link that gives `key` as a download named `filename`. The caller has checked access."""
    link = storage().signed_get(
        key, filename=filename, content_type=content_type, expires_s=settings.DOWNLOAD_EXPIRES_S
    )
    response = HttpResponseRedirect(link.url_at(request))
    response["Cache-Control"] = "private, no-store"
    return response


def serve_file(
    request: HttpRequest,
    key: str,
    *,
    filename: str,
    content_type: str = "application/octet-stream",
    etag: str = "",
    cache_control: str = "private, max-age=3600",
) -> HttpResponseBase:
    """Stream `key` to whoever the caller has let in; files in an object store are redirected to.

    Answers one `Range` (206, or 416), `If-Range`, `If-None-Match` (304) and HEAD. `etag` is without quotes, such as the
    SHA-256; by default it is made of the file's size and time. Raises Http404 when the file is gone.
    """
    path = local_path(key)
    if path is None:
        return redirect_to_file(request, key, filename=filename, content_type=content_type)
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise Http404("This file is no longer there.") from error
    tag = f'"{etag or f"{status.st_mtime_ns:x}-{status.st_size:x}"}"'
    headers = {
        "ETag": tag,
        "Cache-Control": cache_control,
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
    }
    if any(known in {tag, "*"} for known in _etags(request.headers.get("If-None-Match", ""))):
        return HttpResponse(status=304, headers=headers)
    first, end = 0, status.st_size
    code = 200
    if request.headers.get("If-Range", tag) == tag and (wanted := request.headers.get("Range")):
        part = _one_range(wanted, status.st_size)
        if part == UNSATISFIABLE:
            return HttpResponse(status=416, headers=headers | {"Content-Range": f"bytes */{status.st_size}"})
        if part is not None:
            first, end = part
            code = 206
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{status.st_size}"
    headers["Content-Length"] = str(end - first)
    headers["Content-Disposition"] = content_disposition_header(True, filename) or "attachment"
    if request.method == "HEAD":
        return HttpResponse(status=code, headers=headers, content_type=content_type)
    piece = FilePiece(path, first, end)
    # Django gathers a plain iterator into memory before it sends it asynchronously, so there it must be an async one.
    content = piece.blocks_async() if isinstance(request, ASGIRequest) else piece.blocks()
    response = StreamingHttpResponse(content, status=code, headers=headers, content_type=content_type)
    response._resource_closers.append(piece.close)  # type: ignore[attr-defined]
    return response


class FilePiece:
    """The bytes `first` up to `end` of an open file, in blocks."""

    def __init__(self, path: Path, first: int, end: int) -> None:
        self._file = path.open("rb")
        self._file.seek(first)
        self._left = end - first

    def _next(self) -> bytes:
        block = self._file.read(min(BLOCK, self._left))
        self._left -= len(block)
        return block

    def blocks(self) -> Iterator[bytes]:
        while block := self._next():
            yield block

    async def blocks_async(self) -> AsyncIterator[bytes]:
        while block := await asyncio.to_thread(self._next):
            yield block

    def close(self) -> None:
        self._file.close()


UNSATISFIABLE = (-1, -1)


def _one_range(header: str, size: int) -> tuple[int, int] | None:
    """(first, end) of one byte range, UNSATISFIABLE, or None for all else: answered in full (RFC 9110, 14.2)."""
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", header.replace(" ", ""))
    if not match or not (match[1] or match[2]):
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        return (size - length, size) if length else UNSATISFIABLE
    first = int(match[1])
    if match[2] and int(match[2]) < first:
        return None
    end = min(int(match[2]) + 1, size) if match[2] else size
    return (first, end) if first < size else UNSATISFIABLE


def _etags(header: str) -> list[str]:
    """Weakly compared, as If-None-Match asks (RFC 9110, 13.1.2)."""
    return [tag.removeprefix("W/") for tag in parse_etags(header)]
