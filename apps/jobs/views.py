from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.models import Role
from apps.errors import Refused
from apps.jobs.advice import advice_on
from apps.jobs.handlers import keeps_work, link_of
from apps.jobs.live import live_context
from apps.jobs.models import Job
from apps.jobs.restarting import can_be_restarted, resume_job, retry_job
from apps.jobs.services import cancel_job
from apps.projects.access import AccessRequest, project_page
from apps.projects.pages import page_of


@project_page()
@require_GET
def show_all(request: AccessRequest) -> HttpResponseBase:
    state, kind = request.GET.get("state", ""), request.GET.get("kind", "")
    jobs = request.access.query(Job).for_page()
    if state in Job.State.values:
        jobs = jobs.filter(state=state)
    if kind in Job.Kind.values:
        jobs = jobs.filter(kind=kind)
    page = page_of(jobs, request)
    context = {
        "page": page,
        "states": Job.State.choices,
        "kinds": Job.Kind.choices,
        "state": state,
        "kind": kind,
        "is_filtered": state in Job.State.values or kind in Job.Kind.values,
        "is_moving": any(not job.is_over for job in page.rows),
    }
    return render(request, "jobs/job_list.html", context)


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


def _said_of_cancelled(job: Job) -> str:
    return "The job was cancelled." if job.is_over else "The job is being stopped; this takes some seconds."


def _changed(
    request: AccessRequest, job: UUID, change: Callable[..., Job], said: Callable[[Job], str]
) -> HttpResponseBase:
    """Change the job and go back to where the person came from."""
    access = request.access
    try:
        found = change(access=access, job=access.get(Job, job))
    except Refused as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, said(found))
    back = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(back, allowed_hosts=None):  # the page of what the job makes
        return redirect(back)
    return redirect("job", access.organization.slug, access.project.slug, job)
