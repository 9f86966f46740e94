from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render

from apps.projects.access import AccessRequest, project_page


@login_required
def overview(request: HttpRequest) -> HttpResponse:
    return render(request, "console/overview.html")


@project_page()
def project(request: AccessRequest) -> HttpResponseBase:
    return render(request, "console/project.html")


def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "console/error.html", status=404)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "console/error.html", status=403)


def server_error(request: HttpRequest) -> HttpResponse:
    return render(request, "console/error.html", status=500)
