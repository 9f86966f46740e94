"""The operators' view of tenants' rows: everything is shown, nothing is changed past services and audit log."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from apps.accounts.admin import ViewOnlyAdmin
from apps.projects.models import ApiKey, AuditEntry, Project


class TenantAdmin(ViewOnlyAdmin):
    """Base of every tenant-owned model's admin: the rows of all tenants, view-only.

    `list_filter` must not name a foreign key to a tenant-owned model: Django would list its rows by the manager that
    refuses. `list_select_related` must reach everything that `list_display` prints.
    """

    list_select_related: Any = ("project__organization",)


@admin.register(Project)
class ProjectAdmin(TenantAdmin):
    list_display = ("name", "organization", "slug", "created_at")
    list_select_related = ("organization",)
    list_filter = (("created_at", admin.DateFieldListFilter),)
    search_fields = ("name", "slug", "organization__name", "organization__slug")


@admin.register(ApiKey)
class ApiKeyAdmin(TenantAdmin):
    list_display = ("name", "kind", "prefix", "project", "last_used_at", "revoked_at")
    list_select_related = ("project",)
    list_filter = ("kind", ("revoked_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "prefix", "project__name", "project__organization__slug")
    exclude = ("secret_hash",)


@admin.register(AuditEntry)
class AuditEntryAdmin(ViewOnlyAdmin):
    list_display = ("created_at", "action", "target", "organization", "project", "user", "api_key")
    list_select_related = ("organization", "project", "user", "api_key")
    search_fields = ("action", "target", "organization__slug", "user__email")
    date_hierarchy = "created_at"
