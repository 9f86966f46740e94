"""What people and programs do with studies. Their trials are begun by the housekeeping: see `advancing`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.datasets.models import DatasetVersion
from apps.errors import Refused
from apps.jobs.services import cancel_job
from apps.models.models import RegisteredModel
from apps.projects import audit
from apps.projects.access import Access
from apps.training.models import TrainingRun
from apps.training.named_files import files_of
from apps.training.services import destination, require_ready
from apps.training.spec_text import read_spec, to_yaml
from apps.training.studies.models import MAX_AT_ONCE, MAX_TRIALS, Study, Trial
from apps.training.studies.objective import BYTES, figures_of, usual_direction
from apps.training.studies.space import MAX_COMBINATIONS, Parameter, combinations, read_space, stored
from apps.training.studies.varying import check_corners
from ml.spec_text import read_yaml
from ml.specs import TrainingSpec

MAX_NAME = 80
MAX_SECONDS = 365 * 24 * 3600


@dataclass(frozen=True)
class Plan:
    """How a study looks for the best values. `student`, `metric` and `direction` may be empty: the spec's first
    student, what models of the task are compared by, and what is usual for the figure."""

    student: str = ""
    metric: str = ""
    direction: str = ""
    max_bytes: int | None = None
    also_smallest: bool = False
    sampler: str = Study.Sampler.TPE.value
    pruner: str = Study.Pruner.MEDIAN.value
    starts_with_base: bool = True
    trials: int = 20
    at_once: int = 2
    seed: int = 7
    time_limit_s: int | None = None
    runs_on: str = Study.RunsOn.WORKERS.value


PLAN = tuple(Plan.__dataclass_fields__)


@transaction.atomic
def start_study(
    *,
    access: Access,
    dataset_version: DatasetVersion,
    spec: str | dict[str, Any],
    space: str | Mapping[str, Any],
    plan: Plan,
    model: RegisteredModel | None = None,
    model_name: str = "",
    name: str = "",
) -> Study:
    """Begin to look for the best values of the fields in `space`, starting from `spec`.

    Exactly one of `model` and `model_name` is needed. Raises Refused with details tied to `dataset_version`, `model`,
    `model_name`, `space`, a field of the plan, or a path in the spec; nothing is made then.
    """
    require_ready(dataset_version)
    validated = read_spec(spec, dataset_version)
    files_of(validated, dataset_version)
    complete = validated.model_dump(mode="json")
    parameters = read_space(space, complete)
    if not dataset_version.splits.get("validation"):
        message = f"{dataset_version} has no validation split, on which trials are compared. Accepted: data with one."
        raise _refused("no_validation_split", "dataset_version", message)
    plan = _checked(plan, validated, parameters)
    text = spec if isinstance(spec, str) else to_yaml(spec)
    check_corners(parameters, _data_of(text), dataset_version)
    model = destination(access=access, model=model, model_name=model_name)
    study: Study = Study.across_tenants.create(
        project=access.project,
        name=name.strip()[:MAX_NAME] or f"{validated.experiment_name} study",
        dataset_version=dataset_version,
        model=model,
        spec_yaml=text,
        space=stored(parameters),
        student=plan.student,
        metric=plan.metric,
        direction=plan.direction,
        max_bytes=plan.max_bytes,
        also_smallest=plan.also_smallest,
        sampler=plan.sampler,
        pruner=plan.pruner,
        starts_with_base=plan.starts_with_base,
        trials_wanted=plan.trials,
        at_once=plan.at_once,
        seed=plan.seed,
        time_limit_s=plan.time_limit_s,
        runs_on=plan.runs_on,
        created_by=access.user,
        api_key=access.api_key,
    )
    audit.record(access, "study.started", study, trials=plan.trials, model=model.slug)
    return study


@transaction.atomic
def pause_study(*, access: Access, study: Study) -> Study:
    """Begin no further trials; those under way go on. Raises Refused `study_not_running` (409)."""
    study = _locked(access, study)
    if study.state != Study.State.RUNNING:
        raise _not("study_not_running", study, "paused", "a running one")
    study.state, study.note = Study.State.PAUSED, ""
    return _saved(access, study, "study.paused")


@transaction.atomic
def continue_study(*, access: Access, study: Study) -> Study:
    """Begin trials again, from now on in the name of whoever asks. Raises Refused `study_not_paused` (409)."""
    study = _locked(access, study)
    if study.state != Study.State.PAUSED:
        raise _not("study_not_paused", study, "continued", "a paused one")
    study.state, study.note = Study.State.RUNNING, ""
    study.created_by, study.api_key = access.user, access.api_key
    study.failures_from = _begun(study)
    return _saved(access, study, "study.continued")


@transaction.atomic
def cancel_study(*, access: Access, study: Study) -> Study:
    """End a study and cancel its trials. Raises Refused `study_is_over` (409)."""
    study = _locked(access, study)
    if study.is_over:
        raise _not("study_is_over", study, "cancelled", "a running or paused one")
    study.state, study.note, study.finished_at = Study.State.CANCELLED, "", timezone.now()
    for run in TrainingRun.across_tenants.filter(trial__study=study, trial__state=Trial.State.OPEN).select_related(
        "job"
    ):
        try:
            cancel_job(access=access, job=run.job)
        except Refused:
            continue  # it has just ended
    return _saved(access, study, "study.cancelled")


@transaction.atomic
def change_study(*, access: Access, study: Study, trials: int | None = None, at_once: int | None = None) -> Study:
    """Raise the number of trials, or change how many run at a time. A finished study goes on then.

    Raises Refused tied to the field, or `study_is_over` (409) for one that was cancelled.
    """
    study = _locked(access, study)
    if study.state == Study.State.CANCELLED:
        raise _not("study_is_over", study, "changed", "one that is not cancelled")
    if at_once is not None:
        study.at_once = _within("at_once", at_once, 1, MAX_AT_ONCE)
    if trials is not None and trials != study.trials_wanted:
        _within("trials", trials, _begun(study) or 1, MAX_TRIALS)
        if study.state == Study.State.FINISHED and trials > _begun(study):
            if study.deadline is not None and study.deadline <= timezone.now():
                study.time_limit_s = None  # who asks for more trials gives them the time
            study.state, study.note, study.finished_at = Study.State.RUNNING, "", None
        study.trials_wanted = trials
    return _saved(access, study, "study.changed", trials=study.trials_wanted, at_once=study.at_once)


def _checked(plan: Plan, spec: TrainingSpec, space: list[Parameter]) -> Plan:
    """The plan with what was left open decided. Raises Refused, tied to the field."""
    students = [student.id for student in spec.students]
    if not students:
        message = "A study compares the trials by a student, and the spec names none. Accepted: a spec with students."
        raise _refused("no_student", "student", message)
    student = plan.student or students[0]
    _one_of("student", student, students)
    figures = [figure.name for figure in figures_of(spec.task.type)]
    metric = plan.metric or figures[0]
    _one_of("metric", metric, figures)
    direction = plan.direction or usual_direction(metric)
    _one_of("direction", direction, Study.Direction.values)
    _one_of("sampler", plan.sampler, Study.Sampler.values)
    _one_of("pruner", plan.pruner, Study.Pruner.values)
    _one_of("runs_on", plan.runs_on, _places())
    _within("trials", plan.trials, 1, MAX_TRIALS)
    _within("at_once", plan.at_once, 1, MAX_AT_ONCE)
    _within("seed", plan.seed, 0, 2**31 - 1)
    if plan.max_bytes is not None:
        _within("max_bytes", plan.max_bytes, 1, 2**40)
    if plan.time_limit_s is not None:
        _within("time_limit_s", plan.time_limit_s, 1, MAX_SECONDS)
    if plan.sampler == Study.Sampler.GRID and combinations(space) is None:
        names = ", ".join(one.path for one in space if one.values is None) or "all together"
        message = (
            f"A grid needs at most {MAX_COMBINATIONS:,} combinations. Too many values: {names}. "
            "Accepted: choices, whole numbers, or a range with a step."
        )
        raise _refused("grid_too_large", "sampler", message)
    if plan.also_smallest and metric == BYTES.name:
        raise _refused("same_objective", "also_smallest", "The size is what the study looks for already.")
    pruner = plan.pruner
    if pruner != Study.Pruner.NONE and (plan.also_smallest or metric == BYTES.name):
        message = (
            "No trial can be stopped early where the file's size counts: it is the same at any moment. Accepted: none."
        )
        raise _refused("pruner_needs_a_figure", "pruner", message)
    known = {**vars(plan), "student": student, "metric": metric, "direction": direction}
    return Plan(**known)


def _places() -> list[str]:
    return Study.RunsOn.values if settings.RAY_ADDRESS else [Study.RunsOn.WORKERS.value]


def _one_of(field: str, value: str, accepted: list[str]) -> None:
    if value not in accepted:
        message = f"Received: {value[:80]!r}. Accepted: {', '.join(accepted)}."
        raise _refused("not_accepted", field, message)


def _within(field: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise _refused("out_of_range", field, f"Received: {value}. Accepted: {low:,} … {high:,}.")
    return value


def _data_of(text: str) -> dict[str, Any]:
    data = read_yaml(text)
    assert isinstance(data, dict)
    return data


def _locked(access: Access, study: Study) -> Study:
    found: Study = access.query(Study).locked().get(pk=study.pk)
    return found


def _begun(study: Study) -> int:
    count: int = Trial.across_tenants.filter(study=study).count()
    return count


def _saved(access: Access, study: Study, action: str, **details: Any) -> Study:
    study.save()
    audit.record(access, action, study, **details)
    return study


def _not(code: str, study: Study, verb: str, accepted: str) -> Refused:
    state = study.get_state_display().lower()
    return Refused(
        code, f"This study can't be {verb}. Received: one that is {state}. Accepted: {accepted}.", status=409
    )


def _refused(code: str, field: str, message: str) -> Refused:
    return Refused(code, message, details=[{"field": field, "message": message}])
