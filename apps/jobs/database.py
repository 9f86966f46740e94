"""The database connections of processes that are no web request: of a worker over the hours of a job, of websockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection

P = ParamSpec("P")
T = TypeVar("T")


def renew_connection() -> None:
    """Drop a connection that broke or grew old, so that the next query opens one; inside a transaction it is kept."""
    if not connection.in_atomic_block:
        close_old_connections()


def on_open_connection(function: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """`function` for websockets: in their thread, on a connection that is left open for the next call.

    To connect anew for each look, as `database_sync_to_async` does, costs PostgreSQL several times what the look costs.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        if connection.errors_occurred:
            renew_connection()
        return function(*args, **kwargs)

    return sync_to_async(call)
