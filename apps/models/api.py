"""The team API of models, versions and artifacts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponseRedirect
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import Role
from apps.datasets.models import Upload
from apps.models.files import download_link
from apps.models.models import Artifact, ModelVersion, RegisteredModel
from apps.models.serializers import ModelIn, ModelOut, ModelVersionDetailOut, ModelVersionIn, ModelVersionOut
from apps.models.services import add_uploaded_version, check_again, delete_model, delete_version, register_model
from apps.projects.access import Access, ProjectAPIView
from apps.projects.models import Scope


class ModelList(ProjectAPIView):
    """The project's registered models."""

    needs = {"GET": Role.VIEWER, "POST": Role.DEVELOPER}
    scopes = {"GET": Scope.READ, "POST": Scope.MODELS}

    @extend_schema(operation_id="models_list", responses=ModelOut(many=True))
    def get(self, request: Request, project: UUID) -> Response:
        """Registered models of the project, newest first."""
        models = self.access.query(RegisteredModel).for_page()
        return self.get_paginated_response(ModelOut(self.paginate_queryset(models), many=True).data)

    @extend_schema(request=ModelIn, responses={201: ModelOut})
    def post(self, request: Request, project: UUID) -> Response:
        """Register a model: a named line that versions are added to."""
        body = ModelIn(data=request.data)
        body.is_valid(raise_exception=True)
        model = register_model(access=self.access, **body.validated_data)
        return Response(_model(self.access, model.pk), status=status.HTTP_201_CREATED)


class ModelDetail(ProjectAPIView):
    needs = {"GET": Role.VIEWER, "DELETE": Role.DEVELOPER}
    scopes = {"GET": Scope.READ, "DELETE": Scope.MODELS}

    @extend_schema(operation_id="models_retrieve", responses=ModelOut)
    def get(self, request: Request, project: UUID, model: UUID) -> Response:
        """One registered model."""
        return Response(_model(self.access, model))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project: UUID, model: UUID) -> Response:
        """Delete a model that has no versions and that no training run names."""
        delete_model(access=self.access, model=self.access.get(RegisteredModel, model))
        return Response(status=status.HTTP_204_NO_CONTENT)


class VersionList(ProjectAPIView):
    """The versions of one model, newest first."""

    needs = {"GET": Role.VIEWER, "POST": Role.DEVELOPER}
    scopes = {"GET": Scope.READ, "POST": Scope.MODELS}

    @extend_schema(operation_id="model_versions_list", responses=ModelVersionOut(many=True))
    def get(self, request: Request, project: UUID, model: UUID) -> Response:
        """Versions of the model, newest first, without their reports."""
        versions = self.access.query(ModelVersion).for_list().filter(model=self.access.get(RegisteredModel, model))
        return self.get_paginated_response(ModelVersionOut(self.paginate_queryset(versions), many=True).data)

    @extend_schema(request=ModelVersionIn, responses={201: ModelVersionDetailOut})
    def post(self, request: Request, project: UUID, model: UUID) -> Response:
        """Make an uploaded .tflite file the next version. Its check runs as a job; `state` tells the verdict."""
        registered = self.access.get(RegisteredModel, model)
        body = ModelVersionIn(data=request.data)
        body.is_valid(raise_exception=True)
        upload = self.access.get(Upload, body.validated_data["upload"])
        version = add_uploaded_version(access=self.access, model=registered, upload=upload)
        return Response(_version(self.access, version.pk), status=status.HTTP_201_CREATED)


class VersionDetail(ProjectAPIView):
    needs = {"GET": Role.VIEWER, "DELETE": Role.DEVELOPER}
    scopes = {"GET": Scope.READ, "DELETE": Scope.MODELS}

    @extend_schema(operation_id="model_versions_retrieve", responses=ModelVersionDetailOut)
    def get(self, request: Request, project: UUID, version: UUID) -> Response:
        """One version: its files, figures, lineage and compatibility report."""
        return Response(_version(self.access, version))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project: UUID, version: UUID) -> Response:
        """Delete a version that was never deployed, with its files. Its number is not given out again."""
        delete_version(access=self.access, version=self.access.get(ModelVersion, version))
        return Response(status=status.HTTP_204_NO_CONTENT)


class VersionCheck(ProjectAPIView):
    needs = {"POST": Role.DEVELOPER}
    scopes = {"POST": Scope.MODELS}

    @extend_schema(request=None, responses=ModelVersionDetailOut)
    def post(self, request: Request, project: UUID, version: UUID) -> Response:
        """Repeat a check that ended without a verdict, because the checker failed or was cancelled."""
        check_again(access=self.access, version=self.access.get(ModelVersion, version))
        return Response(_version(self.access, version))


class ArtifactFile(ProjectAPIView):
    @extend_schema(responses={302: OpenApiResponse(description="A signed link to the file, which expires.")})
    def get(self, request: Request, project: UUID, artifact: UUID) -> HttpResponseRedirect:
        """The bytes of one file of a version: redirects to a signed link."""
        found = self.access.get(Artifact, artifact, self.access.query(Artifact).select_related("version__model"))
        return HttpResponseRedirect(download_link(found).url_at(request))


def _model(access: Access, model: UUID) -> Any:
    return ModelOut(access.get(RegisteredModel, model, access.query(RegisteredModel).for_page())).data


def _version(access: Access, version: UUID) -> Any:
    return ModelVersionDetailOut(access.get(ModelVersion, version, access.query(ModelVersion).for_page())).data
