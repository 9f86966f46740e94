"""One shape for every error of both APIs: {"error": {"code", "message", "details"}}."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from apps.errors import Detail, Refused


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER. None (an unforeseen exception) becomes a 500 by Django."""
    headers: dict[str, str] = {}
    details: list[Detail] = []
    if isinstance(error, Refused):
        code, message, details, http = error.code, error.message, error.details, error.status
    elif isinstance(error, Http404):
        code, message, http = "not_found", str(error) or "There is nothing at this address.", status.HTTP_404_NOT_FOUND
    elif isinstance(error, PermissionDenied):
        code, message, http = "permission_denied", str(error) or "You may not do this.", status.HTTP_403_FORBIDDEN
    elif isinstance(error, exceptions.ValidationError):
        details = list(flatten(error.detail))
        code, http = "invalid", error.status_code
        message = "; ".join(f"{d['field']}: {d['message']}" if d["field"] else d["message"] for d in details)
    elif isinstance(error, exceptions.APIException):
        message, http = str(error.detail), error.status_code
        code = str(error.get_codes())
        if isinstance(error, exceptions.UnsupportedMediaType):
            accepted = dict.fromkeys(parser.media_type for parser in context["view"].parser_classes)
            message = f"{message} Accepted: {', '.join(accepted)}."
        if header := getattr(error, "auth_header", None):
            headers["WWW-Authenticate"] = header
        if wait := getattr(error, "wait", None):
            headers["Retry-After"] = str(int(wait))
    else:
        return None
    set_rollback()
    return Response({"error": {"code": code, "message": message, "details": details}}, status=http, headers=headers)


def flatten(detail: Any, field: str = "") -> list[Detail]:
    """DRF's nested error structure as a flat list; nested fields are joined by dots."""
    if isinstance(detail, dict):
        return [
            item
            for name, value in detail.items()
            for item in flatten(
                value, ".".join(part for part in (field, str(name)) if part and name != "non_field_errors")
            )
        ]
    if isinstance(detail, list):
        return [
            item
            for index, value in enumerate(detail)
            for item in flatten(value, f"{field}.{index}" if isinstance(value, dict) else field)
        ]
    return [{"field": field, "message": str(detail)}]
