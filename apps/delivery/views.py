"""The pages of deployments: what goes to devices, its history, and changing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.models import Role
from apps.delivery.fleet import runtimes_in_the_field, versions_on_devices
from apps.delivery.forms import DeviceForm, PublishForm
from apps.delivery.manifests import compile_snapshot
from apps.delivery.models import Deployment, DeploymentRevision
from apps.delivery.services import publish, rollback
from apps.delivery.signing import signing_state
from apps.delivery.snapshot import Assignment, Attributes, Withheld, decide
from apps.errors import Refused
from apps.models.models import ModelVersion
from apps.projects.access import Access, AccessRequest, project_page
from apps.projects.pages import add_refusal, page_of, refusal_told


@project_page()
@require_GET
def show_all(request: AccessRequest) -> HttpResponseBase:
    access = request.access
    deployments = access.query(Deployment).for_page().annotate(devices=Count("current__version__installed"))
    context = {
        "page": page_of(deployments, request),
        "can_write": access.allows(Role.DEVELOPER),
        "has_versions": access.query(ModelVersion).ready().exists(),
    }
    return render(request, "delivery/deployment_list.html", context)


@project_page(Role.DEVELOPER)
@require_http_methods(["GET", "POST"])
def create(request: AccessRequest) -> HttpResponseBase:
    """`?version=<id>` is the version chosen at first."""
    access = request.access
    versions = access.query(ModelVersion)
    chosen = _chosen(access, request.POST.get("version") or request.GET.get("version", ""))
    form = PublishForm(
        request.POST or None,
        versions=versions,
        current=set(access.query(Deployment).values_list("current__version", flat=True)),
        initial={"version": chosen.pk} if chosen else None,
    )
    if request.method == "POST" and form.is_valid():
        revision = _publish(access, form)
        if revision is not None:
            messages.success(request, f"{revision.version} goes to devices now, as revision {revision.number}.")
            return _to(access, revision.deployment_id)
    context = {
        "form": form,
        "chosen": chosen,
        "current": _current(access, chosen) if chosen else None,
        "runtimes": runtimes_in_the_field(access, chosen.min_runtime) if chosen else [],
    }
    return render(request, "delivery/deployment_create.html", context, status=400 if form.errors else 200)


@project_page()
@require_http_methods(["GET", "POST"])
def show(request: AccessRequest, deployment: UUID) -> HttpResponseBase:
    """POST publishes another version of the same model."""
    access = request.access
    found = _deployment(access, deployment)
    assert found.current is not None  # made together with its first revision
    versions = access.query(ModelVersion).filter(model=found.model)
    if request.method == "POST":
        access.require(Role.DEVELOPER)
    form = PublishForm(request.POST or None, versions=versions, current={found.current.version_id})
    if request.method == "POST" and form.is_valid():
        revision = _publish(access, form)
        if revision is not None:
            messages.success(request, f"{revision.version} goes to devices now, as revision {revision.number}.")
            return _to(access, found.pk)
    revisions = access.query(DeploymentRevision).filter(deployment=found).for_page()
    context = {
        "deployment": found,
        "current": found.current,
        "form": form,
        "page": page_of(revisions, request, size=20),
        "installed": versions_on_devices(access, found.model),
        "runtimes": runtimes_in_the_field(access, found.current.version.min_runtime),
        "device": _try_device(request, found),
        "can_write": access.allows(Role.DEVELOPER),
    }
    return render(request, "delivery/deployment.html", context, status=400 if form.errors else 200)


@project_page(Role.DEVELOPER)
@require_POST
def roll_back(request: AccessRequest, deployment: UUID, revision: UUID) -> HttpResponseBase:
    access = request.access
    found = _deployment(access, deployment)
    older = access.get(DeploymentRevision, revision, access.query(DeploymentRevision).for_page())
    with refusal_told(request):
        new = rollback(access=access, deployment=found, revision=older)
        messages.success(request, f"Rolled back: {new.version} goes to devices again, as revision {new.number}.")
    return _to(access, found.pk)


@dataclass(frozen=True)
class DeviceTrial:
    """The form that describes a device, and what that device would get of this deployment's model."""

    form: DeviceForm
    assigned: Assignment | None = None
    withheld: Withheld | None = None


def _try_device(request: AccessRequest, deployment: Deployment) -> DeviceTrial:
    form = DeviceForm(request.GET if "runtime" in request.GET else None)
    if not form.is_valid():
        return DeviceTrial(form)
    signing_state(request.access.project)
    attributes = Attributes(installation=uuid4(), runtime_version=form.cleaned_data["runtime"])
    decision = decide(compile_snapshot(request.access.project), attributes)
    slug = deployment.model.slug
    return DeviceTrial(
        form,
        next((item for item in decision.assigned if item.model.slug == slug), None),
        next((item for item in decision.withheld if item.model.slug == slug), None),
    )


def _publish(access: Access, form: PublishForm) -> DeploymentRevision | None:
    """The new revision; None when the service refused, and the form says why."""
    version: ModelVersion = form.cleaned_data["version"]
    try:
        return publish(access=access, model=version.model, version=version, note=form.cleaned_data["note"])
    except Refused as refused:
        add_refusal(form, refused)
        return None


def _deployment(access: Access, deployment: UUID) -> Deployment:
    deployments = access.query(Deployment).for_page().prefetch_related("current__version__artifacts")
    return access.get(Deployment, deployment, deployments)


def _chosen(access: Access, version: str) -> ModelVersion | None:
    try:
        key = UUID(version)
    except ValueError:
        return None
    found: ModelVersion | None = access.query(ModelVersion).ready().select_related("model").filter(pk=key).first()
    return found


def _current(access: Access, version: ModelVersion) -> DeploymentRevision | None:
    """What devices get of the version's model now."""
    deployment = access.query(Deployment).for_page().filter(model=version.model_id).first()
    return deployment.current if deployment else None


def _to(access: Access, deployment: Any) -> HttpResponseBase:
    return redirect("deployment", access.organization.slug, access.project.slug, deployment)
