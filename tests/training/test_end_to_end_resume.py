"""A real training that is cancelled on its way and resumed as if on another machine."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from apps.jobs import leases
from apps.jobs.events import NewEvent
from apps.jobs.folders import folder_of
from apps.jobs.leases import Lease, Progress
from apps.jobs.models import Job, JobEvent
from apps.jobs.restarting import resume_job
from apps.jobs.services import cancel_job
from apps.jobs.worker import run_job
from apps.training.models import TrainedModel
from apps.training.services import start_run

pytestmark = pytest.mark.engine
# Some seconds, so that there is time to cancel.
STEPS = 3000


def test_a_cancelled_run_goes_on_from_its_checkpoint(
    transactional_db, access, dataset_version, small_spec, monkeypatch
):
    small_spec["hyperparameters"] = {**small_spec["hyperparameters"], "steps": STEPS}
    run = start_run(access=access, dataset_version=dataset_version, spec=small_spec, model_name="Digit reader")
    keep = leases.keep

    def cancel_once_it_trains(lease: Lease, events: Sequence[NewEvent] = (), progress: Progress | None = None) -> bool:
        if any(event.kind == JobEvent.Kind.METRICS for event in events):
            cancel_job(access=access, job=run.job)
        return keep(lease, events, progress)

    monkeypatch.setattr(leases, "keep", cancel_once_it_trains)
    run_job(str(run.job_id))
    monkeypatch.setattr(leases, "keep", keep)
    job = Job.across_tenants.get(pk=run.job_id)
    assert (job.state, job.error_code) == (Job.State.CANCELLED, "cancelled")
    assert job.saved_work_bytes > 0
    assert not folder_of(job.pk).exists()
    resume_job(access=access, job=job)
    run_job(str(run.job_id))
    job.refresh_from_db()
    assert (job.state, job.error_message) == (Job.State.SUCCEEDED, "")
    said = " ".join(
        JobEvent.across_tenants.filter(job=job, kind=JobEvent.Kind.LOG).values_list("data__message", flat=True)
    )
    assert "resuming from step" in said
    assert job.result["steps"] == STEPS
    assert TrainedModel.across_tenants.filter(run=run).count() == 3
