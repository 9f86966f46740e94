"""What operators and their monitoring see of the queue."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from apps.jobs.metrics import exposition


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For a scrape with `Authorization: Bearer <METRICS_TOKEN>`, and for operators who are signed in; else 403."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    is_scrape = bool(settings.METRICS_TOKEN) and constant_time_compare(given, settings.METRICS_TOKEN)
    is_operator = request.user.is_authenticated and request.user.is_active and request.user.is_staff
    if not is_scrape and not is_operator:
        text = "Send METRICS_TOKEN as a bearer token, or sign in as an operator.\n"
        return HttpResponse(text, status=403, content_type="text/plain")
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)
