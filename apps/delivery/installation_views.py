"""The list of devices: who has what, and who was seen when. One device's page is analytics' (its events are there)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.delivery.models import Deployment, Installation, InstalledModel
from apps.models.models import ModelVersion
from apps.projects.access import Access, AccessRequest, project_page
from apps.projects.pages import page_of

MAX_CHOICES = 200


@project_page()
@require_GET
def show_all(request: AccessRequest) -> HttpResponseBase:
    """`?version=<id>` or `?model=<id>`: who has it now. `?device=<id made on the device>`: that one."""
    access = request.access
    wanted = {name: _uuid(request.GET.get(name, "")) for name in ("version", "model", "device")}
    is_unreadable = bool(request.GET.get("device")) and wanted["device"] is None
    installations = access.query(Installation).for_page()
    if wanted["version"]:
        installations = installations.filter(models__version=wanted["version"])
    elif wanted["model"]:
        installations = installations.filter(models__model=wanted["model"])
    if wanted["device"]:
        installations = installations.filter(key=wanted["device"])
    elif is_unreadable:
        installations = installations.none()
    context = {
        "page": page_of(installations, request),
        "versions": _installed_versions(access),
        "wanted": {name: str(value) if value else "" for name, value in wanted.items()},
        "device": request.GET.get("device", ""),
        "is_unreadable": is_unreadable,
        "is_filtered": any(request.GET.get(name) for name in wanted),
        "is_deployed": access.query(Deployment).exists(),
    }
    return render(request, "delivery/installation_list.html", context)


def _installed_versions(access: Access) -> list[ModelVersion]:
    """The versions that some device has, to filter by."""
    installed: Any = access.query(InstalledModel).order_by().values("version").distinct()
    versions = access.query(ModelVersion).select_related("model").filter(pk__in=installed)
    return list(versions.order_by("model__name", "-number")[:MAX_CHOICES])


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None
