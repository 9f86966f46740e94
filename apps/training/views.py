from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.models import Role
from apps.datasets.models import DatasetVersion
from apps.errors import Detail, Refused
from apps.jobs.advice import advice_on
from apps.jobs.live import live_context
from apps.jobs.models import Job
from apps.jobs.restarting import can_be_restarted
from apps.models.metrics import primary_figure
from apps.models.models import ModelVersion, RegisteredModel
from apps.projects.access import AccessRequest, project_page
from apps.projects.pages import add_refusal, page_of
from apps.training.compare_views import charts_context
from apps.training.forms import RunForm
from apps.training.models import TrainingRun
from apps.training.named_files import choices_of
from apps.training.presets import defaults_for
from apps.training.proposals import table_of
from apps.training.services import start_run
from apps.training.spec_editing import Edited, from_form, from_yaml
from apps.training.spec_form import spec_form
from apps.training.spec_text import to_yaml
from apps.training.studies.models import Trial


@project_page()
@require_GET
def show_all(request: AccessRequest) -> HttpResponseBase:
    """All runs; those of studies only with `?trials=shown`."""
    runs, shows_trials = request.access.query(TrainingRun).for_page(), request.GET.get("trials") == "shown"
    page = page_of(runs if shows_trials else runs.without_trials(), request)
    context = {
        "page": page,
        "can_write": request.access.allows(Role.DEVELOPER),
        "shows_trials": shows_trials,
        "has_trials": request.access.query(Trial).exists(),
    }
    if not page.rows:
        context["has_data"] = request.access.query(DatasetVersion).ready().exists()
    return render(request, "training/run_list.html", context)


@project_page(Role.DEVELOPER)
@require_http_methods(["GET", "POST"])
def create(request: AccessRequest) -> HttpResponseBase:
    """The form of a new run. GET takes `?dataset_version=`, `?model=`, or `?run=` (an earlier one to start from).

    With `&spec=found` the start is the spec with the students that the earlier run has found.
    """
    access = request.access
    if request.method == "POST":
        return _start(request)
    ready = access.query(DatasetVersion).ready().select_related("dataset").order_by("-id")
    earlier = _chosen(access.query(TrainingRun), request.GET.get("run"))
    version = _chosen(ready, earlier.dataset_version_id if earlier else request.GET.get("dataset_version"))
    version = version or ready.first()
    if version is None:
        return render(request, "training/run_without_data.html")
    newest = earlier or access.query(TrainingRun).on_dataset(version.dataset_id).first()
    model = _chosen(access.query(RegisteredModel), request.GET.get("model") or (newest.model_id if newest else None))
    text = _text_of(earlier, request.GET.get("spec")) if earlier else to_yaml(defaults_for(version))
    initial = {
        "name": earlier.name if earlier else "",
        "dataset_version": version.pk,
        "model": model.pk if model else None,
        "model_name": "" if model else version.dataset.name,
        "spec": text,
    }
    return _page(request, RunForm(initial=initial, access=access), from_yaml(text, version), version)


def _text_of(run: TrainingRun, which: str | None) -> str:
    return run.final_yaml if which == "found" else run.spec_yaml


def _start(request: AccessRequest) -> HttpResponseBase:
    form = RunForm(request.POST, access=request.access)
    problems: list[Detail] = []
    if form.is_valid():
        try:
            run = start_run(access=request.access, **form.cleaned_data)
        except Refused as refused:
            problems = [detail for detail in refused.details if detail["field"] not in form.fields]
            beside = [detail for detail in refused.details if detail["field"] in form.fields]
            if beside or not problems:
                add_refusal(form, Refused(refused.code, refused.message, details=beside))
        else:
            messages.success(request, f"{run} is in the queue.")
            return redirect("run", request.access.organization.slug, request.access.project.slug, run.pk)
    version = form.cleaned_data.get("dataset_version") if hasattr(form, "cleaned_data") else None
    version = version or request.access.query(DatasetVersion).ready().select_related("dataset").order_by("-id").first()
    if version is None:
        return render(request, "training/run_without_data.html", status=400)
    return _page(request, form, from_yaml(form.data.get("spec", ""), version), version, status=400)


def _page(
    request: AccessRequest, form: RunForm, edited: Edited, version: DatasetVersion, status: int = 200
) -> HttpResponseBase:
    shown = edited.form or spec_form(defaults_for(version))
    context = {"form": form, "spec": shown, "problems": edited.problems, "is_behind": edited.form is None}
    context["file_choices"] = choices_of(request.access.project)
    return render(request, "training/run_create.html", context, status=status)


@project_page(Role.DEVELOPER)
@require_POST
def edit_spec(request: AccessRequest) -> HttpResponseBase:
    """JSON for the form's script, after a change: the YAML, what is wrong, and the form where it is to be drawn again.

    `source` says what was edited: "yaml" or "form"; `action`: see `spec_editing.from_form`.
    """
    versions = request.access.query(DatasetVersion).ready().select_related("dataset")
    version = _chosen(versions, request.POST.get("dataset_version"))
    if version is None:
        return JsonResponse({"error": "Choose data that is ready."}, status=400)
    posted = request.POST.dict()
    if posted.get("source") == "yaml":
        edited = from_yaml(str(posted.get("spec", "")), version)
    else:
        edited = from_form({key: str(value) for key, value in posted.items()}, str(posted.get("action", "")), version)
    answer: dict[str, Any] = {"yaml": edited.yaml, "problems": edited.form.problems if edited.form else edited.problems}
    if edited.form is not None and edited.has_new_fields:
        answer["form"] = render_to_string("training/spec_form.html", {"spec": edited.form}, request)
    return JsonResponse(answer)


@project_page()
@require_GET
def show(request: AccessRequest, run: UUID) -> HttpResponseBase:
    access = request.access
    found = access.get(TrainingRun, run, access.query(TrainingRun).with_models())
    job: Job = found.job
    can_write = access.allows(Role.DEVELOPER)
    trained = list(found.trained_models.all())
    context = live_context(access, job) | {
        "run": found,
        "trained": trained,
        "proposal": table_of(found.proposal, found.task),
        "is_checking": any(one.version.state == ModelVersion.State.CHECKING for one in trained),
        "best_student": found.best_student,
        "advice": advice_on(job),
        "can_write": can_write,
        "can_restart": can_write and can_be_restarted(job),
        "can_cancel": can_write and not job.is_over and job.cancel_requested_at is None,
        "primary": primary_figure(found.task),
        "has_tensorboard": settings.TENSORBOARD_MAX > 0,
        **charts_context(access, [found]),
    }
    return render(request, "training/run.html", context)


@project_page()
@require_GET
def download_spec(request: AccessRequest, run: UUID) -> HttpResponseBase:
    """The spec as a file for the command line; with the students that were found, where the run looked for them."""
    found = request.access.get(TrainingRun, run)
    headers = {"Content-Disposition": content_disposition_header(True, f"{found.spec['experiment_name']}.yaml") or ""}
    return HttpResponse(found.final_yaml, content_type="application/yaml; charset=utf-8", headers=headers)


def _chosen(rows: Any, id: Any) -> Any:  # noqa: A002
    """The row with this id, None where there is none or the text is no id."""
    try:
        return rows.filter(pk=UUID(str(id))).first() if id else None
    except ValueError:
        return None
