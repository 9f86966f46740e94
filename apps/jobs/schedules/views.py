"""Pages below a project's jobs: its schedules, each one's settings, and buttons that pause, resume and run them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.models import Role
from apps.errors import Refused
from apps.jobs.schedules.forms import ScheduleForm, values_of
from apps.jobs.schedules.models import JobSchedule
from apps.jobs.schedules.services import (
    Plan,
    change_schedule,
    create_schedule,
    delete_schedule,
    pause_schedule,
    resume_schedule,
    run_now,
)
from apps.jobs.schedules.starting import startable_of
from apps.projects.access import AccessRequest, project_page
from apps.projects.pages import add_refusal, page_of, refusal_told


@project_page()
@require_GET
def show_all(request: AccessRequest) -> HttpResponseBase:
    access = request.access
    page = page_of(access.query(JobSchedule).for_page(), request)
    for schedule in page.rows:
        schedule.subject_url = startable_of(schedule.starts).url(access, schedule.payload)
    context = {"page": page, "can_write": access.allows(Role.DEVELOPER)}
    return render(request, "jobs/schedules/list.html", context)


@project_page(Role.DEVELOPER)
@require_http_methods(["GET", "POST"])
def create(request: AccessRequest) -> HttpResponseBase:
    """The form of a new one: `?starts=` says of what, and the other parameters fill in its fields."""
    access = request.access
    try:
        startable = startable_of(request.GET.get("starts", "train"))
    except Refused as refused:
        raise Http404(refused.message) from None
    given = {name: request.GET.get(name, field.initial) for name, field in startable.fields.items()}
    try:
        subject = startable.describe(access, given)
    except Refused:
        subject = None  # the page says where to begin
    form = ScheduleForm(request.POST or None, initial=subject.payload if subject else given, startable=startable)
    if request.method == "POST" and form.is_valid():
        try:
            made = create_schedule(access=access, starts=startable.name, plan=Plan(**form.chosen()))
        except Refused as refused:
            add_refusal(form, refused)
        else:
            messages.success(request, f"{made} is on a schedule.")
            return redirect("schedule-list", access.organization.slug, access.project.slug)
    context: dict[str, Any] = {"form": form, "startable": startable, "subject": subject}
    if subject is not None:
        context["subject_url"] = startable.url(access, subject.payload)
    return render(request, "jobs/schedules/create.html", context, status=400 if form.errors else 200)


@project_page(Role.DEVELOPER)
@require_http_methods(["GET", "POST"])
def show(request: AccessRequest, schedule: UUID) -> HttpResponseBase:
    """Its settings, which a POST changes."""
    access = request.access
    found = access.get(JobSchedule, schedule, access.query(JobSchedule).for_page())
    startable = startable_of(found.starts)
    form = ScheduleForm(request.POST or None, initial=values_of(found), startable=startable)
    if request.method == "POST" and form.is_valid():
        try:
            change_schedule(access=access, schedule=found, changes=form.chosen())
        except Refused as refused:
            add_refusal(form, refused)
        else:
            messages.success(request, "The schedule is saved.")
            return redirect("schedule-list", access.organization.slug, access.project.slug)
    context = {"schedule": found, "form": form, "subject_url": startable.url(access, found.payload)}
    return render(request, "jobs/schedules/schedule.html", context, status=400 if form.errors else 200)


@project_page(Role.DEVELOPER)
@require_POST
def pause(request: AccessRequest, schedule: UUID) -> HttpResponseBase:
    access = request.access
    paused = pause_schedule(access=access, schedule=access.get(JobSchedule, schedule))
    messages.success(request, f"{paused} is paused.")
    return redirect("schedule-list", access.organization.slug, access.project.slug)


@project_page(Role.DEVELOPER)
@require_POST
def resume(request: AccessRequest, schedule: UUID) -> HttpResponseBase:
    access = request.access
    with refusal_told(request):
        resumed = resume_schedule(access=access, schedule=access.get(JobSchedule, schedule))
        messages.success(request, f"{resumed} goes on. What it has missed is not made up for.")
    return redirect("schedule-list", access.organization.slug, access.project.slug)


@project_page(Role.DEVELOPER)
@require_POST
def run(request: AccessRequest, schedule: UUID) -> HttpResponseBase:
    access = request.access
    with refusal_told(request):
        job = run_now(access=access, schedule=access.get(JobSchedule, schedule))
        messages.success(request, f"{job} is in the queue.")
    return redirect("schedule-list", access.organization.slug, access.project.slug)


@project_page(Role.DEVELOPER)
@require_POST
def delete(request: AccessRequest, schedule: UUID) -> HttpResponseBase:
    access = request.access
    found = access.get(JobSchedule, schedule)
    delete_schedule(access=access, schedule=found)
    messages.success(request, f"{found} is deleted. The jobs that it has started stay.")
    return redirect("schedule-list", access.organization.slug, access.project.slug)
