"""How well candidates do: all learn together for a short while, and the validation split judges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from ml.data.measuring import Measured
from ml.data.pipeline import Pipeline
from ml.hyperparameters import LossWeights
from ml.refusal import Detail, RefusedError
from ml.reporting import Reporter
from ml.search.batches import untuned
from ml.specs import ModelSpec, TrainingSpec
from ml.training.joint import JointTrainer
from ml.training.networks import build_networks
from ml.training.objectives import Objective

_CALLS = 10


def scores(
    models: Sequence[ModelSpec],
    spec: TrainingSpec,
    pipeline: Pipeline,
    measured: Measured,
    objective: Objective,
    *,
    steps: int,
    spec_folder: Path,
    reporter: Reporter,
) -> dict[str, float]:
    """The objective's metric on the validation split by model id, after `steps` steps with the spec's hyperparameters.

    In floats and without the trainer, which is the same for all. Raises RefusedError `loss_not_finite`.
    """
    hyper = spec.hyperparameters.model_copy(
        update={
            "steps": steps,
            "warmup_steps": min(spec.hyperparameters.warmup_steps, steps // 10),
            "quantize": None,
            "unlabelled_batch_size": 0,
            "loss_weights": LossWeights(student=1.0),
        }
    )
    alone = spec.model_copy(update={"trainer": None, "students": list(models), "hyperparameters": hyper})
    networks = build_networks(alone, measured.statistics, spec_folder=spec_folder)
    trainer = JointTrainer(networks, hyper, objective)
    batches = iter(untuned(pipeline.training_batches(batch_size=hyper.batch_size, seed=hyper.seed)))
    done = 0
    while done < steps:
        count = min(max(1, steps // _CALLS), steps - done)
        _, failed_after = trainer.run_steps(batches, count)
        if failed_after is not None:
            raise _diverged(spec, f"their loss became infinite or not a number at step {done + failed_after + 1}")
        done += count
        reporter.progress(done, steps, "steps", "training candidates")
    values = trainer.measure(pipeline.batches("validation"))
    found = {model.id: values[f"student:{model.id}/{objective.metric}"] for model in models}
    for name, value in found.items():
        if not math.isfinite(value):
            raise _diverged(spec, f"{name} gives no finite {objective.metric} after {steps} steps")
    return found


def _diverged(spec: TrainingSpec, what: str) -> RefusedError:
    received = f"Received: learning_rate {spec.hyperparameters.learning_rate:g}"
    accepted = "Accepted: usually a lower one, 0.01 or less"
    detail: Detail = {"field": "hyperparameters.learning_rate", "message": f"{what}. {received}. {accepted}"}
    return RefusedError("loss_not_finite", f"The candidates did not learn: {what}. {received}. {accepted}.", [detail])
