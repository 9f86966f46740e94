"""Hostile files through the engine's own doors, in the sandbox: each is refused with a code that says what it is."""

from __future__ import annotations

import pytest

from apps.jobs.models import Job
from tests.jobs.hostile.corpus import FILES, HostileFile
from tests.jobs.hostile.levels import LEVELS, demand
from tests.jobs.hostile.world import World, train_folder, world

pytestmark = [pytest.mark.django_db, pytest.mark.sandbox, pytest.mark.engine]


@pytest.fixture
def around(access, scripted, tmp_path):
    with world(access) as found:
        yield found


def check(around: World, file: HostileFile, story, **more: str) -> None:
    job = around.open(file, **more)
    if file.is_report:
        assert job.state == Job.State.SUCCEEDED, story(job)[-8:]
        assert job.result["ok"] is False
        assert {problem["code"] for problem in job.result["problems"]} <= file.codes
    else:
        assert (job.state, job.attempts) == (Job.State.FAILED, 1), story(job)[-8:]
        assert job.error_code in file.codes, job.error_message
    around.check(job)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("file", [file for file in FILES if not file.needs_tensorflow], ids=lambda file: file.name)
def test_a_hostile_file_is_refused(around, settings, level, file, story):
    demand(settings, level)
    check(around, file, story)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("file", [file for file in FILES if file.needs_tensorflow], ids=lambda file: file.name)
def test_a_hostile_model_is_refused(around, settings, level, file, story, tmp_path):
    demand(settings, level)
    check(around, file, story, **train_folder(tmp_path, file.name))
