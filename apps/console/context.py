"""The sidebar: which sections the signed-in person sees on this page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from apps.projects.access import Access


@dataclass(frozen=True)
class Entry:
    label: str
    icon: str
    url: str
    is_active: bool


@dataclass(frozen=True)
class Section:
    title: str
    entries: list[Entry]


PROJECT_ENTRIES = [
    ("Project", "layout-dashboard", "project"),
    ("Datasets", "database", "dataset-list"),
    ("Training", "brain", "run-list"),
    ("Models", "box", "model-list"),
    ("Deployments", "rocket", "deployment-list"),
    ("Devices", "devices", "installation-list"),
    ("Analytics", "chart-bar", "analytics"),
    ("Jobs", "list-check", "job-list"),
    ("API keys", "key", "key-list"),
    ("Project settings", "adjustments", "project-settings"),
]
ORGANIZATION_ENTRIES = [
    ("Projects", "folders", "organization"),
    ("Members", "users", "member-list"),
    ("Audit log", "history", "audit"),
    ("Settings", "settings", "organization-settings"),
]


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Template variables `access` (None outside an organization) and `navigation`."""
    access: Access | None = getattr(request, "access", None)
    sections = [Section("", [_entry(request, "Overview", "home", "overview", exact=True)])]
    if access and access.project_or_none:
        where = [access.organization.slug, access.project.slug]
        entries = [
            _entry(request, label, icon, name, where, exact=name == "project") for label, icon, name in PROJECT_ENTRIES
        ]
        sections.append(Section(access.project.name, entries))
    if access:
        where = [access.organization.slug]
        entries = [
            _entry(request, label, icon, name, where, exact=name == "organization")
            for label, icon, name in ORGANIZATION_ENTRIES
        ]
        sections.append(Section(access.organization.name, entries))
    return {"access": access, "navigation": {"sections": sections}}


def _entry(
    request: HttpRequest, label: str, icon: str, name: str, args: list[str] | None = None, *, exact: bool = False
) -> Entry:
    url = reverse(name, args=args)
    return Entry(label, icon, url, request.path == url if exact else request.path.startswith(url))
