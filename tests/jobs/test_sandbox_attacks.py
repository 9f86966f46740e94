"""Code that has taken over the engine's process, at each level of the sandbox: every attack ends its own job alone."""

from __future__ import annotations

import pytest

from apps.jobs.models import Job
from apps.jobs.sandbox.levels import Level
from apps.jobs.worker import run_job
from tests.jobs.conftest import RESULT
from tests.jobs.hostile.corpus import ATTACKS, Attack
from tests.jobs.hostile.levels import LEVELS, demand
from tests.jobs.hostile.world import World, world

pytestmark = [pytest.mark.django_db, pytest.mark.sandbox]


@pytest.fixture(params=LEVELS)
def level(request, settings, scripted) -> Level:
    demand(settings, request.param)
    found: Level = request.param
    return found


@pytest.fixture
def around(access, level):
    with world(access) as found:
        yield found


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if not attack.needs_tensorflow], ids=lambda a: a.name)
def test_an_attack_ends_its_job_and_touches_nothing_else(around: World, attack: Attack, make_job, story):
    job = around.attack(attack)
    assert (job.state, job.attempts) == (Job.State.FAILED, 1), story(job)[-8:]
    assert job.error_code in attack.codes, job.error_message
    around.check(job)
    normal = make_job(RESULT)
    run_job(str(normal.pk))
    normal.refresh_from_db()
    assert (normal.state, normal.result) == (Job.State.SUCCEEDED, {"answer": 42})


@pytest.mark.engine
@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack.needs_tensorflow], ids=lambda a: a.name)
def test_a_model_that_runs_code_reaches_nothing(around: World, attack: Attack, story):
    job = around.attack(attack)
    assert (job.state, job.attempts) == (Job.State.FAILED, 1), story(job)[-8:]
    assert job.error_code in attack.codes, job.error_message
    around.check(job)
