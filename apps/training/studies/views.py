from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.models import Role
from apps.datasets.models import DatasetVersion
from apps.errors import Refused
from apps.projects.access import AccessRequest, project_page
from apps.projects.pages import add_refusal, page_of, refusal_told
from apps.training.models import Study, TrainingRun, Trial
from apps.training.presets import defaults_for
from apps.training.spec_text import to_yaml
from apps.training.studies import reading
from apps.training.studies.forms import ChangeForm, StudyForm
from apps.training.studies.services import (
    Plan,
    cancel_study,
    change_study,
    continue_study,
    pause_study,
    start_study,
)
from apps.training.studies.suggestions import Suggestion, line_of, suggestions_for
from ml.spec_text import read_yaml
from ml.specs import SpecError

SUGGESTED_AT_FIRST = ("hyperparameters.learning_rate",)
TRIALS_A_PAGE = 25


@project_page()
@require_GET
def show_all(request: AccessRequest) -> HttpResponseBase:
    page = page_of(request.access.query(Study).for_page(), request)
    for study in page.rows:
        best = study.largest if study.is_maximized else study.smallest
        study.best_text = reading.figure(study).text(best)
        study.figure_title = reading.figure(study).title
    context = {"page": page, "can_write": request.access.allows(Role.DEVELOPER)}
    if not page.rows:
        context["has_data"] = request.access.query(DatasetVersion).ready().exists()
    return render(request, "training/study_list.html", context)


@project_page(Role.DEVELOPER)
@require_http_methods(["GET", "POST"])
def create(request: AccessRequest) -> HttpResponseBase:
    """The form of a new study. GET takes `?run=` (search around it), `?study=` (one like it) or `?dataset_version=`."""
    access = request.access
    if request.method == "POST":
        return _start(request)
    ready = access.query(DatasetVersion).ready().select_related("dataset").order_by("-id")
    run = _chosen(access.query(TrainingRun), request.GET.get("run"))
    study = _chosen(access.query(Study), request.GET.get("study"))
    like = study or run
    version = _chosen(ready, like.dataset_version_id if like else request.GET.get("dataset_version")) or ready.first()
    if version is None:
        return render(request, "training/run_without_data.html")
    text = study.spec_yaml if study else run.final_yaml if run else to_yaml(defaults_for(version))
    initial: dict[str, Any] = {
        "dataset_version": version.pk,
        "model": like.model_id if like else None,
        "model_name": "" if like else f"{version.dataset.name} study",
        "name": study.name if study else f"Around {run.name}"[:80] if run else "",
        "spec": text,
    }
    initial |= _as_before(study) if study else vars(Plan()) | {"space": _space_to_start_with(text, version)}
    form = StudyForm(initial=initial, access=access, task=version.task["type"])
    return _page(request, form, text, version)


def _start(request: AccessRequest) -> HttpResponseBase:
    ready = request.access.query(DatasetVersion).ready().select_related("dataset").order_by("-id")
    version = _chosen(ready, request.POST.get("dataset_version")) or ready.first()
    if version is None:
        return render(request, "training/run_without_data.html", status=400)
    form = StudyForm(request.POST, access=request.access, task=version.task["type"])
    if form.is_valid():
        given = form.cleaned_data
        try:
            study = start_study(
                access=request.access,
                plan=form.plan(),
                **{name: given[name] for name in ("dataset_version", "model", "model_name", "name", "spec", "space")},
            )
        except Refused as refused:
            _add_refusal(form, refused)
        else:
            messages.success(request, f"{study} has begun: its first trials come up in a moment.")
            return redirect("study", request.access.organization.slug, request.access.project.slug, study.pk)
    return _page(request, form, str(request.POST.get("spec", "")), version, status=400)


def _add_refusal(form: StudyForm, refused: Refused) -> None:
    """As usual, but what is about a field of the spec stands beside the spec."""
    aliases = {"time_limit_s": "minutes"}
    for detail in refused.details:
        field = aliases.get(detail["field"], detail["field"])
        if field in form.fields:
            form.add_error(field, detail["message"])
        else:
            form.add_error("spec", f"{field} {detail['message']}".strip())
    if not refused.details:
        add_refusal(form, refused)


def _page(
    request: AccessRequest, form: StudyForm, text: str, version: DatasetVersion, status: int = 200
) -> HttpResponseBase:
    context = {"form": form, "groups": _grouped(_suggestions(text, version))}
    return render(request, "training/study_create.html", context, status=status)


def _suggestions(text: str, version: DatasetVersion) -> list[Suggestion]:
    """None for a spec that is not valid: what is wrong with it is said beside it."""
    try:
        data = read_yaml(text)
        return suggestions_for(data, version) if isinstance(data, dict) else []
    except (SpecError, Refused):
        return []


def _grouped(found: list[Suggestion]) -> dict[str, list[Suggestion]]:
    groups: dict[str, list[Suggestion]] = {}
    for one in found:
        groups.setdefault(one.group, []).append(one)
    return groups


def _space_to_start_with(text: str, version: DatasetVersion) -> str:
    return "\n".join(one.line for one in _suggestions(text, version) if one.path in SUGGESTED_AT_FIRST)


def _as_before(study: Study) -> dict[str, Any]:
    names = ("student", "metric", "direction", "max_bytes", "also_smallest", "sampler", "pruner", "starts_with_base")
    return {
        **{name: getattr(study, name) for name in (*names, "at_once", "seed", "runs_on")},
        "trials": study.trials_wanted,
        "minutes": study.time_limit_s // 60 if study.time_limit_s else None,
        "space": "\n".join(line_of(row) for row in study.space),
    }


@project_page()
@require_GET
def show(request: AccessRequest, study: UUID) -> HttpResponseBase:
    access = request.access
    joined = access.query(Study).select_related("dataset_version__dataset", "model", "created_by", "api_key")
    found = access.get(Study, study, joined)
    rows = access.query(Trial)
    best = reading.best_of(found, rows)
    charts = reading.charts_of(found, rows, best)
    columns = reading.columns_of(found)
    page = page_of(rows.filter(study=found).for_page(), request, size=TRIALS_A_PAGE)
    page.rows[:] = reading.lines_of(found, page.rows, columns, best)
    ended = {name: sum(one["state"] == name for one in charts["trials"]) for name in Trial.State.values}
    can_write = access.allows(Role.DEVELOPER)
    states = Study.State
    context = {
        "study": found,
        "page": page,
        "columns": columns,
        "figure": reading.figure(found),
        "best": reading.lines_of(found, best[: reading.SHOWN_AS_BEST], columns, best),
        "count_best": len(best),
        "charts": charts,
        "ended": ended,
        "over": len(charts["trials"]),
        "can_write": can_write,
        "can_pause": can_write and found.state == states.RUNNING,
        "can_continue": can_write and found.state == states.PAUSED,
        "can_cancel": can_write and not found.is_over,
        "change_form": ChangeForm(initial={"trials": found.trials_wanted, "at_once": found.at_once})
        if can_write and found.state != states.CANCELLED
        else None,
        "is_live": found.state == states.RUNNING or any(line.trial.state == Trial.State.OPEN for line in page.rows),
    }
    return render(request, "training/study.html", context)


@project_page(Role.DEVELOPER)
@require_POST
def pause(request: AccessRequest, study: UUID) -> HttpResponseBase:
    return _do(request, study, pause_study, "No further trial begins. Those under way go on.")


@project_page(Role.DEVELOPER)
@require_POST
def resume(request: AccessRequest, study: UUID) -> HttpResponseBase:
    return _do(request, study, continue_study, "The study goes on.")


@project_page(Role.DEVELOPER)
@require_POST
def cancel(request: AccessRequest, study: UUID) -> HttpResponseBase:
    return _do(request, study, cancel_study, "The study is cancelled, and so are its trials.")


@project_page(Role.DEVELOPER)
@require_POST
def change(request: AccessRequest, study: UUID) -> HttpResponseBase:
    form = ChangeForm(request.POST)
    if not form.is_valid():
        for name, errors in form.errors.items():
            messages.error(request, f"{form.fields[name].label}: {errors[0]}")
        request.access.get(Study, study)
        return _back(request, study)
    return _do(request, study, change_study, "The study is changed.", **form.cleaned_data)


def _do(request: AccessRequest, study: UUID, service: Any, said: str, **more: Any) -> HttpResponse:
    found = request.access.get(Study, study)
    with refusal_told(request):
        service(access=request.access, study=found, **more)
        messages.success(request, said)
    return _back(request, study)


def _back(request: AccessRequest, study: UUID) -> HttpResponse:
    return redirect("study", request.access.organization.slug, request.access.project.slug, study)


def _chosen(rows: Any, id: Any) -> Any:  # noqa: A002
    """The row with this id, None where there is none or the text is no id."""
    try:
        return rows.filter(pk=UUID(str(id))).first() if id else None
    except ValueError:
        return None
