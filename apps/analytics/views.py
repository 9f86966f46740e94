"""The analytics page, and the page of one device."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.analytics.models import Event
from apps.analytics.overview import DEFAULT_PERIOD, PERIODS, overview_of
from apps.delivery.models import Installation
from apps.models.models import RegisteredModel
from apps.projects.access import AccessRequest, project_page
from apps.projects.pages import page_of


@project_page()
@require_GET
def show(request: AccessRequest) -> HttpResponseBase:
    """`?days=7|30|90` and `?model=<id>`; anything else shows 30 days of all models."""
    days = next((days for days in PERIODS if str(days) == request.GET.get("days")), DEFAULT_PERIOD)
    overview = overview_of(request.access, days=days, model=_uuid(request.GET.get("model", "")))
    context = {
        "overview": overview,
        "periods": PERIODS,
        "models": request.access.query(RegisteredModel).order_by("name")[:200],
        "chart": {
            "days": overview.by_day["days"],
            "series": [
                {"type": kind.value, "label": kind.label, "counts": overview.by_day["series"][kind.value]}
                for kind in Event.Type
            ],
        },
    }
    return render(request, "analytics/analytics.html", context)


@project_page()
@require_GET
def show_installation(request: AccessRequest, installation: UUID) -> HttpResponseBase:
    access = request.access
    found = access.get(Installation, installation, access.query(Installation).for_page())
    events = access.query(Event).for_page().filter(installation=found)
    attributes = {name: value for name, value in found.attributes.items() if name != "user"}
    context = {
        "installation": found,
        "attributes": attributes,
        "user_attributes": found.attributes.get("user", {}),
        "page": page_of(events, request),
    }
    return render(request, "analytics/installation.html", context)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
