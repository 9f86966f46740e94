"""What organizations, projects and keys may be called, in words and in addresses."""

from __future__ import annotations

from itertools import count

from django.db.models import QuerySet
from django.utils.text import slugify

from apps.errors import Refused

MAX_LENGTH = 50


def tidy_name(name: str) -> str:
    """`name` on one line (it goes into mail subjects), with single spaces. Raises Refused("name_missing")."""
    tidy = " ".join(name.split())
    if not tidy:
        message = "A name needs at least one character that can be seen."
        raise Refused("name_missing", message, details=[{"field": "name", "message": message}])
    return tidy


def choose_slug(rows: QuerySet, name: str, slug: str, *, fallback: str) -> str:  # type: ignore[type-arg]
    """`slug` as given, or a free one made of `name` ("fast-reader", "fast-reader-2", …).

    `rows` are those among which it must be unique; `fallback` serves a name without any latin letter or digit.
    Raises Refused("slug_taken") for a given slug that is in use.
    """
    slug = slug.strip().lower()
    if slug:
        if rows.filter(slug=slug).exists():
            raise slug_taken(slug)
        return slug
    base = slugify(name)[: MAX_LENGTH - 4].strip("-") or fallback
    taken = set(rows.filter(slug__startswith=base).values_list("slug", flat=True))
    return next(
        candidate for number in count(1) if (candidate := base if number == 1 else f"{base}-{number}") not in taken
    )


def slug_taken(slug: str) -> Refused:
    message = f"The address {slug!r} is taken. Choose another one, or leave it empty."
    return Refused("slug_taken", message, details=[{"field": "slug", "message": message}], status=409)
