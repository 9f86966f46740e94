"""The worker's database connection over the hours of a job."""

from django.db import close_old_connections, connection


def renew_connection() -> None:
    """Drop a connection that broke or grew old, so that the next query opens one; inside a transaction it is kept."""
    if not connection.in_atomic_block:
        close_old_connections()
