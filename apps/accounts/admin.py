"""Operators' admin: the base of what is looked at only, and what people have. The pages of people and organizations
themselves are in apps/projects/admin.py, since what is changed there is recorded in the audit log.
"""

from __future__ import annotations

from typing import Any

# Both packages register their tables when these are imported, which has to come before they are replaced below.
from allauth.account.admin import EmailAddress
from allauth.mfa.admin import Authenticator
from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.admin import ModelAdmin

from apps.accounts.models import Invitation, Membership

# Operators are told apart by `is_staff` and `is_superuser` alone.
admin.site.unregister(Group)
# Of a person's addresses and second factors, allauth's own pages would show the secrets, and let operators change them.
admin.site.unregister([EmailAddress, Authenticator])


class ViewOnlyAdmin(ModelAdmin):  # type: ignore[misc]
    """Rows that only services write. Every operator may look at them."""

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = getattr(self.model, "across_tenants", self.model._default_manager).get_queryset()
        ordering = self.get_ordering(request)
        return rows.order_by(*ordering) if ordering else rows

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Every column. Django would ask a form for them, whose choices come from managers that refuse to list every
        tenant's rows.
        """
        hidden = self.get_exclude(request, obj) or ()
        return [field.name for field in self.model._meta.concrete_fields if field.name not in hidden]


def list_of_memberships(memberships: Any) -> SafeString:
    """One linked line each. Not an inline: its formset would list the memberships of all tenants as choices."""
    rows = memberships.select_related("user", "organization").order_by("organization__name", "user__email")
    lines = [(reverse("admin:accounts_membership_change", args=[row.pk]), str(row)) for row in rows]
    return format_html_join(mark_safe("<br>"), '<a href="{}">{}</a>', lines) or mark_safe("None")


@admin.register(Membership)
class MembershipAdmin(ViewOnlyAdmin):
    list_display = ("user", "organization", "role", "created_at")
    list_select_related = ("user", "organization")
    list_filter = ("role",)
    search_fields = ("user__email", "organization__name", "organization__slug")


@admin.register(Invitation)
class InvitationAdmin(ViewOnlyAdmin):
    list_display = ("email", "organization", "role", "created_at", "expires_at", "accepted_at", "revoked_at")
    list_select_related = ("organization",)
    list_filter = ("role",)
    search_fields = ("email", "organization__name", "organization__slug")
    exclude = ("token_hash",)


@admin.register(EmailAddress)
class EmailAddressAdmin(ViewOnlyAdmin):
    list_display = ("email", "user", "primary", "verified")
    list_select_related = ("user",)
    list_filter = ("primary", "verified")
    search_fields = ("email", "user__email")


@admin.register(Authenticator)
class AuthenticatorAdmin(ViewOnlyAdmin):
    """Who has a second factor. What makes its codes is not shown, though it is stored encrypted."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_select_related = ("user",)
    list_filter = ("type",)
    search_fields = ("user__email",)
    exclude = ("data",)
