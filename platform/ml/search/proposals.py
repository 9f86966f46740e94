"""A spec that has a budget and no students becomes one that has, as files that a person can read and edit."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras

from ml.data.dataset import DatasetInfo, split_path
from ml.data.measuring import measure
from ml.data.pipeline import Pipeline
from ml.files import sha256_of, write_json
from ml.profiling.device_profile import profile_of
from ml.refusal import RefusedError
from ml.reporting import Reporter
from ml.search.conditions import SPEC_NAME, check_proposable
from ml.search.exporting import Exporter
from ml.search.proposing import Proposal, Proposer
from ml.search.settings import SearchSettings
from ml.search.written_spec import write_spec
from ml.specs import TrainingSpec
from ml.training.networks import build_networks
from ml.training.run import objective_of


def propose(
    spec: TrainingSpec, *, spec_folder: Path, dataset: Path, out: Path, work: Path, reporter: Reporter
) -> tuple[TrainingSpec, dict[str, Any]]:
    """The spec with students, and what `result.json` says about them; writes `spec.yaml` into `out`.

    The same folder `work` again gives the same answer without a search. Raises RefusedError `work_of_another_run`, and
    what `check_proposable`, `Proposer.propose` and `build_networks` (for the trainer) raise.
    """
    info = DatasetInfo.read(dataset)
    check_proposable(spec, info, spec_folder=spec_folder)
    kept = work / "proposal" / "proposal.json"
    identity = _identity(spec, dataset, spec_folder)
    if kept.is_file():
        known = json.loads(kept.read_text(encoding="utf-8"))
        if known["identity"] != identity:
            raise RefusedError(
                "work_of_another_run",
                f"The work folder {work} holds the proposal for another spec or dataset. "
                "Accepted: an empty folder, or the same spec, dataset and device profile.",
            )
        reporter.log("info", "taking the students that were proposed before")
    else:
        proposal = _proposal(spec, info, spec_folder=spec_folder, dataset=dataset, work=work, reporter=reporter)
        known = {"identity": identity, "result": _result(proposal)}
        known["students"] = [student.model_dump(mode="json") for student in proposal.students]
        write_json(kept, known)
        shutil.rmtree(kept.parent / "exported")
    proposed = TrainingSpec.parse({**spec.model_dump(mode="json"), "students": known["students"]})
    write_spec(proposed, out)
    return proposed, known["result"]


def _proposal(
    spec: TrainingSpec, info: DatasetInfo, *, spec_folder: Path, dataset: Path, work: Path, reporter: Reporter
) -> Proposal:
    tf_keras.utils.set_random_seed(spec.hyperparameters.seed + 1)  # never 0, as in a training run
    tf.config.experimental.enable_op_determinism()
    profile = profile_of(spec.budget, spec_folder)
    pipeline = Pipeline(dataset, info)
    measured = measure(pipeline)
    objective = objective_of(spec, measured)
    # A trainer that can't be built is refused before the search, and not minutes later.
    build_networks(spec, measured.statistics, spec_folder=spec_folder)
    folder = work / "proposal" / "exported"
    exporter = Exporter(spec, measured.statistics, objective, info.classes, spec_folder=spec_folder, work=folder)
    proposer = Proposer(
        spec,
        pipeline,
        measured,
        objective,
        exporter,
        profile=profile,
        settings=SearchSettings.of(spec.hyperparameters),
        spec_folder=spec_folder,
        reporter=reporter,
    )
    return proposer.propose()


def _identity(spec: TrainingSpec, dataset: Path, spec_folder: Path) -> dict[str, str]:
    profile = profile_of(spec.budget, spec_folder)
    return {
        "spec": hashlib.sha256(spec.model_dump_json().encode()).hexdigest(),
        "dataset": sha256_of(dataset / "dataset.json"),
        "examples": sha256_of(split_path(dataset, "train")),
        "profile": "" if profile is None else profile.model_dump_json(),
    }


def _result(proposal: Proposal) -> dict[str, Any]:
    return {
        "spec": SPEC_NAME,
        "students": [student.id for student in proposal.students],
        "metric": proposal.metric,
        "candidates": proposal.table,
    }
