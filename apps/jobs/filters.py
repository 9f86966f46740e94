"""Narrowing the list of jobs, for the page and the API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apps.errors import Refused
from apps.jobs.models import Job

NAMES = ("state", "kind", "who")


def narrowed(jobs: Any, *, state: str = "", kind: str = "", who: str = "") -> Any:
    """The jobs in this state, of this kind, that were started by this person (an email address) or key (its id).

    What is empty narrows nothing. Raises Refused for what is not accepted.
    """
    for name, value, accepted in (("state", state, Job.State.values), ("kind", kind, Job.Kind.values)):
        if value and value not in accepted:
            raise Refused("invalid", f"{name} must be one of {', '.join(accepted)}. Received: {value!r}.")
        if value:
            jobs = jobs.filter(**{name: value})
    if "@" in who:
        return jobs.filter(created_by__email__iexact=who)
    if not who:
        return jobs
    try:
        return jobs.filter(api_key=UUID(who))
    except ValueError:
        message = f"who must be the email address of a person or the id of a server key. Received: {who[:100]!r}."
        raise Refused("invalid", message) from None
