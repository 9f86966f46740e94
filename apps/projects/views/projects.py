from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from apps.accounts.models import Role
from apps.errors import Refused
from apps.projects.access import AccessRequest, organization_page, project_page
from apps.projects.forms import ProjectForm, RenameForm
from apps.projects.pages import add_refusal
from apps.projects.services.projects import create_project, rename_project


@organization_page(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def create(request: AccessRequest) -> HttpResponseBase:
    form = ProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            project = create_project(access=request.access, **form.cleaned_data)
        except Refused as refused:
            add_refusal(form, refused)
        else:
            messages.success(request, f"{project} is ready.")
            return redirect("project", request.access.organization.slug, project.slug)
    return render(request, "projects/project_create.html", {"form": form}, status=400 if form.errors else 200)


@project_page()
@require_http_methods(["GET", "POST"])
def settings(request: AccessRequest) -> HttpResponseBase:
    project = request.access.project
    form = RenameForm(request.POST or None, initial={"name": project.name})
    if request.method == "POST":
        request.access.require(Role.ADMIN)
        if form.is_valid():
            try:
                rename_project(access=request.access, name=form.cleaned_data["name"])
            except Refused as refused:
                add_refusal(form, refused)
            else:
                messages.success(request, "The project's name is saved.")
                return redirect("project-settings", request.access.organization.slug, project.slug)
    context = {"form": form, "can_write": request.access.allows(Role.ADMIN)}
    return render(request, "projects/project_settings.html", context, status=400 if form.errors else 200)
