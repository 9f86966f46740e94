"""How the API reader describes the two kinds of keys."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class ServerKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "apps.projects.authentication.ServerKeyAuthentication"
    match_subclasses = True
    name = "server key"
    description = "A server key of the project (sk_…), made under “API keys”. Its scopes say what it may do."

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": self.description}


class DeviceKeyScheme(ServerKeyScheme):  # type: ignore[no-untyped-call]
    target_class = "apps.projects.authentication.DeviceKeyAuthentication"
    name = "device key"
    description = "A device key of the project (dk_…), as it is in the application. It opens the device API only."


def bases_without_docs() -> list[type]:
    """Base classes whose docstrings are for programmers here, not for readers of the API."""
    from drf_spectacular.plumbing import get_lib_doc_excludes

    from apps.projects.access import OrganizationAPIView, ProjectAPIView

    return [*get_lib_doc_excludes(), OrganizationAPIView, ProjectAPIView]  # type: ignore[no-untyped-call]
