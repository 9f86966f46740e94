from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from apps.delivery.installations import installation_of
from apps.delivery.installed import Step, advance, note_steps
from apps.delivery.models import InstalledModel
from tests.delivery.rows import make_model, make_version

State = InstalledModel.State
NOW = timezone.now()
ONE, OTHER = UUID(int=1), UUID(int=2)


def step(state: InstalledModel.State, *, version: UUID = ONE, seconds: int = 1) -> Step:
    return Step(UUID(int=7), version, state, NOW + timedelta(seconds=seconds))


def installed(state: InstalledModel.State) -> InstalledModel:
    return InstalledModel(version_id=ONE, state=state, updated_at=NOW)


@pytest.mark.parametrize(
    ("state", "reported", "becomes"),
    [
        (State.ASSIGNED, State.DOWNLOADED, State.DOWNLOADED),
        (State.DOWNLOADED, State.LOADED, State.LOADED),
        (State.INFERRED, State.LOADED, State.INFERRED),  # the application was started again
        (State.INFERRED, State.ASSIGNED, State.INFERRED),
        (State.LOADED, State.FAILED, State.FAILED),
        (State.FAILED, State.DOWNLOADED, State.DOWNLOADED),  # the next try works
    ],
)
def test_states_go_forward_within_a_version(state, reported, becomes):
    row = installed(state)
    advance(row, step(reported))
    assert (row.version_id, row.state) == (ONE, becomes)


def test_another_version_starts_afresh():
    row = installed(State.INFERRED)
    assert advance(row, step(State.ASSIGNED, version=OTHER))
    assert (row.version_id, row.state) == (OTHER, State.ASSIGNED)


def test_an_older_report_changes_nothing():
    row = installed(State.LOADED)
    assert not advance(row, step(State.INFERRED, version=OTHER, seconds=-1))
    assert (row.version_id, row.state, row.updated_at) == (ONE, State.LOADED, NOW)


def test_the_same_report_again_changes_nothing():
    row = installed(State.LOADED)
    assert not advance(row, step(State.LOADED, seconds=0))


def test_a_batch_in_any_order_leaves_the_newest(project, model, version):
    device = installation_of(project, uuid4())
    second = make_version(model)
    states = [
        Step(model.pk, second.pk, State.DOWNLOADED, NOW + timedelta(seconds=4)),
        Step(model.pk, version.pk, State.INFERRED, NOW + timedelta(seconds=3)),
        Step(model.pk, version.pk, State.ASSIGNED, NOW + timedelta(seconds=1)),
    ]
    note_steps(device, states)
    row = device.models.get()
    assert (row.version, row.state, row.updated_at) == (second, State.DOWNLOADED, NOW + timedelta(seconds=4))


def test_a_batch_costs_a_query_for_each_kind_of_write(project, model, version, django_assert_num_queries):
    device = installation_of(project, uuid4())
    other = make_version(make_model(project, "sounds"))
    with django_assert_num_queries(2):  # look, insert both
        note_steps(device, [Step(item.model_id, item.pk, State.ASSIGNED, NOW) for item in (version, other)])
    with django_assert_num_queries(2):  # look, update both
        later = NOW + timedelta(seconds=1)
        note_steps(device, [Step(item.model_id, item.pk, State.LOADED, later) for item in (version, other)])
    with django_assert_num_queries(1):  # nothing newer
        note_steps(device, [Step(version.model_id, version.pk, State.ASSIGNED, NOW)])
    with django_assert_num_queries(0):
        note_steps(device, [])
