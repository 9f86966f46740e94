"""The team API of jobs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import Role
from apps.errors import Refused
from apps.jobs.bulk import Action, change_jobs
from apps.jobs.filters import NAMES, narrowed
from apps.jobs.models import Job, JobEvent
from apps.jobs.priorities import change_priority
from apps.jobs.restarting import resume_job, retry_job
from apps.jobs.serializers import BulkIn, BulkOut, EventsOut, JobDetailOut, JobOut, PriorityIn
from apps.jobs.services import cancel_job
from apps.projects.access import ProjectAPIView
from apps.projects.models import Scope

EVENTS_A_CALL = 1000


class JobList(ProjectAPIView):
    @extend_schema(
        operation_id="jobs_list",
        parameters=[
            OpenApiParameter("state", enum=Job.State.values, description="Only jobs in this state."),
            OpenApiParameter("kind", enum=Job.Kind.values, description="Only jobs of this kind."),
            OpenApiParameter("who", str, description="Only those of this person (an email address) or key (its id)."),
        ],
        responses=JobOut(many=True),
    )
    def get(self, request: Request, project: UUID) -> Response:
        """Jobs of the project, newest first."""
        asked = {name: request.query_params.get(name, "") for name in NAMES}
        jobs = narrowed(self.access.query(Job).for_page(), **asked)
        return self.get_paginated_response(JobOut(self.paginate_queryset(jobs), many=True).data)


class JobBulk(ProjectAPIView):
    needs = {"POST": Role.DEVELOPER}
    scopes = {"POST": Scope.TRAINING}

    @extend_schema(operation_id="jobs_bulk", request=BulkIn, responses=BulkOut)
    def post(self, request: Request, project: UUID) -> Response:
        """Cancel, resume or start again up to 100 jobs. Answers which were, and why the others were not.

        Each job is looked at by itself, and the answer is 200 also where all of them were refused.
        """
        body = BulkIn(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        account = change_jobs(access=self.access, action=Action(asked["action"]), ids=asked["jobs"])
        return Response(BulkOut(account).data)


class JobDetail(ProjectAPIView):
    @extend_schema(operation_id="jobs_retrieve", responses=JobDetailOut)
    def get(self, request: Request, project: UUID, job: UUID) -> Response:
        """One job: its state, progress, result or error."""
        return Response(JobDetailOut(self.access.get(Job, job, _with_person(self.access.query(Job)))).data)


class JobEvents(ProjectAPIView):
    @extend_schema(
        operation_id="jobs_events",
        parameters=[
            OpenApiParameter("after", int, description="Only events with a number above this one. Default: 0.")
        ],
        responses=EventsOut,
    )
    def get(self, request: Request, project: UUID, job: UUID) -> Response:
        """What happened in the job, by number: state, progress, metrics and log lines; up to 1,000 at a time."""
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdigit() and len(after) < 10):
            raise Refused("invalid", f"after must be a number of an event, 0 or more. Received: {after!r}.")
        # The job first: once it says that it is over, every event is there.
        found = self.access.get(Job, job)
        events = self.access.query(JobEvent).filter(job=found).after(int(after))[:EVENTS_A_CALL]
        told = {"state": found.state, "is_over": found.is_over, "last_sequence": found.last_sequence, "results": events}
        return Response(EventsOut(told).data)


class JobCancel(ProjectAPIView):
    needs = {"POST": Role.DEVELOPER}
    scopes = {"POST": Scope.TRAINING}

    @extend_schema(operation_id="jobs_cancel", request=None, responses=JobDetailOut)
    def post(self, request: Request, project: UUID, job: UUID) -> Response:
        """Cancel the job. A waiting one ends at once; a running one within seconds: look at its `state`."""
        found = cancel_job(access=self.access, job=self.access.get(Job, job))
        return Response(JobDetailOut(found).data)


class JobPriority(ProjectAPIView):
    needs = {"POST": Role.DEVELOPER}
    scopes = {"POST": Scope.TRAINING}

    @extend_schema(operation_id="jobs_priority", request=PriorityIn, responses=JobDetailOut)
    def post(self, request: Request, project: UUID, job: UUID) -> Response:
        """Let a waiting job come sooner (higher) or later, among the jobs of its organization."""
        body = PriorityIn(data=request.data)
        body.is_valid(raise_exception=True)
        found = self.access.get(Job, job)
        changed = change_priority(access=self.access, job=found, priority=body.validated_data["priority"])
        return Response(JobDetailOut(changed).data)


class JobResume(ProjectAPIView):
    needs = {"POST": Role.DEVELOPER}
    scopes = {"POST": Scope.TRAINING}

    @extend_schema(operation_id="jobs_resume", request=None, responses=JobDetailOut)
    def post(self, request: Request, project: UUID, job: UUID) -> Response:
        """Queue a training job that was stopped or failed: it goes on from what it had saved (`can_be_resumed`)."""
        return Response(JobDetailOut(resume_job(access=self.access, job=self.access.get(Job, job))).data)


class JobRetry(ProjectAPIView):
    needs = {"POST": Role.DEVELOPER}
    scopes = {"POST": Scope.TRAINING}

    @extend_schema(operation_id="jobs_retry", request=None, responses=JobDetailOut)
    def post(self, request: Request, project: UUID, job: UUID) -> Response:
        """Queue a training job that was stopped or failed again, from the beginning."""
        return Response(JobDetailOut(retry_job(access=self.access, job=self.access.get(Job, job))).data)


def _with_person(jobs: Any) -> Any:
    return jobs.select_related("created_by")
