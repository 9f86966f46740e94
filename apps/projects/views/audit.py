from __future__ import annotations

from django.http import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.projects.access import AccessRequest, organization_page
from apps.projects.forms import AuditFilterForm
from apps.projects.models import AuditEntry
from apps.projects.pages import page_of


@organization_page()
@require_GET
def show(request: AccessRequest) -> HttpResponseBase:
    """Who changed what, newest first; `?actor=` and `?action=` narrow it."""
    entries = AuditEntry.objects.for_organization(request.access.organization)
    form = AuditFilterForm(request.GET, actors=entries.actors(), actions=entries.actions())
    shown = entries.for_page()
    if form.is_valid():
        shown = shown.by_actor(form.cleaned_data["actor"]).of_action(form.cleaned_data["action"])
    context = {"page": page_of(shown, request), "form": form, "is_filtered": bool(form.changed_data)}
    return render(request, "projects/audit.html", context)
