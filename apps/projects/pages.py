"""What pages share: long lists by key, and a service's refusal beside the form's fields."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.forms import BaseForm
from django.http import HttpRequest

from apps.errors import Refused


@dataclass(frozen=True)
class Page:
    """Some rows, newest first, and the query string value of the next page (None: there is none).

    `filters`: the other query parameters, ready to stand before `before=…` in a link.
    """

    rows: list[Any]
    next_before: UUID | None
    is_first: bool
    filters: str = ""


def page_of(queryset: Any, request: HttpRequest, *, size: int = 50) -> Page:
    """One page of `queryset` in the order of descending id: `?before=<id>` goes on below that row, at the same cost
    however deep. A `before` that is no id shows the first page.
    """
    before = request.GET.get("before", "")
    try:
        rows = queryset.filter(pk__lt=UUID(before)) if before else queryset
    except ValueError:
        rows, before = queryset, ""
    found = list(rows.order_by("-pk")[: size + 1])
    others = request.GET.copy()
    others.pop("before", None)
    filters = f"{others.urlencode()}&" if others else ""
    return Page(found[:size], found[size - 1].pk if len(found) > size else None, is_first=not before, filters=filters)


@contextmanager
def refusal_told(request: HttpRequest) -> Iterator[None]:
    """Where a service refuses in here, its reason is the message on the next page, and what follows is left out."""
    try:
        yield
    except Refused as refused:
        messages.error(request, refused.message)


def add_refusal(form: BaseForm, refused: Refused) -> None:
    """Put a service's reasons beside the fields they are about, and above the form what is about none of them."""
    beside = [detail for detail in refused.details if detail["field"] in form.fields]
    for detail in beside:
        form.add_error(detail["field"], detail["message"])
    if not beside or len(beside) < len(refused.details):
        form.add_error(None, refused.message)
