from __future__ import annotations

from django.contrib import admin

from apps.jobs.models import Job, JobEvent
from apps.projects.admin import TenantAdmin


@admin.register(Job)
class JobAdmin(TenantAdmin):
    list_display = ("title", "kind", "state", "project", "attempts", "lease_owner", "created_at", "finished_at")
    list_select_related = ("project",)
    list_filter = ("state", "kind", "error_code")
    search_fields = ("=id", "title", "project__name", "project__organization__slug", "error_code")
    date_hierarchy = "created_at"


@admin.register(JobEvent)
class JobEventAdmin(TenantAdmin):
    list_display = ("created_at", "job", "sequence", "kind")
    list_select_related = ("job",)
    list_filter = ("kind",)
    search_fields = ("=job__id",)
