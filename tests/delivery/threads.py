"""The same work in several threads at the same moment, each with a database connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest
from django.db import connection, connections

Item = TypeVar("Item")
Result = TypeVar("Result")


def at_once(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """The results of `work` for each of `items`; raises what the first that failed raised. Needs PostgreSQL."""
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL: SQLite in memory has one writer, which fails instead of waiting")
    start = threading.Barrier(len(items))
    results: list[Result] = []
    errors: list[Exception] = []

    def run(item: Item) -> None:
        try:
            start.wait(10)
            results.append(work(item))
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[item]) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    if errors:
        raise errors[0]
    assert len(results) == len(items)
    return results
