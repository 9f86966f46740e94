from __future__ import annotations

from typing import cast

from django.conf import settings as conf
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.models import Role, User
from apps.errors import Refused
from apps.projects.access import AccessRequest, organization_page
from apps.projects.forms import OrganizationForm, RenameForm
from apps.projects.models import Project
from apps.projects.pages import add_refusal
from apps.projects.services.members import leave_organization
from apps.projects.services.organizations import create_organization, rename_organization


@login_required
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponseBase:
    form = OrganizationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            organization = create_organization(user=cast(User, request.user), **form.cleaned_data)
        except Refused as refused:
            add_refusal(form, refused)
        else:
            messages.success(request, f"{organization} is ready. Make its first project, or invite your team.")
            return redirect("organization", organization.slug)
    context = {"form": form, "quota_bytes": conf.DEFAULT_QUOTA_BYTES}
    return render(request, "projects/organization_create.html", context, status=400 if form.errors else 200)


@organization_page()
@require_GET
def show(request: AccessRequest) -> HttpResponseBase:
    projects = (
        Project.objects.for_organization(request.access.organization)
        .annotate(key_count=Count("apikeys"))
        .order_by("name")
    )
    can_create = request.access.allows(Role.ADMIN)
    return render(request, "projects/organization.html", {"projects": projects, "can_create": can_create})


@organization_page()
@require_http_methods(["GET", "POST"])
def settings(request: AccessRequest) -> HttpResponseBase:
    organization = request.access.organization
    form = RenameForm(request.POST or None, initial={"name": organization.name})
    if request.method == "POST":
        request.access.require(Role.ADMIN)
        if form.is_valid():
            try:
                rename_organization(access=request.access, name=form.cleaned_data["name"])
            except Refused as refused:
                add_refusal(form, refused)
            else:
                messages.success(request, "The organization's name is saved.")
                return redirect("organization-settings", organization.slug)
    context = {
        "form": form,
        "can_write": request.access.allows(Role.ADMIN),
        "used_share": organization.used_bytes / organization.quota_bytes if organization.quota_bytes else 1.0,
    }
    return render(request, "projects/organization_settings.html", context, status=400 if form.errors else 200)


@organization_page()
@require_POST
def leave(request: AccessRequest) -> HttpResponseBase:
    try:
        leave_organization(access=request.access)
    except Refused as refused:
        messages.error(request, refused.message)
        return redirect("organization-settings", request.access.organization.slug)
    messages.success(request, f"You have left {request.access.organization}.")
    return redirect("overview")
