from django.contrib import admin

from apps.models.models import Artifact, ModelVersion, RegisteredModel
from apps.projects.admin import TenantAdmin


@admin.register(RegisteredModel)
class RegisteredModelAdmin(TenantAdmin):
    list_display = ("name", "slug", "project", "created_by", "created_at")
    list_select_related = ("project", "created_by")
    search_fields = ("name", "slug", "project__name", "project__organization__slug")
    date_hierarchy = "created_at"


@admin.register(ModelVersion)
class ModelVersionAdmin(TenantAdmin):
    list_display = ("model", "number", "state", "origin", "label", "model_type", "min_runtime", "project", "created_at")
    list_select_related = ("project", "model")
    list_filter = ("state", "origin", "model_type")
    search_fields = ("model__name", "model__slug", "label", "project__name", "project__organization__slug")
    date_hierarchy = "created_at"


@admin.register(Artifact)
class ArtifactAdmin(TenantAdmin):
    list_display = ("filename", "kind", "bytes", "version", "project", "sha256")
    list_select_related = ("project", "version__model")
    list_filter = ("kind",)
    search_fields = ("filename", "sha256", "project__name", "project__organization__slug")
