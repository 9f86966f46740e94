"""Pages of a long list by key: `?before=<id>` continues below the last row seen, at the same cost however deep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest


@dataclass(frozen=True)
class Page:
    """Some rows, newest first, and the query string value of the next page (None: there is none)."""

    rows: list[Any]
    next_before: UUID | None
    is_first: bool


def page_of(queryset: Any, request: HttpRequest, *, size: int = 50) -> Page:
    """One page of `queryset` in the order of descending id. A `before` that is no id shows the first page."""
    before = request.GET.get("before", "")
    try:
        rows = queryset.filter(pk__lt=UUID(before)) if before else queryset
    except ValueError:
        rows, before = queryset, ""
    found = list(rows.order_by("-pk")[: size + 1])
    return Page(found[:size], found[size - 1].pk if len(found) > size else None, is_first=not before)
