"""The train job: spec and dataset in; model versions with their files, figures and lineage out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction
from django.urls import reverse

from apps.datasets.models import DatasetVersion
from apps.errors import Detail, Refused
from apps.jobs.events import NewEvent, append
from apps.jobs.handlers import Folder, Link
from apps.jobs.models import Job, JobEvent
from apps.models.files import StoredFile, trained_files_prefix
from apps.models.models import Artifact
from apps.models.services import TrainedFiles, add_trained_version
from apps.projects.access import Access
from apps.projects.storage import storage
from apps.training.models import TrainedModel, TrainingRun
from apps.training.named_files import NamedFile, files_of
from apps.training.proposals import Found, found_in
from apps.training.tensorboard import archives
from apps.training.tensorboard.archives import Archive
from ml.specs import TrainingSpec

# What the engine reads of a dataset; the samples and the index are for people.
DATASET_SUFFIXES = (".tfrecord", "dataset.json")
# What the engine says of a model besides its metrics; only students agree with a trainer, where there is one.
MEASUREMENTS = ("latency_ms", "parity", "cost", "agreement")


@dataclass
class Stored:
    """What one run of the job has put into the storage: below `prefix`, the files of each model by its id.

    `found`: what it has proposed, where the spec left the students to a search. `logs`: what TensorBoard reads;
    `warning` says why there are none.
    """

    prefix: str
    files: dict[str, list[StoredFile]]
    found: Found | None
    logs: Archive | None = None
    warning: str = ""

    def keep_logs(self, folder: Folder) -> None:
        try:
            self.logs = archives.store(folder, self.prefix)
        except archives.TooLargeError as error:
            self.warning = str(error)


class TrainHandler:
    def prepare(self, job: Job, folder: Folder) -> list[str]:
        run = _run_of(job)
        spec = TrainingSpec.parse(run.spec)
        spec_file = folder.in_ / "spec.json"
        spec_file.write_text(spec.model_dump_json(indent=1))
        for named in files_of(spec, run.dataset_version):
            _fetch(named, folder.in_)
        dataset = folder.in_ / "dataset"
        _fetch_dataset(run.dataset_version, dataset)
        return [
            "train",
            *("--spec", str(spec_file), "--dataset", str(dataset)),
            *("--out", str(folder.out), "--work", str(folder.work)),
        ]

    def store(self, job: Job, folder: Folder, result: dict[str, Any]) -> Stored:
        """Each model's files by the id of the model. The hashes are computed here: nothing is taken on trust."""
        for token in range(1, job.fencing_token):  # what an earlier run left that died before it was accepted
            storage().discard_tree(trained_files_prefix(job, token))
        found = found_in(folder.out, TrainingSpec.parse(_run_of(job).spec))
        stored = Stored(trained_files_prefix(job, job.fencing_token), {}, found)
        try:
            stored.keep_logs(folder)
            for model in result["models"]:
                files = [_store(stored.prefix, folder.out, listed) for listed in model["files"]]
                stored.files[model["id"]] = files
        except BaseException:
            self.discard(job, stored)
            raise
        return stored

    def accept(self, job: Job, result: dict[str, Any], stored: Stored) -> dict[str, Any]:
        run = _run_of(job)
        made = []
        # One after the other: a run has a dozen models at most, once, after minutes of training, and so the quota, the
        # numbering and the check of a version are written in one place for all origins of versions.
        for model in result["models"]:
            version = add_trained_version(
                model=run.model,
                job=job,
                dataset_version=run.dataset_version,
                trained=TrainedFiles(
                    label=model["id"],
                    model_type=model["model_type"],
                    parameters=model["parameters"],
                    metrics=model["metrics"],
                    measurements={name: model[name] for name in MEASUREMENTS if name in model},
                    files=stored.files[model["id"]],
                ),
            )
            TrainedModel.across_tenants.create(
                project=run.project, run=run, role=model["role"], spec_id=model["id"], version=version
            )
            made.append({"id": model["id"], "role": model["role"], "version": str(version.pk)})
        if stored.found is not None:
            run.proposal, run.found_yaml = stored.found.proposal.model_dump(mode="json"), stored.found.yaml
            run.save(update_fields=["proposal", "found_yaml"])
        if stored.warning:
            append(job, [NewEvent(JobEvent.Kind.LOG, {"level": "warning", "message": stored.warning})])
        told = ("best_student", "steps", "stopped_early", "seconds")
        about_logs = {archives.FOLDER: archives.noted(stored.logs)}
        return {"models": made, **{name: result.get(name) for name in told}, **about_logs}

    def discard(self, job: Job, stored: Stored) -> None:
        storage().discard_tree(stored.prefix)  # the job may have a newer run by now, whose files stay

    def fail(self, job: Job, code: str, message: str, details: list[Detail]) -> None:
        """A run's state and error are its job's; what runs that died have left is deleted."""
        prefixes = [trained_files_prefix(job, token) for token in range(1, job.fencing_token + 1)]
        transaction.on_commit(lambda: [storage().discard_tree(prefix) for prefix in prefixes], robust=True)


def link_to_run(job: Job, access: Access) -> Link | None:
    run = access.query(TrainingRun).filter(job=job).first()
    if run is None:
        return None
    return Link("The training run", reverse("run", args=[access.organization.slug, access.project.slug, run.pk]))


def _run_of(job: Job) -> TrainingRun:
    runs = TrainingRun.across_tenants.select_related("project__organization", "dataset_version__dataset", "model")
    run: TrainingRun = runs.get(job=job)
    return run


def _fetch_dataset(version: DatasetVersion, folder: Path) -> None:
    """The splits and dataset.json, as the import wrote them. Raises Refused for one that has changed since."""
    for file in version.files:
        if file["path"].endswith(DATASET_SUFFIXES):
            key = f"{version.storage_prefix}/{file['path']}"
            sha256 = storage().fetch_to(key, folder / file["path"])
            if sha256 != file["sha256"]:
                raise Refused(
                    "hash_mismatch",
                    f"The file {file['path']} of {version} has changed in the storage since its import: its SHA-256 is "
                    f"{sha256}; {file['sha256']} was recorded. Import the data again.",
                )


def _fetch(named: NamedFile, folder: Path) -> None:
    """A file that the spec names, to where it names it. Raises Refused for one that has changed since."""
    sha256 = storage().fetch_to(named.storage_key, folder / named.path)
    if sha256 != named.sha256:
        message = (
            f"The file {named.path} has changed in the storage since it was kept: its SHA-256 is {sha256}; "
            f"{named.sha256} was recorded. Upload it again."
        )
        raise Refused("hash_mismatch", message)


def _store(prefix: str, out: Path, listed: dict[str, Any]) -> StoredFile:
    source = (out / listed["path"]).resolve()
    if not source.is_relative_to(out.resolve()):
        raise ValueError(f"The engine named a file outside of its output: {listed['path']!r}.")
    with source.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 != listed["sha256"]:
        raise ValueError(f"{listed['path']} is not what the engine wrote: SHA-256 {sha256}, not {listed['sha256']}.")
    key = f"{prefix}/{listed['path']}"
    storage().save_from(source, key)
    return StoredFile(Artifact.Kind(listed["kind"]), source.name, key, source.stat().st_size, sha256)
