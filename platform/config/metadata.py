"""What OPTIONS answers: the methods. What they take and give is in the schema, for everybody (`/api/schema/`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.metadata import BaseMetadata

if TYPE_CHECKING:  # DRF imports this module while it makes the view
    from rest_framework.request import Request
    from rest_framework.views import APIView


class Methods(BaseMetadata):
    def determine_metadata(self, request: Request, view: APIView) -> dict[str, Any]:
        return {"methods": view.allowed_methods}
