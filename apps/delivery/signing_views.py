"""The page of a project's signing keys: the roots that devices trust, one to build into an application, rotation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST
from tuf.api.metadata import Metadata, Root, Targets  # type: ignore[attr-defined]

from apps.accounts.models import Role
from apps.delivery.models import SignedRoot
from apps.delivery.services import rotate_keys
from apps.delivery.signing import signing_state
from apps.projects.access import AccessRequest, project_page
from apps.projects.pages import refusal_told


@dataclass(frozen=True)
class RootSummary:
    """What a person wants to know of one root. Key ids are TUF's: SHA-256 of the public key."""

    number: int
    created_at: datetime
    expires: datetime
    root_key: str
    targets_key: str

    @classmethod
    def of(cls, row: SignedRoot) -> RootSummary:
        root = Metadata[Root].from_bytes(bytes(row.metadata)).signed
        (root_key,), (targets_key,) = root.roles[Root.type].keyids, root.roles[Targets.type].keyids
        return cls(row.number, row.created_at, root.expires, root_key, targets_key)


@project_page()
@require_GET
def show(request: AccessRequest) -> HttpResponseBase:
    access = request.access
    signing_state(access.project)
    roots = [RootSummary.of(row) for row in access.query(SignedRoot).order_by("-number")[:50]]
    context = {"roots": roots, "can_rotate": access.allows(Role.ADMIN)}
    return render(request, "delivery/signing.html", context)


@project_page()
@require_GET
def download_root(request: AccessRequest, number: int) -> HttpResponseBase:
    access = request.access
    row = access.query(SignedRoot).filter(number=number).first()
    if row is None:
        raise Http404(f"This project has no root {number}.")
    filename = f"{access.project.slug}-root-{number}.json"
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return HttpResponse(bytes(row.metadata), content_type="application/json", headers=headers)


@project_page(Role.ADMIN)
@require_POST
def rotate(request: AccessRequest) -> HttpResponseBase:
    access = request.access
    with refusal_told(request):
        root = rotate_keys(access=access)
        messages.success(request, f"Root {root.number} is signed by the old and the new key. Devices follow it.")
    return redirect("signing", access.organization.slug, access.project.slug)
