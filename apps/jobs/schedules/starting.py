"""What a schedule can start. Each app registers its own in its AppConfig.ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.forms import Field

from apps.errors import Refused
from apps.jobs.models import Job
from apps.projects.access import Access

Payload = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """What is started, in words: `title` names it in a few, `text` says all. `payload`: as it is to be kept."""

    title: str
    text: str
    payload: Payload


@dataclass(frozen=True)
class Startable:
    """One kind of thing that a schedule starts.

    `fields`: form fields of the payload's keys, all of them text. `describe` raises Refused for a payload that can't be
    started in this project, with details for `payload.<key>`. `start` makes the job, or returns the one that was made
    with the same key before, inside the caller's transaction; it raises Refused where there is nothing to start now.
    `url`: the page of what is started, by the payload that `describe` returned alone.
    """

    name: str
    label: str
    fields: Mapping[str, Field]
    describe: Callable[[Access, Payload], Subject]
    start: Callable[[Access, Payload, str | None], Job]
    url: Callable[[Access, Payload], str]


_startables: dict[str, Startable] = {}


def register(startable: Startable) -> None:
    _startables[startable.name] = startable


def names() -> list[str]:
    return sorted(_startables)


def startable_of(name: str) -> Startable:
    """Raises Refused("starts_unknown")."""
    try:
        return _startables[name]
    except KeyError:
        message = f"A schedule can't start {name[:40]!r}. Accepted: {', '.join(names()) or 'nothing'}."
        raise Refused("starts_unknown", message, details=[{"field": "starts", "message": message}]) from None
