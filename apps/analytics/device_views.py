"""Where devices send what happened to them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from apps.analytics.intake import MAX_BATCH_BYTES, TYPES, batch_too_large, read_batch
from apps.analytics.services import record_events
from apps.delivery.device_api import DeviceAPIView


class BytesParser(BaseParser):
    """The JSON body as bytes, never more of it than a batch may have."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        announced = stream.META.get("CONTENT_LENGTH") or "0"
        if announced.isdigit() and int(announced) > MAX_BATCH_BYTES:
            raise batch_too_large(int(announced))
        return stream.read(MAX_BATCH_BYTES + 1)


class EventIn(serializers.Serializer[None]):
    id = serializers.UUIDField(help_text="Made on the device; an event sent twice is stored once.")
    type = serializers.ChoiceField(choices=TYPES)
    model = serializers.SlugField()
    version = serializers.UUIDField(allow_null=True, required=False)
    occurred_at = serializers.DateTimeField()
    data = serializers.DictField(required=False)  # type: ignore[assignment]


class BatchIn(serializers.Serializer[None]):
    installation = serializers.UUIDField()
    events = EventIn(many=True)


class RejectionOut(serializers.Serializer[None]):
    index = serializers.IntegerField()
    id = serializers.CharField(allow_null=True)
    code = serializers.CharField()
    message = serializers.CharField()


class ReceiptOut(serializers.Serializer[None]):
    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected = RejectionOut(many=True)


class EventsView(DeviceAPIView):
    parser_classes = [BytesParser]

    @extend_schema(
        operation_id="device_events",
        summary="Report a batch of events; 202 once they are stored",
        request=BatchIn,
        responses={202: ReceiptOut, 413: OpenApiResponse(description="More than 1 MiB.")},
    )
    def post(self, request: Request) -> Response:
        content: Any = request.data
        batch = read_batch(content or b"", now=timezone.now())
        receipt = record_events(project=self.project, batch=batch)
        answer = {"accepted": receipt.accepted, "duplicates": receipt.duplicates, "rejected": receipt.rejected}
        return Response(answer, status=status.HTTP_202_ACCEPTED)
