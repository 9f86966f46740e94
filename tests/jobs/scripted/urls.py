"""The platform's addresses, and one that makes a scripted job."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import Role
from apps.jobs.models import Job
from apps.jobs.serializers import JobDetailOut
from apps.jobs.services import create_job
from apps.projects.access import ProjectAPIView
from apps.projects.models import Scope
from config.urls import handler403, handler404, handler500, websocket_urlpatterns
from config.urls import urlpatterns as platform

__all__ = ["handler403", "handler404", "handler500", "urlpatterns", "websocket_urlpatterns"]


class Create(ProjectAPIView):
    needs = {"POST": Role.DEVELOPER}
    scopes = {"POST": Scope.TRAINING}

    def post(self, request: Request, project: UUID) -> Response:
        job = create_job(
            access=self.access,
            kind=Job.Kind.CHECK,
            title="Scripted",
            payload={"steps": request.data},
            idempotency_key=request.query_params.get("key"),
        )
        return Response(JobDetailOut(job).data, status=201)


urlpatterns = [path("api/v1/projects/<uuid:project>/scripted", Create.as_view()), *platform]
