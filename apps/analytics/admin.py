from django.contrib import admin

from apps.analytics.models import Event
from apps.projects.admin import TenantAdmin


@admin.register(Event)
class EventAdmin(TenantAdmin):
    """Millions of rows: nothing is counted twice, and search goes by index."""

    list_display = ("received_at", "type", "model", "version", "installation", "project")
    list_select_related = ("model", "version__model", "installation", "project")
    list_filter = ("type",)
    search_fields = ("=key", "=installation__key")
    ordering = ("-id",)
    show_full_result_count = False
