"""The team API of the files that specs name."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponseRedirect
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import Role
from apps.datasets.models import Upload
from apps.projects.access import ProjectAPIView
from apps.projects.models import Scope
from apps.training.models import SpecFile
from apps.training.spec_files import delete_file, download_link, keep_file


class SpecFileIn(serializers.Serializer[None]):
    upload = serializers.UUIDField(help_text="Of a completed upload with the purpose `file`.")
    name = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=100, help_text="Made of the upload's if left out."
    )


class SpecFileOut(serializers.ModelSerializer[SpecFile]):
    """`path` is how a spec names it."""

    path = serializers.CharField()
    bytes = serializers.IntegerField()
    sha256 = serializers.CharField()

    class Meta:
        model = SpecFile
        fields = ("id", "name", "path", "bytes", "sha256", "created_at")


class SpecFileList(ProjectAPIView):
    needs = {"GET": Role.VIEWER, "POST": Role.DEVELOPER}
    scopes = {"GET": Scope.READ, "POST": Scope.TRAINING}

    @extend_schema(operation_id="files_list", responses=SpecFileOut(many=True))
    def get(self, request: Request, project: UUID) -> Response:
        """Files that training specs of the project can name, newest first."""
        files = self.access.query(SpecFile).for_page()
        return self.get_paginated_response(SpecFileOut(self.paginate_queryset(files), many=True).data)

    @extend_schema(request=SpecFileIn, responses={201: SpecFileOut})
    def post(self, request: Request, project: UUID) -> Response:
        """Keep a completed upload as a file that specs can name: a device profile, weights, or a model that you have.

        Ask for the upload with the purpose `file`. A file never changes.
        """
        body = SpecFileIn(data=request.data)
        body.is_valid(raise_exception=True)
        upload = self.access.get(Upload, body.validated_data["upload"])
        file = keep_file(access=self.access, upload=upload, name=body.validated_data["name"])
        return Response(SpecFileOut(file).data, status=status.HTTP_201_CREATED)


class SpecFileDetail(ProjectAPIView):
    needs = {"GET": Role.VIEWER, "DELETE": Role.DEVELOPER}
    scopes = {"GET": Scope.READ, "DELETE": Scope.TRAINING}

    @extend_schema(operation_id="files_retrieve", responses=SpecFileOut)
    def get(self, request: Request, project: UUID, file: UUID) -> Response:
        """One file."""
        return Response(SpecFileOut(self.access.get(SpecFile, file, self.access.query(SpecFile).for_page())).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project: UUID, file: UUID) -> Response:
        """Delete a file that no waiting or running training run needs."""
        delete_file(access=self.access, file=self.access.get(SpecFile, file))
        return Response(status=status.HTTP_204_NO_CONTENT)


class SpecFileContent(ProjectAPIView):
    @extend_schema(responses={302: OpenApiResponse(description="To a signed, expiring link to the file.")})
    def get(self, request: Request, project: UUID, file: UUID) -> HttpResponseRedirect:
        """The bytes of one file: redirects to a signed link."""
        found = self.access.get(SpecFile, file, self.access.query(SpecFile).select_related("upload"))
        return HttpResponseRedirect(download_link(found).url_at(request))
