"""The operators' view of people and tenants' rows: all is shown, nothing is changed past services and audit log."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.accounts.admin import ViewOnlyAdmin, list_of_memberships
from apps.accounts.models import Organization, User
from apps.projects.models import ApiKey, AuditEntry, CleanUp, Project
from apps.projects.services.operators import change_organization, record_password_set, save_person


class TenantAdmin(ViewOnlyAdmin):
    """Base of every tenant-owned model's admin: the rows of all tenants, view-only.

    `list_filter` must not name a foreign key to a tenant-owned model: Django would list its rows by the manager that
    refuses. `list_select_related` must reach everything that `list_display` prints.
    """

    list_select_related: Any = ("project__organization",)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    ordering = ("email",)
    list_display = ("email", "first_name", "last_name", "is_active", "is_staff", "last_login", "date_joined")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "first_name", "last_name")
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined", "memberships")
    fieldsets = (
        (None, {"fields": ("email", "password", "first_name", "last_name")}),
        ("May", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
        ("Organizations", {"fields": ("memberships",)}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "password1", "password2")}),)

    def memberships(self, user: User) -> SafeString:
        return list_of_memberships(user.memberships)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        save_person(operator=cast(User, request.user), person=obj)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002
        """Django's page stores the password itself."""
        person = User.objects.filter(pk=id)
        with transaction.atomic():
            before = person.values_list("password", flat=True).first()
            response: HttpResponse = super().user_change_password(request, id, form_url)
            if before != person.values_list("password", flat=True).first():
                record_password_set(operator=cast(User, request.user), person=person.get())
        return response

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Never: deactivate instead, so that an organization does not lose its last owner unnoticed."""
        return False


@admin.register(Organization)
class OrganizationAdmin(ModelAdmin):  # type: ignore[misc]
    """Name and quota can be changed; the rest is done by members."""

    list_display = ("name", "slug", "used_bytes", "quota_bytes", "created_at")
    search_fields = ("name", "slug")
    fields = ("name", "slug", "quota_bytes", "used_bytes", "created_at", "memberships")
    readonly_fields = ("slug", "used_bytes", "created_at", "memberships")

    def memberships(self, organization: Organization) -> SafeString:
        return list_of_memberships(organization.memberships)

    def save_model(self, request: HttpRequest, obj: Organization, form: Any, change: bool) -> None:
        changed = {field: form.cleaned_data[field] for field in ("name", "quota_bytes")}
        change_organization(operator=cast(User, request.user), organization=obj, **changed)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never: an organization starts with an owner, so a person makes it in the console."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


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


@admin.register(CleanUp)
class CleanUpAdmin(ViewOnlyAdmin):
    list_display = ("started_at", "finished_at", "files", "bytes", "expired", "foreign", "errors", "total_files")
