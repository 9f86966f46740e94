"""The device API: the manifest, the roots that it is checked by, and the files that it names."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse, HttpResponseBase
from django.utils.http import parse_etags
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request

from apps.delivery.attributes import NUMBERS, TEXTS, parse_attributes
from apps.delivery.device_api import DeviceAPIView
from apps.delivery.installations import see_installation
from apps.delivery.manifests import manifests
from apps.delivery.models import SignedRoot
from apps.delivery.signing import signing_state
from apps.encryption import UnreadableError
from apps.errors import Refused
from apps.models.models import Artifact, ModelVersion
from apps.projects.file_views import serve_file

TUF = "application/json"


class ManifestView(DeviceAPIView):
    @extend_schema(
        operation_id="device_manifest",
        summary="The signed answer to one installation",
        parameters=[
            OpenApiParameter("installation", OpenApiTypes.UUID, required=True, description="Made once by the device."),
            *(OpenApiParameter(name, OpenApiTypes.STR) for name in TEXTS),
            *(OpenApiParameter(name, OpenApiTypes.INT) for name in NUMBERS),
            OpenApiParameter("user.*", OpenApiTypes.STR, description="Attributes of the user, such as user.plan=paid."),
        ],
        responses={
            200: OpenApiResponse(OpenApiTypes.OBJECT, description="TUF Metadata[Targets]; see the device API guide."),
            304: OpenApiResponse(description="Unchanged since the ETag of If-None-Match."),
        },
    )
    def get(self, request: Request) -> HttpResponse:
        attributes = parse_attributes(request.query_params)
        try:
            manifest = manifests.manifest(self.project, self.revision, attributes)
        except UnreadableError as error:
            raise Refused("signing_keys_unreadable", str(error), status=503) from error
        see_installation(self.project, attributes)
        known = parse_etags(request.headers.get("If-None-Match", ""))
        if manifest.etag in {tag.removeprefix("W/") for tag in known}:  # a proxy that compresses makes an ETag weak
            response = HttpResponse(status=304)
        else:
            response = HttpResponse(manifest.content, content_type=TUF)
        response["ETag"] = manifest.etag
        response["Cache-Control"] = "private, no-cache"
        return response


class RootView(DeviceAPIView):
    @extend_schema(
        operation_id="device_root",
        summary="One number of the project's TUF root",
        responses={200: OpenApiResponse(OpenApiTypes.OBJECT, description="TUF Metadata[Root], ed25519.")},
    )
    def get(self, request: Request, number: int) -> HttpResponse:
        signing_state(self.project)
        root = SignedRoot.objects.for_project(self.project).filter(number=number).first()
        if root is None:
            raise Http404(f"This project has no root {number}.")
        response = HttpResponse(bytes(root.metadata), content_type=TUF)
        response["Cache-Control"] = "private, max-age=31536000, immutable"
        return response


class ModelFileView(DeviceAPIView):
    @extend_schema(
        operation_id="device_model_file",
        summary="The .tflite of a version that is or was published",
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            (206, "application/octet-stream"): OpenApiTypes.BINARY,
            302: OpenApiResponse(description="To a signed address of the object store; send no key there."),
        },
    )
    def get(self, request: Request, version: UUID) -> HttpResponseBase:
        artifact = published_file(self.project.pk, version)
        filename = f"{artifact.version.model.slug}-{artifact.version.number}.tflite"
        return serve_file(request._request, artifact.storage_key, filename=filename, etag=artifact.sha256)


def published_file(project_id: UUID, version: UUID) -> Artifact:
    """The file of a version that is ready and was published by some revision of this project, else Http404."""
    artifact = (
        Artifact.across_tenants.filter(
            project=project_id,
            version=version,
            kind=Artifact.Kind.TFLITE,
            version__state=ModelVersion.State.READY,
            version__deployment_revisions__project=project_id,
        )
        .select_related("version__model")
        .first()
    )
    if artifact is None:
        raise Http404("This project has published no version with this id.")
    return artifact
