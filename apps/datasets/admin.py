"""The operators' view of uploads and datasets."""

from __future__ import annotations

from django.contrib import admin

from apps.datasets.models import Dataset, DatasetVersion, Upload
from apps.projects.admin import TenantAdmin


@admin.register(Upload)
class UploadAdmin(TenantAdmin):
    list_display = ("filename", "purpose", "state", "size", "reserved_bytes", "project", "created_at", "expires_at")
    list_filter = ("purpose", "state", ("created_at", admin.DateFieldListFilter))
    search_fields = ("filename", "sha256", "project__name", "project__organization__slug")


@admin.register(Dataset)
class DatasetAdmin(TenantAdmin):
    list_display = ("name", "slug", "project", "created_by", "created_at")
    list_select_related = ("project__organization", "created_by")
    list_filter = (("created_at", admin.DateFieldListFilter),)
    search_fields = ("name", "slug", "project__name", "project__organization__slug")


@admin.register(DatasetVersion)
class DatasetVersionAdmin(TenantAdmin):
    list_display = ("__str__", "state", "num_examples", "bytes", "project", "created_by", "created_at")
    list_select_related = ("dataset", "project__organization", "created_by", "job", "upload")
    list_filter = ("state", ("created_at", admin.DateFieldListFilter))
    search_fields = ("dataset__name", "dataset__slug", "sha256", "project__organization__slug")
