"""What became of many jobs, in words for people."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.contrib import messages
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.jobs.bulk import Account, Action
from apps.projects.access import AccessRequest

DONE = {
    Action.CANCEL: "Cancelled",
    Action.RESUME: "Waiting for a worker, to go on from what was saved",
    Action.RETRY: "Waiting for a worker, to begin anew",
}
STOPPING = "Being stopped, which takes some seconds"


def tell(request: AccessRequest, action: Action, account: Account) -> None:
    """A message for each thing that happened and for each reason of a refusal, with the jobs that it is about."""
    done: dict[str, list[tuple[UUID, str]]] = {}
    for job in account.done:
        is_stopping = action == Action.CANCEL and not job.is_over
        done.setdefault(STOPPING if is_stopping else DONE[action], []).append((job.pk, job.title))
    refused: dict[str, list[tuple[UUID, str]]] = {}
    for one in account.refused:
        refused.setdefault(one.message, []).append((one.id, one.title))
    for what, jobs in done.items():
        messages.success(request, format_html("{} ({}): {}", what, len(jobs), _links(request, jobs)))
    for why, jobs in refused.items():
        messages.warning(request, format_html("Not changed ({}): {}. {}", len(jobs), _links(request, jobs), why))


def _links(request: AccessRequest, jobs: Sequence[tuple[UUID, str]]) -> SafeString:
    where = [request.access.organization.slug, request.access.project.slug]
    links = [
        format_html('<a href="{}">{}</a>', reverse("job", args=[*where, id]), title) if title else str(id)
        for id, title in jobs  # noqa: A001
    ]
    return format_html_join(", ", "{}", ((link,) for link in links))
