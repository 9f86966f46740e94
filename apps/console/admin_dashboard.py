"""The operators' entrance: tenants, jobs by state, storage, devices."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Count, Q, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Organization, User
from apps.console.templatetags.console import size
from apps.delivery.models import Installation
from apps.jobs.models import Job


def dashboard_callback(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's DASHBOARD_CALLBACK: adds `cards`, `storage`, `job_states` and `largest`, in five queries."""
    now = timezone.now()
    organizations = Organization.objects.aggregate(count=Count("pk"), used=Sum("used_bytes"), quota=Sum("quota_bytes"))
    devices = Installation.across_tenants.aggregate(
        count=Count("pk"),
        day=Count("pk", filter=Q(last_seen_at__gte=now - timedelta(days=1))),
        month=Count("pk", filter=Q(last_seen_at__gte=now - timedelta(days=30))),
    )
    by_state = dict(Job.across_tenants.order_by().values_list("state").annotate(count=Count("pk")))
    context["cards"] = [
        {
            "title": "Organizations",
            "value": organizations["count"],
            "note": f"{User.objects.count():,} people",
            "url": reverse("admin:accounts_organization_changelist"),
        },
        {
            "title": "Devices seen",
            "value": devices["count"],
            "note": f"{devices['day']:,} today, {devices['month']:,} in 30 days",
            "url": reverse("admin:delivery_installation_changelist"),
        },
    ]
    used, quota = organizations["used"] or 0, organizations["quota"] or 0
    context["storage"] = {"used": used, "quota": quota, "percent": round(100 * used / quota, 1) if quota else 0}
    context["queue_url"] = reverse("admin:jobs_queue")
    context["job_states"] = [
        {
            "label": state.label,
            "count": by_state.get(state.value, 0),
            "url": reverse("admin:jobs_job_changelist") + f"?state__exact={state.value}",
        }
        for state in Job.State
    ]
    by_storage = Organization.objects.annotate(project_count=Count("projects")).order_by("-used_bytes", "name")
    largest = by_storage.values_list("name", "project_count", "used_bytes", "quota_bytes")[:10]
    context["largest"] = {
        "headers": ["Organization", "Projects", "Stored", "Quota"],
        "rows": [[name, f"{projects:,}", size(used), size(quota)] for name, projects, used, quota in largest],
    }
    return context
