"""Ids that a request carries in its body: those of another tenant are no more there than those nobody ever made.

The address is one's own and so is every other id of the body, so only the foreign one can be the reason of the refusal;
the same body with one's own row in its place is accepted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import transaction
from django.test import Client
from django.test.client import MULTIPART_CONTENT
from django.utils import timezone

from apps.accounts.models import Role
from apps.delivery.services import publish
from apps.models.models import ModelVersion, RegisteredModel
from apps.projects.access import enter_project
from apps.training.models import SpecFile
from tests.access.lines import LINES
from tests.access.urls import BY_NAME, url_of
from tests.access.world import SPEC, World

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Body:
    """`ids`: field → key in `World.rows`, to be replaced by the other tenant's, one at a time; `plain`: the rest."""

    name: str
    ids: dict[str, str]
    plain: dict[str, Any] = field(default_factory=dict)


RUN = {"dataset_version": "dataset_version", "model": "model"}
BODIES = [
    Body("model-version-upload", {"upload": "sent_model"}),
    Body("run-create", RUN, {"spec": json.dumps(SPEC)}),
    Body("run-spec", {"dataset_version": "dataset_version"}, {"source": "yaml", "spec": json.dumps(SPEC)}),
    Body("schedule-create", {"run": "run"}, {"data": "newest", "every": "hour", "at": "06:00", "zone": "UTC"}),
    Body("file-list", {"upload": "sent_file"}),
    Body("deployment-create", {"version": "version"}),
    Body("deployment", {"version": "version"}),
    Body("api-dataset-version-list", {"upload": "sent_archive"}),
    Body("api-model-version-list", {"upload": "sent_model"}),
    Body("api-run-list", RUN, {"spec": SPEC}),
    Body("api-file-list", {"upload": "sent_file"}),
    Body("api-deployment-list", {"model": "model", "version": "version"}),
    Body("api-rollback", {"revision": "revision"}),
]
CASES = [pytest.param(body, name, id=f"{body.name}-{name}") for body in BODIES for name in body.ids]


@pytest.fixture(scope="module", autouse=True)
def _second_revisions(worlds: tuple[World, World]) -> None:
    """Devices of both tenants get a newer version by now: the first one can be published again and rolled back to."""
    for world in worlds:
        version = ModelVersion.across_tenants.get(pk=world.rows["version"])
        file = version.artifacts.get()
        version.pk, version.number, version.upload, version.check_job = None, 2, None, None
        version._state.adding = True
        RegisteredModel.across_tenants.filter(pk=version.model_id).update(last_number=2)
        version.save()
        file.pk, file.version, file.storage_key = None, version, f"access/{version.pk}.tflite"
        file._state.adding = True
        file.save()
        access = enter_project(world.people[Role.OWNER], id=world.project.pk)
        publish(access=access, model=version.model, version=version)


def rows_in_the_database() -> dict[str, int]:
    counted = [model for model in apps.get_models() if model._meta.managed]
    return {model._meta.label: model._base_manager.count() for model in counted}


def post(body: Body, world: World, instead: dict[str, Any]) -> tuple[Any, dict[str, int]]:
    """The owner's answer and how many rows of each kind the request has made. What it changed is taken back."""
    line = next(line for line in LINES if (line.name, line.method) == (body.name, "POST"))
    data = body.plain | {name: str(world.rows[row]) for name, row in body.ids.items()} | instead
    client = Client()
    with transaction.atomic():
        client.force_login(world.people[Role.OWNER])
        before = rows_in_the_database()
        content_type = "application/json" if BY_NAME[body.name].is_api else MULTIPART_CONTENT
        response = client.post(url_of(line, world), data, content_type)
        after = rows_in_the_database()
        transaction.set_rollback(True)
    return response, {label: count - before[label] for label, count in after.items() if count != before[label]}


@pytest.mark.parametrize(("body", "name"), CASES)
def test_another_tenants_id_in_a_body_is_refused_like_an_unknown_one_and_makes_nothing(
    body: Body, name: str, worlds: tuple[World, World]
):
    ours, theirs = worlds
    foreign, made = post(body, ours, {name: str(theirs.rows[body.ids[name]])})
    assert (foreign.status_code, made) in [(400, {}), (404, {})], foreign.content[:500]
    unknown, made = post(body, ours, {name: str(uuid4())})
    assert (unknown.status_code, made) == (foreign.status_code, {}), unknown.content[:500]
    if BY_NAME[body.name].is_api:
        assert foreign.json()["error"]["code"] == unknown.json()["error"]["code"]


@pytest.mark.parametrize("body", [pytest.param(body, id=body.name) for body in BODIES])
def test_the_same_body_with_ones_own_rows_is_accepted(body: Body, worlds: tuple[World, World]):
    ours, _ = worlds
    response, made = post(body, ours, {})
    assert response.status_code in {200, 201, 202, 302}, response.content[:500]
    assert made or body.name == "run-spec"  # which only checks and draws


def test_a_checkpoint_of_another_tenants_version_is_unknown(worlds: tuple[World, World]):
    ours, theirs = worlds
    run = next(body for body in BODIES if body.name == "api-run-list")
    student = {**SPEC["students"][0], "load_checkpoint": f"versions/{theirs.rows['version']}.zip"}
    response, made = post(run, ours, {"spec": {**SPEC, "students": [student]}})
    assert (response.status_code, made) == (400, {})
    assert response.json()["error"]["code"] == "unknown_file"


def test_a_file_of_another_tenant_is_unknown(worlds: tuple[World, World]):
    ours, theirs = worlds
    SpecFile.across_tenants.filter(pk=theirs.rows["file"]).update(name="theirs.json")
    run = next(body for body in BODIES if body.name == "api-run-list")
    for name, made in (("phone.json", True), ("theirs.json", False)):
        budget = {"max_latency_ms": 1.0, "device_profile": f"files/{name}"}
        response, rows = post(run, ours, {"spec": {**SPEC, "budget": budget}})
        assert (response.status_code, bool(rows)) == ((201, True) if made else (400, False)), response.content
    assert response.json()["error"]["code"] == "unknown_file"


def test_an_event_about_another_tenants_version_is_rejected(worlds: tuple[World, World]):
    ours, theirs = worlds
    url = "/api/device/v1/events"
    for world, rejected in ((ours, 0), (theirs, 1)):
        event = {
            "id": str(uuid4()),
            "type": "loaded",
            "model": "digits",
            "version": str(world.rows["version"]),
            "occurred_at": timezone.now().isoformat(),
            "data": {},
        }
        with transaction.atomic():
            response = Client(headers={"authorization": f"Bearer {ours.keys['device']}"}).post(
                url, {"installation": str(uuid4()), "events": [event]}, content_type="application/json"
            )
            transaction.set_rollback(True)
        assert response.status_code == 202, response.content
        assert (response.json()["accepted"], len(response.json()["rejected"])) == (1 - rejected, rejected)
