from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.models import Role
from apps.datasets.models import Upload
from apps.datasets.uploads import max_upload_bytes
from apps.errors import Refused
from apps.models.files import download_link
from apps.models.forms import ModelForm, UploadedVersionForm
from apps.models.models import Artifact, ModelVersion, RegisteredModel
from apps.models.report import facts_of, report_of
from apps.models.services import (
    MAX_TFLITE_BYTES,
    add_uploaded_version,
    check_again,
    delete_model,
    delete_version,
    register_model,
)
from apps.projects.access import Access, AccessRequest, project_page
from apps.projects.pages import add_refusal, page_of, refusal_told


def _to(access: Access, name: str, *args: object) -> HttpResponseBase:
    return redirect(name, access.organization.slug, access.project.slug, *args)


@project_page()
@require_GET
def show_all(request: AccessRequest) -> HttpResponseBase:
    models = request.access.query(RegisteredModel).for_page()
    context = {"page": page_of(models, request), "can_write": request.access.allows(Role.DEVELOPER)}
    return render(request, "models/model_list.html", context)


@project_page(Role.DEVELOPER)
@require_http_methods(["GET", "POST"])
def create(request: AccessRequest) -> HttpResponseBase:
    form = ModelForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            model = register_model(access=request.access, **form.cleaned_data)
        except Refused as refused:
            add_refusal(form, refused)
        else:
            messages.success(request, f"{model} is registered. Train or upload its first version.")
            return _to(request.access, "model", model.pk)
    return render(request, "models/model_create.html", {"form": form}, status=400 if form.errors else 200)


@project_page()
@require_GET
def show(request: AccessRequest, model: UUID) -> HttpResponseBase:
    found = request.access.get(RegisteredModel, model)
    versions = request.access.query(ModelVersion).for_list().filter(model=found)
    context = {"model": found, "page": page_of(versions, request), "can_write": request.access.allows(Role.DEVELOPER)}
    return render(request, "models/model.html", context)


@project_page(Role.DEVELOPER)
@require_http_methods(["GET", "POST"])
def upload_version(request: AccessRequest, model: UUID) -> HttpResponseBase:
    """The file itself goes to the storage by the page's script; the form says which upload becomes the version."""
    found = request.access.get(RegisteredModel, model)
    form = UploadedVersionForm(request.POST or None, uploads=request.access.query(Upload))
    if request.method == "POST" and form.is_valid():
        try:
            version = add_uploaded_version(access=request.access, model=found, upload=form.cleaned_data["upload"])
        except Refused as refused:
            add_refusal(form, refused)
        else:
            messages.success(request, f"{version} was uploaded. It is being checked.")
            return _to(request.access, "model-version", version.pk)
    context = {"model": found, "form": form, "max_bytes": min(max_upload_bytes(), MAX_TFLITE_BYTES)}
    return render(request, "models/version_upload.html", context, status=400 if form.errors else 200)


@project_page()
@require_GET
def show_version(request: AccessRequest, version: UUID) -> HttpResponseBase:
    versions = request.access.query(ModelVersion).for_page()
    joined = versions.select_related("trained_model__run", "upload", "created_by", "check_job", "made_by_job")
    found = request.access.get(ModelVersion, version, joined)
    context = {
        "version": found,
        "model": found.model,
        "report": report_of(found),
        "facts": facts_of(found),
        "artifacts": sorted(found.artifacts.all(), key=lambda artifact: Artifact.Kind.values.index(artifact.kind)),
        "total_bytes": sum(artifact.bytes for artifact in found.artifacts.all()),
        "can_write": request.access.allows(Role.DEVELOPER),
    }
    return render(request, "models/version.html", context)


@project_page(Role.DEVELOPER)
@require_POST
def repeat_check(request: AccessRequest, version: UUID) -> HttpResponseBase:
    found = request.access.get(ModelVersion, version, request.access.query(ModelVersion).select_related("model"))
    with refusal_told(request):
        check_again(access=request.access, version=found)
        messages.success(request, f"{found} is being checked again.")
    return _to(request.access, "model-version", found.pk)


@project_page(Role.DEVELOPER)
@require_POST
def remove_version(request: AccessRequest, version: UUID) -> HttpResponseBase:
    found = request.access.get(ModelVersion, version, request.access.query(ModelVersion).select_related("model"))
    try:
        delete_version(access=request.access, version=found)
    except Refused as refused:
        messages.error(request, refused.message)
        return _to(request.access, "model-version", found.pk)
    messages.success(request, f"{found} is deleted, with its files.")
    return _to(request.access, "model", found.model_id)


@project_page(Role.DEVELOPER)
@require_POST
def remove(request: AccessRequest, model: UUID) -> HttpResponseBase:
    found = request.access.get(RegisteredModel, model)
    try:
        delete_model(access=request.access, model=found)
    except Refused as refused:
        messages.error(request, refused.message)
        return _to(request.access, "model", found.pk)
    messages.success(request, f"{found} is deleted.")
    return _to(request.access, "model-list")


@project_page()
@require_GET
def download(request: AccessRequest, artifact: UUID) -> HttpResponseBase:
    artifacts = request.access.query(Artifact).select_related("version__model")
    return redirect(download_link(request.access.get(Artifact, artifact, artifacts)).url_at(request))
