"""Runs the steps of a spec: pace, reports, validation, checkpoints, early stop, and an end by SIGTERM."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import tensorflow as tf

from ml.data.pipeline import Pipeline
from ml.refusal import RefusedError
from ml.reporting import Reporter
from ml.specs import TrainingSpec
from ml.termination import Terminated
from ml.training.histograms import BATCH, Histograms
from ml.training.history import History
from ml.training.joint import JointTrainer
from ml.training.sampling import watched_batch, watched_split
from ml.training.stopping import CROSS_WINDOW, CrossStopping, ValidationStopping
from ml.training.tensorboard import trimmed

CALL_SECONDS = 0.5
CHECKPOINT_SECONDS = 30.0
EVALUATIONS = 20


@dataclass(frozen=True)
class LoopResult:
    """How many updates were made in all, and how long this process worked on them (seconds)."""

    steps: int
    seconds: float
    stopped_early: bool


class TrainingLoop:
    """One run of `spec` with its state in `work`: the same folder again takes up where the last one ended."""

    def __init__(
        self,
        spec: TrainingSpec,
        trainer: JointTrainer,
        pipeline: Pipeline,
        *,
        work: Path,
        out: Path,
        reporter: Reporter,
    ) -> None:
        self._spec, self._trainer, self._pipeline, self._reporter = spec, trainer, pipeline, reporter
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._is_stopped = tf.Variable(False, trainable=False)
        models = {f"model_{network.spec.id}": network.model for network in trainer.networks}
        students = [network.spec.id for network in trainer.networks if network.role == "student"]
        best = tf.train.CheckpointManager(tf.train.Checkpoint(**models), str(work / "best"), max_to_keep=1)
        self._cross_stopping = CrossStopping(spec.hyperparameters.stop_when_cross_below, students)
        self._validation_stopping = ValidationStopping(
            spec.hyperparameters.early_stopping,
            students=students,
            metric=trainer.objective.metric,
            larger_is_better=trainer.objective.metric_is_better_when == "larger",
            best=best,
        )
        checkpoint = tf.train.Checkpoint(
            step=self._step,
            is_stopped=self._is_stopped,
            optimizer=trainer.optimizer,
            cross_stopping=self._cross_stopping,
            validation_stopping=self._validation_stopping,
            **models,
        )
        self._manager = tf.train.CheckpointManager(checkpoint, str(work / "checkpoints"), max_to_keep=2)
        if self._manager.restore_or_initialize():
            reporter.log("info", f"resuming from step {int(self._step)}")
        self._history = History(work / "history.jsonl", out / "tensorboard", resume_step=int(self._step))
        self._histograms = Histograms(trainer.networks, watched_batch(pipeline, BATCH))
        self._show_graph()
        self._terminated = False

    @property
    def history_path(self) -> Path:
        return self._history.path

    def run(self) -> LoopResult:
        """Trains to the end. Raises RefusedError `loss_not_finite`, or Terminated after SIGTERM (checkpoint saved)."""
        previous = signal.signal(signal.SIGTERM, self._on_sigterm)
        try:
            return self._run()
        finally:
            signal.signal(signal.SIGTERM, previous)
            self._history.close()

    def _on_sigterm(self, _signum: int, _frame: FrameType | None) -> None:
        self._terminated = True

    def _run(self) -> LoopResult:
        hyper = self._spec.hyperparameters
        started = time.monotonic()
        saved = time.monotonic()
        step, total = int(self._step), hyper.steps
        every = -(-total // EVALUATIONS)
        batches = iter(
            self._pipeline.training_batches(
                batch_size=hyper.batch_size,
                seed=hyper.seed,
                start_step=step,
                unlabelled_batch_size=hyper.unlabelled_batch_size,
                derived=self._trainer.derived,
            )
        )
        self._reporter.progress(step, total, "steps", "training")
        size, stopped = 1, bool(self._is_stopped)
        while step < total and not stopped:
            # Windows and evaluations end at fixed steps, whatever the machine's speed, so that a run can be repeated.
            count = min(size, total - step, every - step % every, CROSS_WINDOW - step % CROSS_WINDOW)
            before = time.monotonic()
            values, failed_after = self._trainer.run_steps(batches, count)
            took = time.monotonic() - before
            if failed_after is not None:
                self._refuse_loss(step + failed_after + 1)
            step += count
            self._step.assign(step)
            # The first call traces the graph; the pace follows from the others.
            size = max(1, min(size * 4, int(size * CALL_SECONDS / max(took, 1e-3)), 1000)) if count == size else size
            stopped = self._cross_stopping.is_reached(step, count, values)
            if step % every == 0 or step == total or stopped:
                values |= self._validate()
                self._history.add_histograms(step, self._histograms.measure())
                stopped = self._validation_stopping.is_reached(values) or stopped
                self._is_stopped.assign(stopped)
            self._report(step, values)
            if self._terminated:
                self._save()
                self._reporter.log("info", f"checkpoint saved at step {step}")
                raise Terminated
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                self._save()
                saved = time.monotonic()
        self._save()
        if stopped and step < total:
            self._reporter.log("info", f"stopped at step {step}: what was asked for is reached, or nothing gets better")
        if self._validation_stopping.restore_best():
            self._reporter.log("info", "the models have the weights that did best on the validation split")
        return LoopResult(steps=step, seconds=time.monotonic() - started, stopped_early=stopped and step < total)

    def _report(self, step: int, values: dict[str, float]) -> None:
        self._history.add(step, values)
        self._reporter.metrics(step, values)
        self._reporter.progress(step, self._spec.hyperparameters.steps, "steps", "training")

    def _validate(self) -> dict[str, float]:
        if not self._pipeline.info.splits.get("validation"):
            return {}
        measured = self._trainer.measure(self._pipeline.batches("validation"))
        return {f"validation/{name}": value for name, value in measured.items()}

    def _show_graph(self) -> None:
        graph = trimmed(self._trainer.graph(self._pipeline.batches(watched_split(self._pipeline)).element_spec))
        if graph is None:
            self._reporter.log("warning", "the graph of the joint training is too large to be shown")
        else:
            self._history.add_graph(graph)

    def _save(self) -> None:
        self._manager.save(checkpoint_number=int(self._step))

    def _refuse_loss(self, step: int) -> None:
        kept = self._manager.latest_checkpoint
        kept_text = f" The checkpoint of step {kept.rsplit('-', 1)[1]} is kept." if kept else ""
        hyper = self._spec.hyperparameters
        message = (
            f"the loss became infinite or not a number at step {step}. Received: {hyper.learning_rate:g} with "
            f"{hyper.optimizer}. Accepted: usually a lower learning rate, 0.01 or less"
        )
        raise RefusedError(
            "loss_not_finite",
            f"Training stopped: {message}.{kept_text}",
            [{"field": "hyperparameters.learning_rate", "message": message}],
        )
