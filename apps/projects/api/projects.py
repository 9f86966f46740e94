from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import Role
from apps.projects.access import OrganizationAPIView, ProjectAPIView
from apps.projects.api.organizations import NameIn
from apps.projects.models import Project, Scope
from apps.projects.services.projects import create_project, rename_project


class ProjectOut(serializers.ModelSerializer[Project]):
    """`organization` is the organization's slug."""

    organization = serializers.CharField(source="organization.slug")

    class Meta:
        model = Project
        fields = ["id", "organization", "slug", "name", "created_at"]


class ProjectIn(serializers.Serializer[None]):
    name = serializers.CharField(max_length=100)
    slug = serializers.SlugField(max_length=50, required=False, default="", allow_blank=True)


class ProjectList(OrganizationAPIView):
    needs = {"GET": Role.VIEWER, "POST": Role.ADMIN}

    @extend_schema(responses=ProjectOut(many=True))
    def get(self, request: Request, organization: str) -> Response:
        """The organization's projects, newest first."""
        projects = Project.objects.for_organization(self.access.organization).select_related("organization")
        return self.get_paginated_response(ProjectOut(self.paginate_queryset(projects), many=True).data)

    @extend_schema(request=ProjectIn, responses={201: ProjectOut})
    def post(self, request: Request, organization: str) -> Response:
        """Make a project."""
        body = ProjectIn(data=request.data)
        body.is_valid(raise_exception=True)
        project = create_project(access=self.access, **body.validated_data)
        return Response(ProjectOut(project).data, status=status.HTTP_201_CREATED)


class ProjectDetail(ProjectAPIView):
    needs = {"GET": Role.VIEWER, "PATCH": Role.ADMIN}
    scopes = {"GET": Scope.READ}

    @extend_schema(responses=ProjectOut)
    def get(self, request: Request, project: UUID) -> Response:
        """The project."""
        return Response(ProjectOut(self.access.project).data)

    @extend_schema(request=NameIn, responses=ProjectOut)
    def patch(self, request: Request, project: UUID) -> Response:
        """Change the name; the slug stays."""
        body = NameIn(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(ProjectOut(rename_project(access=self.access, name=body.validated_data["name"])).data)
