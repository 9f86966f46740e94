"""The team API of training runs. A run is cancelled through its job."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import Role
from apps.datasets.models import DatasetVersion
from apps.models.models import RegisteredModel
from apps.projects import idempotency
from apps.projects.access import Access, ProjectAPIView
from apps.projects.models import Scope
from apps.training.models import TrainingRun
from apps.training.serializers import RunDetailOut, RunIn, RunOut
from apps.training.services import start_run


class RunList(ProjectAPIView):
    """The project's training runs."""

    needs = {"GET": Role.VIEWER, "POST": Role.DEVELOPER}
    scopes = {"GET": Scope.READ, "POST": Scope.TRAINING}

    @extend_schema(operation_id="training_runs_list", responses=RunOut(many=True))
    def get(self, request: Request, project: UUID) -> Response:
        """Training runs of the project, newest first."""
        runs = self.access.query(TrainingRun).for_page()
        return self.get_paginated_response(RunOut(self.paginate_queryset(runs), many=True).data)

    @extend_schema(request=RunIn, responses={201: RunDetailOut}, parameters=[idempotency.PARAMETER])
    def post(self, request: Request, project: UUID) -> Response:
        """Start a training run from a TrainingSpec. Each model that it trains becomes a version of `model`."""
        body = RunIn(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        versions = self.access.query(DatasetVersion).select_related("dataset")
        run = start_run(
            access=self.access,
            dataset_version=self.access.get(DatasetVersion, data["dataset_version"], versions),
            model=self.access.get(RegisteredModel, data["model"]) if "model" in data else None,
            model_name=data["model_name"],
            name=data["name"],
            spec=data["spec"],
            idempotency_key=idempotency.key_of(request),
        )
        return Response(_run(self.access, run.pk), status=status.HTTP_201_CREATED)


class RunDetail(ProjectAPIView):
    @extend_schema(operation_id="training_runs_retrieve", responses=RunDetailOut)
    def get(self, request: Request, project: UUID, run: UUID) -> Response:
        """One run: its spec, its job, the models that came out of it, and the best student."""
        return Response(_run(self.access, run))


def _run(access: Access, run: UUID) -> Any:
    return RunDetailOut(access.get(TrainingRun, run, access.query(TrainingRun).with_models())).data
