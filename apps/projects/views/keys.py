from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.models import Role
from apps.errors import Refused
from apps.projects.access import AccessRequest, project_page
from apps.projects.forms import KeyForm
from apps.projects.models import ApiKey
from apps.projects.pages import add_refusal, page_of
from apps.projects.services.keys import create_key, revoke_key


@project_page()
@require_GET
def show_all(request: AccessRequest) -> HttpResponseBase:
    keys = request.access.query(ApiKey).select_related("created_by")
    context = {"page": page_of(keys, request), "can_write": request.access.allows(Role.DEVELOPER)}
    return render(request, "projects/key_list.html", context)


@project_page(Role.DEVELOPER)
@require_http_methods(["GET", "POST"])
@never_cache
def create(request: AccessRequest) -> HttpResponseBase:
    """Answers a good POST with the page that shows the secret: no session, redirect or second answer has it."""
    form = KeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            new = create_key(access=request.access, **form.cleaned_data)
        except Refused as refused:
            add_refusal(form, refused)
        else:
            return render(request, "projects/key_created.html", {"new": new}, status=201)
    return render(request, "projects/key_create.html", {"form": form}, status=400 if form.errors else 200)


@project_page(Role.DEVELOPER)
@require_POST
def revoke(request: AccessRequest, key: UUID) -> HttpResponseBase:
    revoked = revoke_key(access=request.access, key=request.access.get(ApiKey, key))
    messages.success(request, f"The key {revoked} is revoked. Whatever still uses it gets an error from now on.")
    return redirect("key-list", request.access.organization.slug, request.access.project.slug)
