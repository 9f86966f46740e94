"""The team API: deployments with their revisions, and the devices that asked."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import Role
from apps.delivery.models import Deployment, DeploymentRevision, Installation
from apps.delivery.serializers import (
    DeploymentOut,
    InstallationListIn,
    InstallationOut,
    PublishIn,
    RevisionOut,
    RollbackIn,
)
from apps.delivery.services import publish, rollback
from apps.models.models import ModelVersion, RegisteredModel
from apps.projects.access import Access, ProjectAPIView
from apps.projects.models import Scope

DEPLOYS = {"GET": Role.VIEWER, "POST": Role.DEVELOPER}
DEPLOY_SCOPES = {"GET": Scope.READ, "POST": Scope.DEPLOYMENTS}


class DeploymentList(ProjectAPIView):
    needs = DEPLOYS
    scopes = DEPLOY_SCOPES

    @extend_schema(responses=DeploymentOut(many=True))
    def get(self, request: Request, project: UUID) -> Response:
        """Deployments of the project: for each model, what devices get now."""
        page = self.paginate_queryset(self.access.query(Deployment).for_page())
        return self.get_paginated_response(DeploymentOut(page, many=True).data)

    @extend_schema(request=PublishIn, responses={201: DeploymentOut})
    def post(self, request: Request, project: UUID) -> Response:
        """Publish a version to all devices that use its model: a new revision of the model's deployment."""
        body = _valid(PublishIn(data=request.data))
        revision = publish(
            access=self.access,
            model=self.access.get(RegisteredModel, body["model"]),
            version=self.access.get(ModelVersion, body["version"]),
            note=body["note"],
        )
        return _deployment(self.access, revision.deployment_id, status=status.HTTP_201_CREATED)


class DeploymentDetail(ProjectAPIView):
    @extend_schema(responses=DeploymentOut)
    def get(self, request: Request, project: UUID, deployment: UUID) -> Response:
        """One deployment, with its current revision."""
        return _deployment(self.access, deployment)


class RevisionList(ProjectAPIView):
    @extend_schema(responses=RevisionOut(many=True))
    def get(self, request: Request, project: UUID, deployment: UUID) -> Response:
        """Revisions of the deployment, newest first."""
        found = self.access.get(Deployment, deployment)
        revisions = self.access.query(DeploymentRevision).filter(deployment=found).for_page()
        return self.get_paginated_response(RevisionOut(self.paginate_queryset(revisions), many=True).data)


class Rollback(ProjectAPIView):
    needs = DEPLOYS
    scopes = DEPLOY_SCOPES

    @extend_schema(request=RollbackIn, responses={201: DeploymentOut})
    def post(self, request: Request, project: UUID, deployment: UUID) -> Response:
        """Publish again what an older revision served, as a new revision."""
        found = self.access.get(Deployment, deployment)
        body = _valid(RollbackIn(data=request.data))
        revision = self.access.get(DeploymentRevision, body["revision"])
        new = rollback(access=self.access, deployment=found, revision=revision, note=body["note"])
        return _deployment(self.access, new.deployment_id, status=status.HTTP_201_CREATED)


class InstallationList(ProjectAPIView):
    @extend_schema(parameters=[InstallationListIn], responses=InstallationOut(many=True))
    def get(self, request: Request, project: UUID) -> Response:
        """Devices that have asked for a manifest, those seen last first."""
        query = _valid(InstallationListIn(data=request.query_params))
        installations = self.access.query(Installation).for_page()
        if "version" in query:
            installations = installations.filter(models__version=query["version"])
        return self.get_paginated_response(InstallationOut(self.paginate_queryset(installations), many=True).data)


def _valid(body: serializers.Serializer[Any]) -> dict[str, Any]:
    body.is_valid(raise_exception=True)
    validated: dict[str, Any] = body.validated_data
    return validated


def _deployment(access: Access, deployment: UUID, *, status: int = 200) -> Response:
    found = access.get(Deployment, deployment, queryset=access.query(Deployment).for_page())
    return Response(DeploymentOut(found).data, status=status)
