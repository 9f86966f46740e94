from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import Role
from apps.projects.access import OrganizationAPIView
from apps.projects.models import AuditEntry


class AuditEntryOut(serializers.ModelSerializer[AuditEntry]):
    """`user` is an email address, `api_key` a key's id; both null: the platform itself."""

    user = serializers.EmailField(source="user.email", default=None, allow_null=True)
    api_key = serializers.UUIDField(source="api_key_id", allow_null=True)
    project = serializers.UUIDField(source="project_id", allow_null=True)
    details = serializers.DictField()

    class Meta:
        model = AuditEntry
        fields = ["id", "action", "target", "target_id", "project", "user", "api_key", "details", "created_at"]


class AuditLog(OrganizationAPIView):
    needs = {"GET": Role.VIEWER}

    @extend_schema(
        parameters=[
            OpenApiParameter("action", str, description="Only this action, such as member.invited."),
            OpenApiParameter("user", str, description="Only what the person with this email address did."),
        ],
        responses=AuditEntryOut(many=True),
    )
    def get(self, request: Request, organization: str) -> Response:
        """Who changed what, newest first."""
        entries = AuditEntry.objects.for_organization(self.access.organization).for_page()
        entries = entries.of_action(request.query_params.get("action", ""))
        if email := request.query_params.get("user"):
            entries = entries.filter(user__email__iexact=email)
        return self.get_paginated_response(AuditEntryOut(self.paginate_queryset(entries), many=True).data)
