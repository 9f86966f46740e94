from django.contrib import admin

from apps.delivery.models import (
    DeliveryState,
    Deployment,
    DeploymentRevision,
    Installation,
    InstalledModel,
    SignedRoot,
)
from apps.projects.admin import TenantAdmin


@admin.register(DeliveryState)
class DeliveryStateAdmin(TenantAdmin):
    list_display = ("project", "revision")
    list_select_related = ("project",)
    search_fields = ("project__name", "project__organization__slug")
    exclude = ("root_key", "targets_key")


@admin.register(SignedRoot)
class SignedRootAdmin(TenantAdmin):
    list_display = ("project", "number", "created_at")
    list_select_related = ("project",)
    search_fields = ("project__name", "project__organization__slug")
    exclude = ("metadata",)


@admin.register(Deployment)
class DeploymentAdmin(TenantAdmin):
    list_display = ("model", "current", "project", "created_at")
    list_select_related = ("model", "current", "project")
    search_fields = ("model__name", "project__name", "project__organization__slug")


@admin.register(DeploymentRevision)
class DeploymentRevisionAdmin(TenantAdmin):
    list_display = ("deployment", "number", "version", "note", "created_by", "api_key", "created_at")
    list_select_related = ("deployment__model", "version__model", "created_by", "api_key")
    search_fields = ("deployment__model__name", "note", "project__organization__slug")


@admin.register(Installation)
class InstallationAdmin(TenantAdmin):
    list_display = ("key", "project", "platform", "device_model", "app_version", "runtime_version", "last_seen_at")
    list_select_related = ("project",)
    list_filter = ("platform", ("last_seen_at", admin.DateFieldListFilter))
    search_fields = ("=key", "device_model", "project__organization__slug")


@admin.register(InstalledModel)
class InstalledModelAdmin(TenantAdmin):
    list_display = ("installation", "version", "state", "updated_at")
    list_select_related = ("installation", "version__model")
    list_filter = ("state",)
    search_fields = ("=installation__key",)
