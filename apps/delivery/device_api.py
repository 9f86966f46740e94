"""What all device endpoints share: a device key instead of a session, and the project that it belongs to."""

from __future__ import annotations

from typing import Any, NoReturn, cast

from django.conf import settings
from rest_framework.exceptions import Throttled
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.delivery.models import DeliveryState
from apps.delivery.throttle import DeviceThrottle
from apps.projects.authentication import DeviceKeyAuthentication
from apps.projects.models import ApiKey, Project


class DeviceAuthentication(DeviceKeyAuthentication):
    """Reads the project's delivery counter with the key: whether a manifest is current costs no query of its own.

    So a revoked key and a new revision both count with the very next request, in every process.
    """

    def keys(self) -> Any:
        return ApiKey.across_tenants.usable().select_related("project__delivery_state")


class DeviceAPIView(APIView):
    authentication_classes = [DeviceAuthentication]
    permission_classes = [IsAuthenticated]
    throttle_classes = [DeviceThrottle]

    def throttled(self, request: Request, wait: float) -> NoReturn:
        most = settings.DEVICE_REQUESTS_PER_MINUTE
        raise Throttled(wait, f"At most {most} requests a minute are accepted with one key from one address.")

    @property
    def project(self) -> Project:
        return cast(ApiKey, self.request.user).project

    @property
    def revision(self) -> int | None:
        """The project's delivery counter as of this request; None before anything was published or asked for."""
        try:
            return self.project.delivery_state.revision
        except DeliveryState.DoesNotExist:
            return None
