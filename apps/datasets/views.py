from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.models import Role
from apps.datasets import services
from apps.datasets.files import file_of
from apps.datasets.forms import DatasetForm, VersionForm
from apps.datasets.models import Dataset, DatasetVersion, Upload
from apps.datasets.uploads import ACCEPTED_SUFFIXES, max_upload_bytes
from apps.datasets.version_page import (
    advice_on,
    balance,
    ranges_of,
    sample_groups,
    samples_of,
    splits_of,
    training_url,
)
from apps.datasets.wording import TASKS, feature_words, learned
from apps.errors import Refused
from apps.jobs.live import live_context
from apps.projects.access import AccessRequest, project_page
from apps.projects.file_views import redirect_to_file
from apps.projects.pages import add_refusal, page_of


@project_page()
@require_GET
def show_all(request: AccessRequest) -> HttpResponseBase:
    page = page_of(request.access.query(Dataset).for_page(), request)
    return render(request, "datasets/list.html", {"page": page, "can_write": request.access.allows(Role.DEVELOPER)})


@project_page(Role.DEVELOPER)
@require_http_methods(["GET", "POST"])
def create(request: AccessRequest) -> HttpResponseBase:
    form = DatasetForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            dataset = services.create_dataset(access=request.access, **form.cleaned_data)
        except Refused as refused:
            add_refusal(form, refused)
        else:
            messages.success(request, f"{dataset} is there. Now upload its first examples.")
            return redirect("dataset", request.access.organization.slug, request.access.project.slug, dataset.pk)
    return render(request, "datasets/create.html", {"form": form}, status=400 if form.errors else 200)


@project_page()
@require_GET
def show(request: AccessRequest, dataset: UUID) -> HttpResponseBase:
    row = request.access.get(Dataset, dataset)
    context = {
        "dataset": row,
        "page": page_of(request.access.query(DatasetVersion).for_page().filter(dataset=row), request),
        "can_write": request.access.allows(Role.DEVELOPER),
        "form": VersionForm(),
        "suffixes": ACCEPTED_SUFFIXES[Upload.Purpose.DATASET],
        "max_bytes": max_upload_bytes(),
        "free_bytes": max(0, request.access.organization.quota_bytes - request.access.organization.used_bytes),
        "quota_bytes": request.access.organization.quota_bytes,
    }
    return render(request, "datasets/dataset.html", context)


@project_page(Role.DEVELOPER)
@require_POST
def delete(request: AccessRequest, dataset: UUID) -> HttpResponseBase:
    row = request.access.get(Dataset, dataset)
    where = [request.access.organization.slug, request.access.project.slug]
    try:
        services.delete_dataset(access=request.access, dataset=row)
    except Refused as refused:
        messages.error(request, refused.message)
        return redirect("dataset", *where, dataset)
    messages.success(request, f"{row} is deleted.")
    return redirect("dataset-list", *where)


@project_page()
@require_GET
def show_version(request: AccessRequest, version: UUID) -> HttpResponseBase:
    row = _version(request, version)
    can_write = request.access.allows(Role.DEVELOPER)
    context = {
        "version": row,
        "can_write": can_write,
        "train_url": training_url(request.access, row) if can_write else None,
    }
    if row.state == DatasetVersion.State.IMPORTING and not row.job.is_over:
        context |= live_context(request.access, row.job)
    elif row.state == DatasetVersion.State.READY:
        context |= _contents(request, row)
    else:
        context["advice"] = advice_on(row.job)
    return render(request, "datasets/version.html", context)


def _contents(request: AccessRequest, version: DatasetVersion) -> dict[str, Any]:
    """What the page of a ready version says of its examples. Samples are shown where there are pictures."""
    is_classes = version.task.get("type") == "classification"
    show_every_class = request.GET.get("classes") == "all"
    with_samples = is_classes and version.samples
    return {
        "inputs": [(feature["name"], feature_words(feature)) for feature in version.features],
        "task": TASKS.get(version.task.get("type", ""), ""),
        "learned": learned(version),
        "splits": splits_of(version),
        "balance": balance(version),
        "ranges": ranges_of(version),
        "groups": sample_groups(request, version, every_class=show_every_class) if with_samples else [],
        "samples": [] if is_classes else samples_of(request, version),
    }


@project_page(Role.DEVELOPER)
@require_POST
def delete_version(request: AccessRequest, version: UUID) -> HttpResponseBase:
    row = _version(request, version)
    where = [request.access.organization.slug, request.access.project.slug]
    try:
        services.delete_version(access=request.access, version=row)
    except Refused as refused:
        messages.error(request, refused.message)
        return redirect("dataset-version", *where, version)
    messages.success(request, f"{row} is deleted, with its files.")
    return redirect("dataset", *where, row.dataset_id)


@project_page()
@require_GET
def download(request: AccessRequest, version: UUID, path: str) -> HttpResponseBase:
    file = file_of(_version(request, version), path)
    return redirect_to_file(request, file.key, filename=file.filename, content_type=file.content_type)


def _version(request: AccessRequest, version: UUID) -> DatasetVersion:
    rows = request.access.query(DatasetVersion).select_related("dataset", "job", "upload", "created_by")
    return request.access.get(DatasetVersion, version, rows)
