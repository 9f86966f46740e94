"""The team API of studies."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import Role
from apps.datasets.models import DatasetVersion
from apps.models.models import RegisteredModel
from apps.projects.access import Access, ProjectAPIView
from apps.projects.models import Scope
from apps.training.models import Study, Trial
from apps.training.studies.reading import best_of
from apps.training.studies.serializers import StudyChangeIn, StudyDetailOut, StudyIn, StudyOut, TrialOut
from apps.training.studies.services import (
    PLAN,
    Plan,
    cancel_study,
    change_study,
    continue_study,
    pause_study,
    start_study,
)


class StudyList(ProjectAPIView):
    needs = {"GET": Role.VIEWER, "POST": Role.DEVELOPER}
    scopes = {"GET": Scope.READ, "POST": Scope.TRAINING}

    @extend_schema(operation_id="studies_list", responses=StudyOut(many=True))
    def get(self, request: Request, project: UUID) -> Response:
        """Studies of the project, newest first."""
        studies = self.access.query(Study).for_page()
        return self.get_paginated_response(StudyOut(self.paginate_queryset(studies), many=True).data)

    @extend_schema(operation_id="studies_create", request=StudyIn, responses={201: StudyDetailOut})
    def post(self, request: Request, project: UUID) -> Response:
        """Start a study. It looks for the best values of the fields in `space`, each trial a training run of `spec`."""
        body = StudyIn(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        versions = self.access.query(DatasetVersion).select_related("dataset")
        study = start_study(
            access=self.access,
            dataset_version=self.access.get(DatasetVersion, data["dataset_version"], versions),
            model=self.access.get(RegisteredModel, data["model"]) if "model" in data else None,
            model_name=data["model_name"],
            name=data["name"],
            spec=data["spec"],
            space=data["space"],
            plan=Plan(**{name: value for name, value in data.items() if name in PLAN}),
        )
        return Response(_study(self.access, study.pk), status=status.HTTP_201_CREATED)


class StudyDetail(ProjectAPIView):
    needs = {"GET": Role.VIEWER, "PATCH": Role.DEVELOPER}
    scopes = {"GET": Scope.READ, "PATCH": Scope.TRAINING}

    @extend_schema(operation_id="studies_retrieve", responses=StudyDetailOut)
    def get(self, request: Request, project: UUID, study: UUID) -> Response:
        """One study: its spec, what it varies, and its best trials."""
        return Response(_study(self.access, study))

    @extend_schema(operation_id="studies_change", request=StudyChangeIn, responses=StudyDetailOut)
    def patch(self, request: Request, project: UUID, study: UUID) -> Response:
        """Change the number of trials, or how many run at a time. A finished study goes on with more trials."""
        found = self.access.get(Study, study)
        body = StudyChangeIn(data=request.data)
        body.is_valid(raise_exception=True)
        change_study(access=self.access, study=found, **body.validated_data)
        return Response(_study(self.access, study))


class TrialList(ProjectAPIView):
    @extend_schema(operation_id="studies_trials_list", responses=TrialOut(many=True))
    def get(self, request: Request, project: UUID, study: UUID) -> Response:
        """Trials of a study, newest first."""
        trials = self.access.query(Trial).filter(study=self.access.get(Study, study)).for_page().order_by("-id")
        return self.get_paginated_response(TrialOut(self.paginate_queryset(trials), many=True).data)


class _Act(ProjectAPIView):
    needs = {"POST": Role.DEVELOPER}
    scopes = {"POST": Scope.TRAINING}
    service: ClassVar[Any]

    def act(self, study: UUID) -> Response:
        type(self).service(access=self.access, study=self.access.get(Study, study))
        return Response(_study(self.access, study))


class StudyPause(_Act):
    service = pause_study

    @extend_schema(operation_id="studies_pause", request=None, responses=StudyDetailOut)
    def post(self, request: Request, project: UUID, study: UUID) -> Response:
        """Begin no further trials. Those under way go on."""
        return self.act(study)


class StudyContinue(_Act):
    service = continue_study

    @extend_schema(operation_id="studies_continue", request=None, responses=StudyDetailOut)
    def post(self, request: Request, project: UUID, study: UUID) -> Response:
        """Begin trials of a paused study again."""
        return self.act(study)


class StudyCancel(_Act):
    service = cancel_study

    @extend_schema(operation_id="studies_cancel", request=None, responses=StudyDetailOut)
    def post(self, request: Request, project: UUID, study: UUID) -> Response:
        """End a study. Its trials are cancelled."""
        return self.act(study)


def _study(access: Access, study: UUID) -> Any:
    found: Any = access.get(Study, study, access.query(Study).for_page().defer(None))
    found.best = best_of(found, access.query(Trial))
    return StudyDetailOut(found).data
