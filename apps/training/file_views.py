"""The page of the files that specs name."""

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
from apps.projects.access import AccessRequest, project_page
from apps.projects.pages import add_refusal, page_of, refusal_told
from apps.training.forms import SpecFileForm
from apps.training.models import SpecFile
from apps.training.spec_files import SUFFIXES, delete_file, download_link, keep_file


@project_page()
@require_http_methods(["GET", "POST"])
def show_all(request: AccessRequest) -> HttpResponseBase:
    """The list, and the form of a new file: the page's script sends the file, the form says which upload it was."""
    access = request.access
    if request.method == "POST":
        access.require(Role.DEVELOPER)
    form = SpecFileForm(request.POST or None, uploads=access.query(Upload))
    if request.method == "POST" and form.is_valid():
        try:
            file = keep_file(access=access, **form.cleaned_data)
        except Refused as refused:
            add_refusal(form, refused)
        else:
            messages.success(request, f"A spec can name it now: {file.path}")
            return redirect("file-list", access.organization.slug, access.project.slug)
    context = {
        "page": page_of(access.query(SpecFile).for_page(), request),
        "can_write": access.allows(Role.DEVELOPER),
        "form": form,
        "is_sent": bool(form.errors) and "upload" not in form.errors and "name" in form.errors,
        "suffixes": SUFFIXES,
        "max_bytes": max_upload_bytes(),
    }
    return render(request, "training/file_list.html", context, status=400 if form.errors else 200)


@project_page()
@require_GET
def download(request: AccessRequest, file: UUID) -> HttpResponseBase:
    files = request.access.query(SpecFile).select_related("upload")
    return redirect(download_link(request.access.get(SpecFile, file, files)).url_at(request))


@project_page(Role.DEVELOPER)
@require_POST
def remove(request: AccessRequest, file: UUID) -> HttpResponseBase:
    found = request.access.get(SpecFile, file)
    with refusal_told(request):
        delete_file(access=request.access, file=found)
        messages.success(request, f"{found} is deleted.")
    return redirect("file-list", request.access.organization.slug, request.access.project.slug)
