"""Every address that the platform answers at, by walking the resolver."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.access.lines import EXCLUDED, Line
from tests.access.world import World


@dataclass(frozen=True)
class Address:
    name: str | None
    route: str

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"<(?:\w+:)?(\w+)>", self.route)

    @property
    def is_api(self) -> bool:
        return self.route.startswith("api/")


def addresses() -> list[Address]:
    """All patterns except those below an excluded prefix."""
    return [address for address in _walk(get_resolver().url_patterns) if not address.route.startswith(tuple(EXCLUDED))]


def _walk(patterns: list[Any], prefix: str = "") -> Iterator[Address]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield Address(pattern.name, route)


BY_NAME = {address.name: address for address in addresses()}


def row_of(line: Line, parameter: str) -> str:
    """The key in `World.rows` of a parameter. A project stands in pages by its slug, in the API by its id."""
    if parameter == "project" and BY_NAME[line.name].is_api:
        return "project_id"
    return line.rows.get(parameter, parameter)


def url_of(line: Line, world: World, **instead: Any) -> str:
    """The line's URL in `world`, with some parameters replaced."""
    kwargs = {name: world.rows[row_of(line, name)] for name in BY_NAME[line.name].parameters}
    url = reverse(line.name, kwargs={**kwargs, **instead})
    return f"{url}?{line.query}" if line.query else url
