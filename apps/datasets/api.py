"""The team API of uploads, datasets and their versions."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import Role
from apps.datasets import services, uploads
from apps.datasets.files import file_of
from apps.datasets.models import Dataset, DatasetVersion, Upload
from apps.datasets.serializers import (
    DatasetIn,
    DatasetOut,
    NewUploadOut,
    UploadIn,
    UploadOut,
    VersionIn,
    VersionOut,
    VersionSummaryOut,
)
from apps.projects.access import ProjectAPIView
from apps.projects.file_views import redirect_to_file
from apps.projects.models import Scope

SCOPE_OF = {
    Upload.Purpose.DATASET: Scope.DATASETS,
    Upload.Purpose.MODEL: Scope.MODELS,
    Upload.Purpose.FILE: Scope.TRAINING,
}


class UploadList(ProjectAPIView):
    needs = {"POST": Role.DEVELOPER}
    scopes = {"POST": Scope.READ}  # which scope it needs depends on the purpose: below

    @extend_schema(request=UploadIn, responses={201: NewUploadOut})
    def post(self, request: Request, project: UUID) -> Response:
        """Ask to upload a file: reserves its size from the quota and says where to send the bytes.

        A key needs the scope `datasets` for the purpose `dataset`, `models` for `model`, and `training` for `file`.
        """
        body = UploadIn(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        purpose = Upload.Purpose(asked["purpose"])
        self.access.require(Role.DEVELOPER, SCOPE_OF[purpose])
        upload, link = uploads.ask_for_upload(
            access=self.access,
            purpose=purpose,
            filename=asked["filename"],
            size=asked["size"],
            sha256=asked.get("sha256"),
        )
        where = {
            "url": link.url_at(request),
            "method": link.method,
            "headers": link.headers,
            "resumable": link.resumable,
        }
        return Response(UploadOut(upload).data | where, status=status.HTTP_201_CREATED)


class UploadDetail(ProjectAPIView):
    needs = {"GET": Role.VIEWER, "DELETE": Role.DEVELOPER}
    scopes = {"GET": Scope.READ, "DELETE": Scope.READ}

    @extend_schema(responses=UploadOut)
    def get(self, request: Request, project: UUID, upload: UUID) -> Response:
        """One upload: its state, and what has arrived of it."""
        return Response(UploadOut(self.access.get(Upload, upload)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project: UUID, upload: UUID) -> Response:
        """Give an upload up that nothing was made of: its bytes are deleted and their share of the quota is free."""
        row = self.access.get(Upload, upload)
        self.access.require(Role.DEVELOPER, SCOPE_OF[Upload.Purpose(row.purpose)])
        uploads.give_up_upload(access=self.access, upload=row)
        return Response(status=status.HTTP_204_NO_CONTENT)


class UploadComplete(ProjectAPIView):
    needs = {"POST": Role.DEVELOPER}
    scopes = {"POST": Scope.READ}

    @extend_schema(request=None, responses=UploadOut)
    def post(self, request: Request, project: UUID, upload: UUID) -> Response:
        """Say that all bytes were sent: size and SHA-256 are verified. Doing it again changes nothing."""
        row = self.access.get(Upload, upload)
        self.access.require(Role.DEVELOPER, SCOPE_OF[Upload.Purpose(row.purpose)])
        return Response(UploadOut(uploads.complete_upload(access=self.access, upload=row)).data)


class DatasetList(ProjectAPIView):
    needs = {"GET": Role.VIEWER, "POST": Role.DEVELOPER}
    scopes = {"GET": Scope.READ, "POST": Scope.DATASETS}

    @extend_schema(operation_id="datasets_list", responses=DatasetOut(many=True))
    def get(self, request: Request, project: UUID) -> Response:
        """Datasets of the project, newest first."""
        datasets = self.access.query(Dataset).for_page()
        return self.get_paginated_response(DatasetOut(self.paginate_queryset(datasets), many=True).data)

    @extend_schema(request=DatasetIn, responses={201: DatasetOut})
    def post(self, request: Request, project: UUID) -> Response:
        """Make an empty dataset; versions with examples are added to it."""
        body = DatasetIn(data=request.data)
        body.is_valid(raise_exception=True)
        dataset = services.create_dataset(access=self.access, **body.validated_data)
        return Response(
            DatasetOut(self.access.query(Dataset).for_page().get(pk=dataset.pk)).data, status=status.HTTP_201_CREATED
        )


class DatasetDetail(ProjectAPIView):
    needs = {"GET": Role.VIEWER, "DELETE": Role.DEVELOPER}
    scopes = {"GET": Scope.READ, "DELETE": Scope.DATASETS}

    @extend_schema(operation_id="datasets_retrieve", responses=DatasetOut)
    def get(self, request: Request, project: UUID, dataset: UUID) -> Response:
        """One dataset."""
        return Response(DatasetOut(self.access.get(Dataset, dataset, self.access.query(Dataset).for_page())).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project: UUID, dataset: UUID) -> Response:
        """Delete a dataset that has no versions."""
        services.delete_dataset(access=self.access, dataset=self.access.get(Dataset, dataset))
        return Response(status=status.HTTP_204_NO_CONTENT)


class VersionList(ProjectAPIView):
    needs = {"GET": Role.VIEWER, "POST": Role.DEVELOPER}
    scopes = {"GET": Scope.READ, "POST": Scope.DATASETS}

    @extend_schema(operation_id="dataset_versions_list", responses=VersionSummaryOut(many=True))
    def get(self, request: Request, project: UUID, dataset: UUID) -> Response:
        """Versions of the dataset, newest first, without their long lists."""
        versions = self.access.query(DatasetVersion).for_page().filter(dataset=self.access.get(Dataset, dataset))
        return self.get_paginated_response(VersionSummaryOut(self.paginate_queryset(versions), many=True).data)

    @extend_schema(request=VersionIn, responses={201: VersionOut})
    def post(self, request: Request, project: UUID, dataset: UUID) -> Response:
        """Make the next version from a completed upload. A job imports it; `state` becomes `ready` or `failed`."""
        row = self.access.get(Dataset, dataset)
        body = VersionIn(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        upload = self.access.get(Upload, asked.pop("upload"))
        version = services.create_version(access=self.access, dataset=row, upload=upload, **asked)
        return Response(VersionOut(version).data, status=status.HTTP_201_CREATED)


class VersionDetail(ProjectAPIView):
    needs = {"GET": Role.VIEWER, "DELETE": Role.DEVELOPER}
    scopes = {"GET": Scope.READ, "DELETE": Scope.DATASETS}

    @extend_schema(operation_id="dataset_versions_retrieve", responses=VersionOut)
    def get(self, request: Request, project: UUID, version: UUID) -> Response:
        """One version: its splits, classes, files and samples, and the job that imports it."""
        rows = self.access.query(DatasetVersion).select_related("job")
        return Response(VersionOut(self.access.get(DatasetVersion, version, rows)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project: UUID, version: UUID) -> Response:
        """Delete a version that nothing was made of, with its files: what they took of the quota is free again."""
        services.delete_version(access=self.access, version=self.access.get(DatasetVersion, version))
        return Response(status=status.HTTP_204_NO_CONTENT)


class VersionFile(ProjectAPIView):
    @extend_schema(responses={302: OpenApiResponse(description="To a signed, expiring link to the file.")})
    def get(self, request: Request, project: UUID, version: UUID, path: str) -> HttpResponse:
        """One file or sample of a ready version; `files` and `samples` list the paths."""
        rows = self.access.query(DatasetVersion).select_related("dataset")
        file = file_of(self.access.get(DatasetVersion, version, rows), path)
        return redirect_to_file(request, file.key, filename=file.filename, content_type=file.content_type)
