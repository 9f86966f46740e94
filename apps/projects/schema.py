"""How the API reader groups and names what can be asked, and describes the two kinds of keys."""

from __future__ import annotations

import re
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

# First part of a path below the organization or the project → the group it stands in.
GROUPS = {
    "members": "Organizations",
    "invitations": "Organizations",
    "audit": "Organizations",
    "keys": "Projects and keys",
    "uploads": "Datasets",
    "datasets": "Datasets",
    "dataset-versions": "Datasets",
    "training-runs": "Training",
    "studies": "Training",
    "models": "Models",
    "model-versions": "Models",
    "artifacts": "Models",
    "jobs": "Jobs",
    "notices": "Jobs",
    "webhooks": "Jobs",
    "deployments": "Deployments and devices",
    "installations": "Deployments and devices",
    "analytics": "Analytics",
}


class GroupedSchema(AutoSchema):
    """Operations stand in the group of their resource, under the first sentence of their docstring."""

    def get_tags(self) -> list[str]:
        parts = [part for part in self.path.split("/") if part]
        if parts[1] == "device":
            return ["Device API"]
        kind, below = parts[2], [part for part in parts[3:] if not part.startswith("{")]
        if below and below[0] in GROUPS:
            return [GROUPS[below[0]]]
        return ["Projects and keys" if kind == "projects" or "projects" in below else "Organizations"]

    def get_summary(self) -> str:
        sentence = " ".join(self.get_description().split("\n\n")[0].split())
        return re.split(r"[.:;] ", sentence + " ")[0].rstrip(".")


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
