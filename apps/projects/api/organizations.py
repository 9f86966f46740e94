from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import Organization, Role
from apps.projects.access import OrganizationAPIView, signed_in_user
from apps.projects.services.organizations import create_organization, rename_organization


class OrganizationOut(serializers.ModelSerializer[Organization]):
    """`role` is the role of whoever asks."""

    role = serializers.SerializerMethodField()

    class Meta:
        model = Organization
        fields = ["id", "slug", "name", "role", "quota_bytes", "used_bytes", "created_at"]

    def get_role(self, organization: Organization) -> Role:
        roles: dict[Any, Role] = self.context["roles"]
        return roles[organization.pk]


class OrganizationIn(serializers.Serializer[None]):
    name = serializers.CharField(max_length=100)
    slug = serializers.SlugField(max_length=50, required=False, default="", allow_blank=True)


class NameIn(serializers.Serializer[None]):
    name = serializers.CharField(max_length=100)


def organization_out(organization: Organization, role: Role | None) -> dict[str, Any]:
    return OrganizationOut(organization, context={"roles": {organization.pk: role}}).data


class OrganizationList(GenericAPIView[Organization]):
    serializer_class = OrganizationOut

    @extend_schema(operation_id="organizations_list", responses=OrganizationOut(many=True))
    def get(self, request: Request) -> Response:
        """The organizations of the signed-in person, newest first."""
        user = signed_in_user(request)
        page = self.paginate_queryset(Organization.objects.of_user(user))
        roles = dict(user.memberships.values_list("organization_id", "role"))
        return self.get_paginated_response(OrganizationOut(page, many=True, context={"roles": roles}).data)

    @extend_schema(request=OrganizationIn, responses={201: OrganizationOut})
    def post(self, request: Request) -> Response:
        """Make an organization; you become its owner."""
        user = signed_in_user(request)
        body = OrganizationIn(data=request.data)
        body.is_valid(raise_exception=True)
        organization = create_organization(user=user, **body.validated_data)
        return Response(organization_out(organization, Role.OWNER), status=status.HTTP_201_CREATED)


class OrganizationDetail(OrganizationAPIView):
    needs = {"GET": Role.VIEWER, "PATCH": Role.ADMIN}

    @extend_schema(responses=OrganizationOut)
    def get(self, request: Request, organization: str) -> Response:
        """The organization, with your role and what it stores."""
        return Response(organization_out(self.access.organization, self.access.role))

    @extend_schema(request=NameIn, responses=OrganizationOut)
    def patch(self, request: Request, organization: str) -> Response:
        """Change the name; the slug stays."""
        body = NameIn(data=request.data)
        body.is_valid(raise_exception=True)
        renamed = rename_organization(access=self.access, name=body.validated_data["name"])
        return Response(organization_out(renamed, self.access.role))
