"""What a TensorBoard is given to read: archives of finished runs, scalars of the others, nothing that is not theirs."""

from __future__ import annotations

import io
import math
import os
import struct
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from django.core.files.base import ContentFile
from django.db import transaction

from apps.jobs.handlers import Folder
from apps.jobs.models import Job, JobEvent
from apps.models.files import trained_files_prefix
from apps.models.models import RegisteredModel
from apps.projects.models import Project
from apps.projects.storage import storage
from apps.training.handlers import TrainHandler
from apps.training.models import TrainingRun
from apps.training.services import start_run
from apps.training.tensorboard import archives, logs
from apps.training.tensorboard.archives import Archive, TooLargeError
from apps.training.tensorboard.events import crc32c
from apps.training.tensorboard.logs import Laid


@pytest.fixture
def job_folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / "job")
    (folder.out / "tensorboard/projector/small").mkdir(parents=True)
    (folder.out / "tensorboard/events.out.tfevents.1700000000.bantam").write_bytes(b"events" * 100)
    (folder.out / "tensorboard/projector/small/tensors.tsv").write_text("1\t2\n")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """What a TensorBoard reads is `in_`."""
    found = Folder(tmp_path / "board")
    found.in_.mkdir(parents=True)
    return found


@pytest.fixture
def make_run(project, make_dataset_version):
    """`make_run(steps=[…])` → a run whose job has measured these steps; `archive=` of the files of a folder."""
    version = make_dataset_version()
    model = RegisteredModel.across_tenants.create(project=project, name="Digits", slug="digits")

    def make(name: str = "Run", steps: Any = (), archive: Folder | None = None, **about: Any) -> TrainingRun:
        job = Job.across_tenants.create(
            project=project, kind="train", title=name, last_sequence=len(steps) + 1, fencing_token=1, **about
        )
        JobEvent.across_tenants.bulk_create(
            JobEvent(
                project=project, job=job, sequence=index, kind="metrics", data={"step": step, "values": {"a": 0.5}}
            )
            for index, step in enumerate(steps, 1)
        )
        if archive is not None:
            kept = archives.store(archive, trained_files_prefix(job, 1))
            job.result = {"tensorboard": archives.noted(kept)}
            job.save()
        number = TrainingRun.across_tenants.count() + 1
        return TrainingRun.across_tenants.create(
            project=project, number=number, name=name, dataset_version=version, model=model, spec={}, job=job
        )

    return make


def records(file: Path) -> list[bytes]:
    """The events of a file, after their checksums have been looked at."""
    data, found = file.read_bytes(), []
    while data:
        [length] = struct.unpack("<Q", data[:8])
        event, rest = data[12 : 12 + length], data[12 + length :]
        for part, sum_ in ((data[:8], data[8:12]), (event, rest[:4])):
            crc = crc32c(part)
            assert struct.unpack("<I", sum_)[0] == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
        found.append(event)
        data = rest[4:]
    return found


def steps_of(file: Path) -> list[tuple[int, bool]]:
    """The step (below 128) of each event after the first, and whether it says that the run takes up again."""
    return [(event[10], event.endswith(b"\x3a\x02\x08\x01")) for event in records(file)[1:]]


def test_checksum_is_that_of_the_records():
    assert crc32c(b"123456789") == 0xE3069283


def test_a_run_s_files_come_back_as_they_were(job_folder, folder, project):
    archive = archives.store(job_folder, f"projects/{project.pk}/models/job/1")
    assert archive is not None
    assert archive.size == 604
    archives.unpack(archive, folder.in_, folder.root)
    assert (folder.in_ / "events.out.tfevents.1700000000.bantam").read_bytes() == b"events" * 100
    assert (folder.in_ / "projector/small/tensors.tsv").read_text() == "1\t2\n"
    assert [path.name for path in folder.root.iterdir()] == ["in"]


def test_links_and_odd_names_are_not_kept(job_folder, folder, tmp_path):
    top = job_folder.out / "tensorboard"
    (tmp_path / "secret").write_text("secret")
    (top / "link").symlink_to(tmp_path / "secret")
    os.link(tmp_path / "secret", top / "second-name")
    os.mkfifo(top / "pipe")
    for name in (".hidden", "new\nline", "-option", "ü"):
        (top / name).write_text("x")
    deep = top / "a/b/c/d"
    deep.mkdir(parents=True)
    (deep / "e").write_text("x")
    archive = archives.store(job_folder, "projects/a/models/job/1")
    assert archive is not None
    archives.unpack(archive, folder.in_, folder.root)
    found = {path.relative_to(folder.in_).as_posix() for path in folder.in_.rglob("*") if path.is_file()}
    assert found == {"events.out.tfevents.1700000000.bantam", "projector/small/tensors.tsv"}


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../outside"])
def test_an_archive_that_was_exchanged_adds_nothing(name, folder):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    key = storage().save(f"projects/{uuid4()}/models/job/1/tensorboard.tar.gz", ContentFile(packed.getvalue()))
    with pytest.raises(ValueError, match="has changed in the storage"):
        archives.unpack(Archive(key, 1, "0" * 64), folder.in_, folder.root)
    archives.unpack(Archive(key, 1, storage().digest(key)), folder.in_, folder.root)  # nor one that was never ours
    assert [path for path in folder.root.rglob("*") if path != folder.in_] == []


def test_an_archive_with_more_in_it_than_was_recorded_is_refused(job_folder, folder):
    archive = archives.store(job_folder, "projects/b/models/job/1")
    with pytest.raises(ValueError, match="more than was recorded"):
        archives.unpack(Archive(archive.key, archive.size - 1, archive.sha256), folder.in_, folder.root)
    assert list(folder.in_.iterdir()) == []


def test_logs_beyond_the_limit_are_not_kept(job_folder, settings):
    settings.TENSORBOARD_LOG_BYTES = 603
    with pytest.raises(TooLargeError, match=r"2 files of 604 bytes.*603 bytes \(TENSORBOARD_LOG_MB\)"):
        archives.store(job_folder, "projects/c/models/job/1")
    assert archives.store(Folder(job_folder.root / "none"), "projects/c/models/job/1") is None


def test_each_run_gives_what_there_is_of_it(access, make_run, job_folder, folder, django_assert_num_queries):
    make_run("Läuft / noch", steps=[1, 2], state="running")
    make_run("v1.2", steps=[1], archive=job_folder, state="succeeded")
    make_run("Nothing yet", state="queued")
    laid = Laid()
    with django_assert_num_queries(2):
        additions = logs.missing(access, laid)
    logs.add(additions, folder, laid)
    logs.add(additions, folder, laid)  # two people looked at once
    assert sorted(path.name for path in folder.in_.iterdir()) == ["1-L-uft-noch", "2-v1.2"]
    assert steps_of(folder.in_ / "1-L-uft-noch" / logs.SCALARS) == [(1, False), (2, False)]
    assert not (folder.in_ / "2-v1.2" / logs.SCALARS).exists()
    with django_assert_num_queries(1):
        assert logs.missing(access, laid) == []


def test_what_is_measured_again_replaces_what_was_there(access, make_run, folder):
    run = make_run(steps=[10, 20, 30], state="running")
    laid = Laid()
    logs.add(logs.missing(access, laid), folder, laid)
    job = run.job
    for sequence, step in ((4, 20), (5, 30), (6, 40)):
        data = {"step": step, "values": {"a": 0.25}}
        JobEvent.across_tenants.create(project=run.project, job=job, sequence=sequence, kind="metrics", data=data)
    Job.across_tenants.filter(pk=job.pk).update(last_sequence=6)
    laid.after[run.pk] = 3
    logs.add(logs.missing(access, laid), folder, laid)
    assert steps_of(folder.in_ / "1-Run" / logs.SCALARS) == [
        *((10, False), (20, False), (30, False)),
        *((20, True), (20, False), (30, False), (40, False)),
    ]


def test_a_run_that_ends_meanwhile_is_shown_with_all_its_files(access, make_run, job_folder, folder):
    run = make_run(steps=[1], state="running")
    laid = Laid()
    logs.add(logs.missing(access, laid), folder, laid)
    kept = archives.store(job_folder, trained_files_prefix(run.job, 1))
    Job.across_tenants.filter(pk=run.job_id).update(result={"tensorboard": archives.noted(kept)}, state="succeeded")
    logs.add(logs.missing(access, laid), folder, laid)
    top = folder.in_ / "1-Run"
    assert sorted(path.name for path in top.iterdir()) == [
        *(logs.SCALARS, "events.out.tfevents.1700000000.bantam", "projector")
    ]
    assert steps_of(top / logs.SCALARS) == [(1, False), (0, True)]
    assert logs.missing(access, laid) == []


def test_the_run_asked_for_comes_first_and_all_keep_the_limits(access, make_run, job_folder, folder, settings):
    oldest, *_ = (make_run(f"Run {number}", steps=[1], archive=job_folder) for number in range(4))
    settings.TENSORBOARD_RUNS, settings.TENSORBOARD_FOLDER_BYTES = 2, 2 * 604
    laid = Laid()
    additions = logs.missing(access, laid, oldest)
    assert [(one.folder, one.archive is not None) for one in additions] == [
        *(("1-Run-0", True), ("4-Run-3", True), ("3-Run-2", False))
    ]
    logs.add(additions, folder, laid)
    assert laid.bytes == 2 * 604
    assert (folder.in_ / "3-Run-2" / logs.SCALARS).exists()


def test_many_events_come_in_several_steps(access, make_run, folder, monkeypatch):
    make_run("One", steps=[1, 2, 3])
    make_run("Two", steps=[1, 2])
    monkeypatch.setattr(logs, "EVENTS_AT_ONCE", 2)
    laid = Laid()
    for _ in range(4):
        logs.add(logs.missing(access, laid), folder, laid)
    assert [step for step, _ in steps_of(folder.in_ / "1-One" / logs.SCALARS)] == [1, 2, 3]
    assert [step for step, _ in steps_of(folder.in_ / "2-Two" / logs.SCALARS)] == [1, 2]
    assert logs.missing(access, laid) == []


def test_an_archive_that_is_gone_leaves_the_other_runs(access, make_run, job_folder, folder, caplog):
    gone = make_run("Gone", archive=job_folder)
    make_run("Here", steps=[1])
    storage().discard(archives.of(gone.job).key)
    laid = Laid()
    logs.add(logs.missing(access, laid), folder, laid)
    assert (folder.in_ / "2-Here" / logs.SCALARS).exists()
    assert "can't be read" in caplog.text


def test_numbers_that_have_no_room_in_an_event_leave_all_others(access, make_run, folder, caplog):
    run = make_run("Odd", steps=[1, -1, 2**63, 1e30, 2])
    values = {"big": 1e39, "small": -1e39, "fine": 0.5}
    JobEvent.across_tenants.filter(job=run.job, sequence=1).update(data={"step": 1, "values": values})
    make_run("Fine", steps=[1])
    laid = Laid()
    logs.add(logs.missing(access, laid), folder, laid)
    file = folder.in_ / "1-Odd" / logs.SCALARS
    assert steps_of(file) == [(1, False), (2, False)]
    found = [struct.unpack("<f", records(file)[1].partition(tag)[2][1:5])[0] for tag in (b"big", b"small", b"fine")]
    assert found == [math.inf, -math.inf, 0.5]
    assert (folder.in_ / "2-Fine" / logs.SCALARS).exists()
    assert caplog.text == ""


FAILS = ClientError({"Error": {"Code": "SlowDown"}}, "GetObject")


@pytest.mark.parametrize("error", [FAILS, EndpointConnectionError(endpoint_url="http://s3"), OSError("Disk full")])
def test_a_run_that_fails_leaves_the_others_and_is_tried_again_later(
    error, access, make_run, job_folder, folder, monkeypatch, caplog
):
    archived = make_run("Archive", archive=job_folder)
    rows = make_run("Rows", steps=[1])
    make_run("Fine", steps=[1])
    laid, real, now = Laid(), (archives.unpack, logs._append), [1000.0]
    monkeypatch.setattr(logs, "time", SimpleNamespace(monotonic=lambda: now[0], time=time.time))

    def refuse(*where, **more):
        raise error

    monkeypatch.setattr(archives, "unpack", refuse)
    monkeypatch.setattr(logs, "_append", lambda file, data: refuse() if "Rows" in str(file) else real[1](file, data))
    logs.add(logs.missing(access, laid), folder, laid)
    assert (folder.in_ / "3-Fine" / logs.SCALARS).exists()
    assert caplog.text.count("could not be added") == 2
    assert logs.missing(access, laid) == []  # not at each look
    now[0] += logs.RETRY_S + 1
    again = logs.missing(access, laid)
    assert {addition.run for addition in again} == {archived.pk, rows.pk}
    logs.add(again, folder, laid)
    now[0] += logs.RETRY_S + 1
    assert logs.missing(access, laid) == []  # twice as long
    now[0] += logs.RETRY_S
    monkeypatch.setattr(archives, "unpack", real[0])
    monkeypatch.setattr(logs, "_append", real[1])
    logs.add(logs.missing(access, laid), folder, laid)
    assert (folder.in_ / "1-Archive/projector/small/tensors.tsv").exists()
    assert steps_of(folder.in_ / "2-Rows" / logs.SCALARS) == [(1, False)]
    assert (logs.missing(access, laid), laid.failures) == ([], {})


def test_what_could_not_be_fetched_leaves_the_scalars_that_were_there(access, make_run, job_folder, folder):
    run = make_run(steps=[1], state="running")
    laid = Laid()
    logs.add(logs.missing(access, laid), folder, laid)
    kept = archives.store(job_folder, trained_files_prefix(run.job, 1))
    Job.across_tenants.filter(pk=run.job_id).update(result={"tensorboard": archives.noted(kept)}, state="succeeded")
    storage().discard(kept.key)
    logs.add(logs.missing(access, laid), folder, laid)
    assert steps_of(folder.in_ / "1-Run" / logs.SCALARS) == [(1, False)]
    assert logs.missing(access, laid) == []  # it will not come back


@pytest.mark.parametrize("limit", [604, 603])
def test_the_job_keeps_its_logs_or_says_why_not(limit, access, dataset_version, small_spec, job_folder, settings):
    settings.TENSORBOARD_LOG_BYTES = limit
    run = start_run(access=access, dataset_version=dataset_version, spec=small_spec, model_name="Digits")
    job, handler = Job.across_tenants.get(pk=run.job_id), TrainHandler()
    job.fencing_token = 1
    stored = handler.store(job, job_folder, {"models": []})
    with transaction.atomic():
        job.result = handler.accept(job, {"models": []}, stored)
    said = list(JobEvent.across_tenants.filter(job=job, kind="log").values_list("data", flat=True))
    if limit == 604:
        assert archives.of(job).size == 604
        assert said == []
        assert storage().exists(archives.of(job).key)
        handler.discard(job, stored)
        assert not storage().exists(archives.of(job).key)
    else:
        assert archives.of(job) is None
        assert [(one["level"], "were not kept" in one["message"]) for one in said] == [("warning", True)]


def test_other_projects_are_not_seen(access, make_run, stranger):
    make_run(steps=[1])
    other = Project.across_tenants.create(organization=access.organization, name="Other", slug="other")
    elsewhere = type(access)(access.actor, access.organization, access.role, other)
    assert logs.missing(elsewhere, Laid()) == []
