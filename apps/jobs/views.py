from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.models import Role
from apps.errors import Refused
from apps.jobs.advice import advice_on
from apps.jobs.bulk import Action, change_jobs
from apps.jobs.bulk_account import tell
from apps.jobs.filters import NAMES, narrowed
from apps.jobs.handlers import keeps_work, link_of
from apps.jobs.live import live_context
from apps.jobs.models import Job
from apps.jobs.priorities import NAMED, change_priority
from apps.jobs.restarting import can_be_restarted, resume_job, retry_job
from apps.jobs.services import cancel_job
from apps.projects.access import Access, AccessRequest, project_page
from apps.projects.models import ApiKey
from apps.projects.pages import page_of, refusal_told


@project_page()
@require_GET
def show_all(request: AccessRequest) -> HttpResponseBase:
    """The list; to htmx, which asks again while a job moves, its rows alone. What can't be a filter narrows nothing."""
    access = request.access
    jobs, asked = access.query(Job).for_page(), {}
    for name in NAMES:
        with suppress(Refused):
            jobs = narrowed(jobs, **{name: request.GET.get(name, "")})
            asked[name] = request.GET.get(name, "")
    page = page_of(jobs, request)
    can_write = access.allows(Role.DEVELOPER)
    for job in page.rows:
        job.can_cancel = can_write and not job.is_over and job.cancel_requested_at is None
        job.can_restart = can_write and can_be_restarted(job)
        job.keeps_work = keeps_work(job)
    context = {
        **asked,
        "page": page,
        "can_write": can_write,
        "is_filtered": any(asked.values()),
        "is_moving": any(not job.is_over for job in page.rows),
    }
    is_update = bool(request.headers.get("HX-Request"))
    if not is_update:
        context |= {
            "states": Job.State.choices,
            "kinds": Job.Kind.choices,
            "people": access.organization.memberships.select_related("user").order_by("user__email"),
            "keys": access.query(ApiKey).filter(kind=ApiKey.Kind.SERVER).order_by("name"),
            "actions": Action,
        }
    response = render(request, "jobs/_rows.html" if is_update else "jobs/job_list.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@project_page(Role.DEVELOPER)
@require_POST
def bulk(request: AccessRequest) -> HttpResponseBase:
    """The `action` on each selected `job`; the account of it stands above the list that it leads back to."""
    access = request.access
    try:
        action = Action(request.POST.get("action", ""))
        account = change_jobs(access=access, action=action, ids=list(map(UUID, request.POST.getlist("job"))))
    except ValueError:
        accepted = ", ".join(Action.values)
        messages.error(request, f"An action ({accepted}) and the ids of jobs are needed. Nothing was changed.")
    except Refused as refused:
        messages.error(request, "Select some jobs first." if refused.code == "no_jobs" else refused.message)
    else:
        tell(request, action, account)
    return _back(request) or redirect("job-list", access.organization.slug, access.project.slug)


@project_page()
@require_GET
def show(request: AccessRequest, job: UUID) -> HttpResponseBase:
    access = request.access
    found = access.get(Job, job, access.query(Job).select_related("created_by", "api_key"))
    context = live_context(access, found) | {
        "advice": advice_on(found),
        "link": link_of(found, access),
        "can_restart": access.allows(Role.DEVELOPER) and can_be_restarted(found),
        "keeps_work": keeps_work(found),
        "can_cancel": access.allows(Role.DEVELOPER) and not found.is_over and found.cancel_requested_at is None,
        "can_prioritize": access.allows(Role.DEVELOPER) and found.state == Job.State.QUEUED,
        "priorities": NAMED,
    }
    return render(request, "jobs/job.html", context)


@project_page(Role.DEVELOPER)
@require_POST
def cancel(request: AccessRequest, job: UUID) -> HttpResponseBase:
    return _changed(request, job, cancel_job, _said_of_cancelled)


@project_page(Role.DEVELOPER)
@require_POST
def resume(request: AccessRequest, job: UUID) -> HttpResponseBase:
    return _changed(request, job, resume_job, lambda _: "The job is waiting for a worker, and goes on from there.")


@project_page(Role.DEVELOPER)
@require_POST
def retry(request: AccessRequest, job: UUID) -> HttpResponseBase:
    return _changed(request, job, retry_job, lambda _: "The job is waiting for a worker, and begins anew.")


@project_page(Role.DEVELOPER)
@require_POST
def prioritize(request: AccessRequest, job: UUID) -> HttpResponseBase:
    given = request.POST.get("priority", "")

    def change(*, access: Access, job: Job) -> Job:
        try:
            return change_priority(access=access, job=job, priority=int(given))
        except ValueError:
            raise Refused("invalid", f"A priority is a whole number. Received: {given!r}.") from None

    return _changed(request, job, change, lambda _: "The job has another place in the line.")


def _said_of_cancelled(job: Job) -> str:
    return "The job was cancelled." if job.is_over else "The job is being stopped; this takes some seconds."


def _changed(
    request: AccessRequest, job: UUID, change: Callable[..., Job], said: Callable[[Job], str]
) -> HttpResponseBase:
    """Change the job and go back to where the person came from."""
    access = request.access
    with refusal_told(request):
        found = change(access=access, job=access.get(Job, job))
        messages.success(request, said(found))
    return _back(request) or redirect("job", access.organization.slug, access.project.slug, job)


def _back(request: AccessRequest) -> HttpResponseBase | None:
    """To the page that the form was on: the list, or that of what the job makes."""
    back = request.POST.get("next", "")
    return redirect(back) if url_has_allowed_host_and_scheme(back, allowed_hosts=None) else None
