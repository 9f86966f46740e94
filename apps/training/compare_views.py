"""Runs side by side, and the series of runs as files."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from apps.errors import Refused
from apps.jobs.models import Job
from apps.models.metrics import WATCHED
from apps.projects.access import Access, AccessRequest, project_page
from apps.training.comparing import differences
from apps.training.models import TrainingRun
from apps.training.series_files import chosen_runs, series_file

MOST_COMPARED = 12  # as many as have a colour of their own
OFFERED = 50


@project_page()
@require_GET
def compare(request: AccessRequest) -> HttpResponseBase:
    """The runs `?run=<id>`, once for each; without any, the choice of them."""
    access = request.access
    ids = list(dict.fromkeys(filter(None, request.GET.getlist("run"))))
    problem = ""
    if len(ids) > MOST_COMPARED:
        problem = f"At most {MOST_COMPARED} runs can be compared at a time. Received: {len(ids)}. These are the first."
    try:
        runs = chosen_runs(access, ids[:MOST_COMPARED], most=MOST_COMPARED)
    except Refused as refused:
        runs, problem = [], refused.message
    context = {
        "problem": problem,
        "differences": differences(runs),
        "job_states": Job.State.choices,
        **charts_context(access, runs),
    }
    return render(request, "training/compare.html", context, status=400 if problem and not runs else 200)


@project_page()
@require_GET
def download(request: AccessRequest, extension: str) -> HttpResponseBase:
    """Series of runs as a file: see `series_file`."""
    try:
        return series_file(request, request.access, extension)
    except Refused as refused:
        return HttpResponse(refused.message, status=refused.status, content_type="text/plain; charset=utf-8")


def charts_context(access: Access, runs: list[TrainingRun]) -> dict[str, Any]:
    """For `training/chart_settings.html` and `training/compare_form.html` of a page that shows `runs`. One query.

    `runs`; `offered`: those that can be added to a comparison; `series_query`: which names the runs to the files of
    their series; `charts`, for the scripts: where the series and the live events of each run are, and what is measured.
    """
    chosen = {run.pk for run in runs}
    newest = access.query(TrainingRun).order_by("-id").only("number", "name")[: OFFERED + len(runs)]
    return {
        "runs": runs,
        "offered": [run for run in newest if run.pk not in chosen] if len(runs) < MOST_COMPARED else [],
        "series_query": urlencode([("run", run.pk) for run in runs]),
        "charts": _for_scripts(access, runs),
    }


def _for_scripts(access: Access, runs: list[TrainingRun]) -> dict[str, Any]:
    where = [access.organization.slug, access.project.slug]
    measures = {WATCHED[run.task].name: WATCHED[run.task] for run in runs}
    return {
        "files": {extension: reverse(f"run-metrics-{extension}", args=where) for extension in ("csv", "json")},
        "runs": [
            {
                "id": str(run.pk),
                "number": run.number,
                "name": run.name,
                "networks": run.networks,
                "is_over": run.job.is_over,
                "live": f"/ws/o/{where[0]}/p/{where[1]}/jobs/{run.job_id}/",
            }
            for run in runs
        ],
        "measures": [
            {"name": figure.name, "title": figure.title, "is_share": figure.kind == "share"}
            for figure in measures.values()
        ],
    }
