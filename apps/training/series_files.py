"""Series of one or several runs as a file, CSV or JSON, with every point. One run after the other is read and sent."""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest
from django.http.response import StreamingHttpResponse
from django.utils.http import content_disposition_header

from apps.errors import Refused
from apps.projects.access import Access
from apps.training.models import TrainingRun
from apps.training.series import Series, series_of

MOST_RUNS = 50
ROWS_A_PIECE = 2_000
COLUMNS = ("run", "name", "series", "step", "wall_time", "value")


def series_file(request: HttpRequest, access: Access, extension: str) -> StreamingHttpResponse:
    """The series of `?run=<id>` (once or more), all of them or those of `?series=<name>`; `extension`: csv or json.

    Raises Refused for bad input, and Http404 for a run that is not in the project.
    """
    ids, names = request.GET.getlist("run"), frozenset(request.GET.getlist("series"))
    runs = chosen_runs(access, ids, most=MOST_RUNS)
    if not runs:
        raise Refused("invalid", "Say which runs: run=<id>, once or more. Received: none.")
    write, content_type = WRITERS[extension]
    parts = ((run, [one for one in series_of(access, run.job) if not names or one.name in names]) for run in runs)
    is_packed = "gzip" in request.headers.get("Accept-Encoding", "")
    pieces = _packed(write(parts)) if is_packed else write(parts)
    # Django gathers a plain iterator into memory before it sends it asynchronously, so there it must be an async one.
    content = _in_threads(pieces) if isinstance(request, ASGIRequest) else pieces
    filename = f"run-{runs[0].number}-metrics.{extension}" if len(runs) == 1 else f"metrics.{extension}"
    headers = {
        "Content-Disposition": content_disposition_header(True, filename) or "attachment",
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Encoding",
    }
    if is_packed:
        headers["Content-Encoding"] = "gzip"
    return StreamingHttpResponse(content, content_type=content_type, headers=headers)


def chosen_runs(access: Access, ids: list[str], *, most: int) -> list[TrainingRun]:
    """The runs with these ids, in their order and each once, with what a list shows of them and their specs. One query.

    Raises Refused for what is no id and for more than `most`, Http404 for a run that is not in the project.
    """
    try:
        wanted = list(dict.fromkeys(UUID(id) for id in ids))  # noqa: A001
    except ValueError:
        raise Refused("invalid", f"run must be the id of a training run. Received: {', '.join(ids)[:200]}.") from None
    if len(wanted) > most:
        raise Refused("too_many_runs", f"At most {most} runs at a time. Received: {len(wanted)}.")
    rows = access.query(TrainingRun).for_comparison().filter(pk__in=wanted) if wanted else []
    found = {run.pk: run for run in rows}
    for id in wanted:  # noqa: A001
        if id not in found:
            raise Http404(f"No training run {id} in this project.")
    return [found[id] for id in wanted]  # noqa: A001


Parts = Iterator[tuple[TrainingRun, list[Series]]]


def as_csv(parts: Parts) -> Iterator[bytes]:
    """One row a point. Times are in UTC."""
    page = io.StringIO()
    table = csv.writer(page, lineterminator="\n")
    table.writerow(COLUMNS)
    for run, found in parts:
        for series in found:
            about = (run.number, _cell(run.name), _cell(series.name))
            for index, (step, wall_time, value) in enumerate(_points(series), 1):
                table.writerow((*about, _plain(step), _moment(wall_time), _plain(value)))
                if index % ROWS_A_PIECE == 0:
                    yield _taken(page)
            yield _taken(page)
    yield _taken(page)


def as_json(parts: Parts) -> Iterator[bytes]:
    """`{"runs": [{"id", "number", "name", "last_sequence", "series": [{"name", "steps", "wall_times", "values"}]}]}`"""
    yield b'{"runs":['
    for place, (run, found) in enumerate(parts):
        about = {"id": run.pk, "number": run.number, "name": run.name, "last_sequence": run.job.last_sequence}
        yield b"," * bool(place) + orjson.dumps(about)[:-1] + b',"series":['
        for index, series in enumerate(found):
            columns = {
                "name": series.name,
                "steps": [_plain(step) for step in series.steps],
                "wall_times": [round(seconds, 3) for seconds in series.wall_times],
                "values": series.values.tolist(),
            }
            yield b"," * bool(index) + orjson.dumps(columns)
        yield b"]}"
    yield b"]}"


WRITERS: dict[str, tuple[Callable[[Parts], Iterator[bytes]], str]] = {
    "csv": (as_csv, "text/csv; charset=utf-8"),
    "json": (as_json, "application/json"),
}


def _points(series: Series) -> Iterator[tuple[float, float, float]]:
    return zip(series.steps, series.wall_times, series.values, strict=True)


def _plain(number: float) -> float:
    """A whole number without a decimal point."""
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cell(text: str) -> str:
    """A name that a spreadsheet would take for a formula is made plain text."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _taken(page: io.StringIO) -> bytes:
    """What was written so far; the page is empty afterwards."""
    text = page.getvalue()
    page.seek(0)
    page.truncate()
    return text.encode()


def _packed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """One gzip stream. Django's own middleware makes one of every piece, of which browsers read the first alone."""
    packer = zlib.compressobj(level=4, wbits=zlib.MAX_WBITS | 16)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


async def _in_threads(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each piece is made in the request's own thread, where its database connection is."""
    next_piece: Any = sync_to_async(next, thread_sensitive=True)
    while (piece := await next_piece(pieces, None)) is not None:
        yield piece
