"""Bringing studies on: reading what their trials say, stopping the hopeless ones, beginning the next.

Housekeeping of every worker machine, every two seconds. It depends on nothing but the rows, so it does not matter who
did it last and whether they got to the end. The sampler and the pruner are asked outside of any transaction; what comes
of it is written under the study's lock, if its trials are still those that were asked about.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, F, Q
from django.http import Http404
from django.utils import timezone

from apps.accounts.models import Role
from apps.errors import Refused
from apps.jobs.models import Job, JobEvent
from apps.jobs.services import cancel_job
from apps.projects.access import Access, enter_project
from apps.projects.models import Scope
from apps.training.models import TrainedModel, TrainingRun
from apps.training.services import start_run
from apps.training.spec_fields import value_at
from apps.training.spec_text import to_yaml
from apps.training.studies import sampling
from apps.training.studies.models import Study, Trial
from apps.training.studies.objective import value_of, watched_for
from apps.training.studies.varying import varied
from ml.spec_text import read_yaml
from ml.specs import TrainingSpec

logger = logging.getLogger(__name__)

PERIOD_S = 2.0
AT_ONCE = 50
# So many failed trials one after the other, and the rest would most likely fail as well.
FAILURES_TO_PAUSE = 5
# A run that a person starts goes before the trials of studies.
PRIORITY = -10


def sweep() -> None:
    """Bring all studies on that have something to do. One that fails is logged, and keeps no other from its turn."""
    open_ = Trial.across_tenants.filter(state=Trial.State.OPEN).values("study")
    running = Q(state=Study.State.RUNNING)
    due = Study.across_tenants.filter(running | Q(pk__in=open_)).order_by("id")
    for study_id in list(due.values_list("pk", flat=True)[:AT_ONCE]):
        try:
            advance(study_id)
        except Exception:
            logger.exception("Study %s could not be brought on.", study_id)


def advance(study_id: UUID) -> None:
    """Bring one study on as far as it goes now."""
    changed, ended = _read_news(study_id) if _has_news(study_id) else ([], False)
    if changed:
        _prune(study_id, changed)
    _begin_next(study_id)
    if ended:
        _weigh(study_id)


# --- What the trials say ---------------------------------------------------------------------------------------------


def _has_news(study_id: UUID) -> bool:
    """Whether any job of an open trial has said something new, or is over. Locks nothing."""
    trials = Trial.across_tenants.filter(study=study_id, state=Trial.State.OPEN)
    is_over = ~Q(run__job__state__in=[Job.State.QUEUED, Job.State.RUNNING])
    return bool(trials.filter(is_over | Q(run__job__last_sequence__gt=F("last_sequence"))).exists())


@transaction.atomic
def _read_news(study_id: UUID) -> tuple[list[UUID], bool]:
    """Write new values of open trials, and the end of those whose job is over.

    Returns the trials with new values, and whether any has ended.
    """
    study = _locked(study_id)
    if study is None:
        return [], False
    trials = list(
        Trial.across_tenants.filter(study=study, state=Trial.State.OPEN).select_related("run__job").defer("run__spec")
    )
    over = [trial for trial in trials if _job_of(trial).is_over]
    changed = _hear(study, [trial for trial in trials if _job_of(trial).last_sequence > trial.last_sequence])
    Trial.across_tenants.bulk_update(changed, ["intermediate", "last_sequence"])
    for trial, student in zip(over, _students_of(study, over), strict=True):
        _close(study, trial, student)
    Trial.across_tenants.bulk_update(over, ["state", "value", "bytes", "is_feasible", "message", "finished_at"])
    with_values = [trial.pk for trial in changed if trial not in over and trial.intermediate and not trial.pruned_at]
    return with_values, bool(over)


def _locked(study_id: UUID) -> Study | None:
    """The study, unless another machine is at it at this moment."""
    rows = Study.across_tenants.select_related("project__organization", "dataset_version__dataset", "model")
    found: Study | None = rows.select_for_update(of=("self",), skip_locked=True).filter(pk=study_id).first()
    return found


def _hear(study: Study, trials: Sequence[Trial]) -> list[Trial]:
    """Take over what was measured on the validation split since the last time. Returns `trials`."""
    if not trials:
        return []
    new = Q()
    for trial in trials:
        new |= Q(job=_job_of(trial), sequence__gt=trial.last_sequence)
    by_job = {_job_of(trial).pk: trial for trial in trials}
    task, steps = _task_of(study), _steps_of(study, trials)
    watched = watched_for(task=task, student=study.student, metric=study.metric, direction=study.direction)
    for trial in trials:
        trial.last_sequence = _job_of(trial).last_sequence
    events = JobEvent.across_tenants.filter(new, kind=JobEvent.Kind.METRICS).order_by("job", "sequence")
    for event in events.only("job_id", "data"):
        value = event.data["values"].get(watched.name)
        if value is not None:
            trial = by_job[event.job_id]
            # In twentieths, so that trials of different length can be compared; the last one counts.
            part = min(max(round(sampling.TWENTIETHS * event.data["step"] / steps[trial.pk]), 1), sampling.TWENTIETHS)
            trial.intermediate[str(part)] = watched.sign * value
    return list(trials)


def _job_of(trial: Trial) -> Job:
    assert trial.run is not None  # one without a run was over when it began
    job: Job = trial.run.job
    return job


def _task_of(study: Study) -> str:
    task: str = study.dataset_version.task["type"]
    return task


def _steps_of(study: Study, trials: Sequence[Trial]) -> dict[UUID, int]:
    specs = dict(
        TrainingRun.across_tenants.filter(trial__in=trials).values_list("trial", "spec__hyperparameters__steps")
    )
    return {trial.pk: max(int(specs[trial.pk]), 1) for trial in trials}


def _students_of(study: Study, trials: Sequence[Trial]) -> list[TrainedModel | None]:
    """For each trial the student that counts; None where it did not come to that."""
    if not trials:
        return []
    rows = TrainedModel.across_tenants.filter(run__in=[trial.run_id for trial in trials], spec_id=study.student)
    found: dict[UUID | None, TrainedModel] = {
        one.run_id: one for one in rows.select_related("version").prefetch_related("version__artifacts")
    }
    return [found.get(trial.run_id) for trial in trials]


def _close(study: Study, trial: Trial, student: TrainedModel | None) -> None:
    """Note how a trial ended whose job is over."""
    job = _job_of(trial)
    trial.finished_at = job.finished_at or timezone.now()
    if job.state == Job.State.SUCCEEDED:
        trial.bytes = student.version.tflite_bytes if student else None
        trial.value = value_of(student.version, study.metric) if student else None
        trial.is_feasible = study.max_bytes is None or (trial.bytes or 0) <= study.max_bytes
        trial.state = Trial.State.COMPLETE if trial.value is not None else Trial.State.FAILED
        if trial.value is None:
            trial.message = f"The run succeeded, but {study.student} has no {study.metric} on the validation split."
    elif job.state == Job.State.CANCELLED:
        trial.state = Trial.State.PRUNED if trial.pruned_at else Trial.State.CANCELLED
    else:
        trial.state, trial.message = Trial.State.FAILED, job.error_message


# --- Stopping --------------------------------------------------------------------------------------------------------


def _prune(study_id: UUID, changed: Sequence[UUID]) -> None:
    """Have the jobs of hopeless trials cancelled. What they had learned is not worth keeping."""
    study = Study.across_tenants.get(pk=study_id)
    if study.state == Study.State.CANCELLED or study.pruner == Study.Pruner.NONE:
        return
    trials = list(Trial.across_tenants.filter(study=study).order_by("number"))
    asked = [trial for trial in trials if trial.pk in set(changed)]
    before = {trial.pk: dict(trial.pruner_notes) for trial in asked}
    stopped = sampling.to_be_pruned(study, trials, asked)
    noted = [trial for trial in asked if trial.pruner_notes != before[trial.pk]]
    if not stopped and not noted:
        return
    with transaction.atomic():
        if _locked(study_id) is None:
            return  # what another machine does now says nothing of these values: the next ones are asked about
        Trial.across_tenants.bulk_update(noted, ["pruner_notes"])
        access = _access_of(study)
        if access is None:
            return
        runs = TrainingRun.across_tenants.filter(trial__in=stopped).select_related("job", "trial")
        for run in runs:
            _stop(access, run)


def _stop(access: Access, run: TrainingRun) -> None:
    best = max((int(part) for part in run.trial.intermediate), default=0)
    why = f"The study's pruner stopped it after {best} of {sampling.TWENTIETHS} parts: others were better by then."
    try:
        cancel_job(access=access, job=run.job, why=why)
    except Refused:
        return  # it is over already, which the next turn sees
    run.trial.pruned_at, run.trial.message = timezone.now(), why
    run.trial.save(update_fields=["pruned_at", "message"])


# --- Beginning -------------------------------------------------------------------------------------------------------


def _begin_next(study_id: UUID) -> None:
    """Begin as many trials as there is room for, or end the study where nothing is left to do."""
    study = Study.across_tenants.get(pk=study_id)
    if study.state != Study.State.RUNNING or _is_full(study):
        return
    trials = list(Trial.across_tenants.filter(study=study).order_by("number"))
    room = _room(study, trials)
    base = read_yaml(study.spec_yaml)
    assert isinstance(base, dict)
    params: list[dict[str, object]] = []
    if room > 0:
        complete = TrainingSpec.parse(base).model_dump(mode="json")
        here = {row["path"]: value_at(complete, row["path"]) for row in study.space}
        params = sampling.ask(study, trials, room, here)
    with transaction.atomic():
        locked = _locked(study_id)
        if (
            locked is None
            or (locked.state, locked.trials_wanted) != (Study.State.RUNNING, study.trials_wanted)
            or Trial.across_tenants.filter(study=locked).count() != len(trials)
        ):
            return
        if params:
            _begin(locked, base, params, first=len(trials) + 1)
        elif not any(trial.state == Trial.State.OPEN for trial in trials) and room >= 0:
            _finish(locked, trials)


def _is_full(study: Study) -> bool:
    """Whether there is nothing to begin or to end before another trial is over."""
    trials = Trial.across_tenants.filter(study=study).order_by()
    counts = trials.aggregate(begun=Count("pk"), open=Count("pk", filter=Q(state=Trial.State.OPEN)))
    return bool(counts["open"] >= study.at_once or (counts["open"] and counts["begun"] >= study.trials_wanted))


def _room(study: Study, trials: Sequence[Trial]) -> int:
    """How many trials may begin now."""
    if study.deadline is not None and timezone.now() >= study.deadline:
        return 0
    if _fails_again_and_again(study, trials):
        return 0
    open_ = sum(trial.state == Trial.State.OPEN for trial in trials)
    return max(min(study.at_once - open_, study.trials_wanted - len(trials)), 0)


def _fails_again_and_again(study: Study, trials: Sequence[Trial]) -> bool:
    ended = [trial for trial in trials if trial.number > study.failures_from and trial.state != Trial.State.OPEN]
    last = ended[-FAILURES_TO_PAUSE:]
    return len(last) == FAILURES_TO_PAUSE and all(trial.state == Trial.State.FAILED for trial in last)


def _finish(study: Study, trials: Sequence[Trial]) -> None:
    if len(trials) < study.trials_wanted:
        if _fails_again_and_again(study, trials):
            why = trials[-1].message or "see its run"
            _pause(study, f"The last {FAILURES_TO_PAUSE} trials failed, the last one so: {why}")
            return
        is_late = study.deadline is not None and timezone.now() >= study.deadline
        study.note = "Its time was up." if is_late else "Every combination has been tried."
    study.state, study.finished_at = Study.State.FINISHED, timezone.now()
    study.save(update_fields=["state", "note", "finished_at"])


def _pause(study: Study, note: str) -> None:
    study.state, study.note = Study.State.PAUSED, note
    study.save(update_fields=["state", "note"])


def _begin(study: Study, base: dict[str, object], params: Iterable[dict[str, object]], *, first: int) -> None:
    access = _access_of(study)
    if access is None:
        message = "Whoever started it may not train in this project any more. Somebody who may can continue it."
        _pause(study, message)
        return
    for number, values in enumerate(params, first):
        trial = Trial(project=study.project, study=study, number=number, params=values)
        data, _ = varied(base, values)
        try:
            with transaction.atomic():
                trial.run = start_run(
                    access=access,
                    dataset_version=study.dataset_version,
                    model=study.model,
                    spec=to_yaml(data),
                    name=f"{study.name} · trial {number}",
                    priority=PRIORITY,
                    runs_on=study.runs_on,
                    silent=True,
                )
        except Refused as refused:
            # The corners of the space were tried, but what is between them, or the files, may still be refused.
            trial.state, trial.message, trial.finished_at = Trial.State.FAILED, refused.message, timezone.now()
        trial.save(force_insert=True)


def _access_of(study: Study) -> Access | None:
    """What whoever started the study may do now; None where they are gone or may not train any more."""
    actor = study.created_by or study.api_key
    if actor is None or (study.api_key is not None and study.api_key.revoked_at is not None):
        return None
    try:
        return enter_project(actor, needs=Role.DEVELOPER, scope=Scope.TRAINING, id=study.project_id)
    except (Http404, PermissionDenied):
        return None


# --- What matters ----------------------------------------------------------------------------------------------------


def _weigh(study_id: UUID) -> None:
    """Work out anew what each parameter counts, for the page."""
    study = Study.across_tenants.get(pk=study_id)
    trials = list(Trial.across_tenants.filter(study=study).order_by("number"))
    found = sampling.importance(study, trials)
    if found and found != study.importance:
        Study.across_tenants.filter(pk=study_id).update(importance=found)
