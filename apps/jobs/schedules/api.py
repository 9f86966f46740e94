"""The team API of schedules. They run with a person's rights, so only people make and change them."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import Role
from apps.jobs.schedules.models import JobSchedule
from apps.jobs.schedules.serializers import ScheduleChange, ScheduleIn, ScheduleOut
from apps.jobs.schedules.services import (
    Plan,
    change_schedule,
    create_schedule,
    delete_schedule,
    pause_schedule,
    resume_schedule,
    run_now,
)
from apps.jobs.serializers import JobOut
from apps.projects.access import Access, ProjectAPIView
from apps.projects.models import Scope


class ScheduleList(ProjectAPIView):
    needs = {"GET": Role.VIEWER, "POST": Role.DEVELOPER}
    scopes = {"GET": Scope.READ}

    @extend_schema(operation_id="schedules_list", responses=ScheduleOut(many=True))
    def get(self, request: Request, project: UUID) -> Response:
        """Schedules of the project, newest first."""
        schedules = self.access.query(JobSchedule).for_page()
        return self.get_paginated_response(ScheduleOut(self.paginate_queryset(schedules), many=True).data)

    @extend_schema(operation_id="schedules_create", request=ScheduleIn, responses={201: ScheduleOut})
    def post(self, request: Request, project: UUID) -> Response:
        """Have jobs started again and again, with your rights and in your name."""
        body = ScheduleIn(data=request.data)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        made = create_schedule(access=self.access, starts=given.pop("starts"), plan=Plan(**given))
        return Response(_schedule(self.access, made.pk), status=status.HTTP_201_CREATED)


class ScheduleDetail(ProjectAPIView):
    needs = {"GET": Role.VIEWER, "PATCH": Role.DEVELOPER, "DELETE": Role.DEVELOPER}
    scopes = {"GET": Scope.READ}

    @extend_schema(operation_id="schedules_retrieve", responses=ScheduleOut)
    def get(self, request: Request, project: UUID, schedule: UUID) -> Response:
        """One schedule: when it is due, and what came of it the last time."""
        return Response(_schedule(self.access, schedule))

    @extend_schema(operation_id="schedules_update", request=ScheduleChange, responses=ScheduleOut)
    def patch(self, request: Request, project: UUID, schedule: UUID) -> Response:
        """Change what is given. It runs with your rights from now on, unless `enabled` alone pauses or resumes it."""
        found = self.access.get(JobSchedule, schedule)
        body = ScheduleChange(data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        changes = body.validated_data
        if set(changes) == {"enabled"}:
            switch = resume_schedule if changes["enabled"] else pause_schedule
            switch(access=self.access, schedule=found)
        else:
            change_schedule(access=self.access, schedule=found, changes=changes)
        return Response(_schedule(self.access, schedule))

    @extend_schema(operation_id="schedules_destroy", responses={204: None})
    def delete(self, request: Request, project: UUID, schedule: UUID) -> Response:
        """Delete the schedule. The jobs that it has started stay."""
        delete_schedule(access=self.access, schedule=self.access.get(JobSchedule, schedule))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ScheduleRun(ProjectAPIView):
    needs = {"POST": Role.DEVELOPER}
    scopes = {"POST": Scope.TRAINING}

    @extend_schema(operation_id="schedules_run", request=None, responses={201: JobOut})
    def post(self, request: Request, project: UUID, schedule: UUID) -> Response:
        """Start its job now, in your name, besides its due times. Refused (409) while its last job has not ended."""
        job = run_now(access=self.access, schedule=self.access.get(JobSchedule, schedule))
        return Response(JobOut(job).data, status=status.HTTP_201_CREATED)


def _schedule(access: Access, schedule: UUID) -> dict[str, object]:
    return dict(ScheduleOut(access.get(JobSchedule, schedule, access.query(JobSchedule).for_page())).data)
