from __future__ import annotations

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_safe

from apps.accounts.models import User
from apps.console.overview import overview_of, project_overview
from apps.projects.access import AccessRequest, project_page

ERRORS = {
    403: ("You may not do this", "lock"),
    404: ("There is nothing here", "map-question"),
    500: ("Something broke on our side", "alert-triangle"),
}


@login_required
@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    return render(request, "console/overview.html", overview_of(cast(User, request.user)))


@project_page()
@require_GET
def project(request: AccessRequest) -> HttpResponseBase:
    return render(request, "console/project.html", {"overview": project_overview(request.access)})


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """For load balancers and for whoever started the server: it answers, so it is up."""
    return JsonResponse({"status": "ok"})


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    text = "The address is wrong, it was removed, or it belongs to somebody else."
    return _error(request, 404, text)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 403, str(exception) or "Ask an owner of the organization.")


def server_error(request: HttpRequest) -> HttpResponse:
    return _error(request, 500, "It has been logged. Nothing that you had saved is lost; please try again.")


def _error(request: HttpRequest, status: int, text: str) -> HttpResponse:
    """An error page, or for an API address the one error shape."""
    title, icon = ERRORS[status]
    if request.path.startswith("/api/"):
        code = {403: "permission_denied", 404: "not_found", 500: "internal_error"}[status]
        return JsonResponse({"error": {"code": code, "message": f"{title}. {text}", "details": []}}, status=status)
    return render(request, "console/error.html", {"title": title, "text": text, "icon_name": icon}, status=status)
