"""The files that a spec names: found in the project, or refused beside their fields."""

from __future__ import annotations

from typing import Any

import pytest

from apps.errors import Refused
from apps.models.models import Artifact, ModelVersion, RegisteredModel
from apps.projects.models import Project
from apps.training.named_files import files_of
from apps.training.presets import defaults_for
from apps.training.spec_text import read_spec
from tests.training.test_presets import version_of

ABSENT = "01a2090c-d0bd-7403-845c-7bc31839f895"  # the same in every process that collects the tests


@pytest.fixture
def version(project):
    found = version_of([32, 32, 3], 1000)
    found.project = project
    return found


@pytest.fixture
def spec(version) -> dict:
    return defaults_for(version)


def refused(spec: dict, version) -> dict[str, str]:
    with pytest.raises(Refused) as caught:
        files_of(read_spec(spec, version), version)
    assert caught.value.code == "unknown_file"
    return {detail["field"]: detail["message"] for detail in caught.value.details}


def test_spec_without_files_asks_nothing(version, spec, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert files_of(read_spec(spec, version), version) == []


NAMING: dict[str, tuple[str, dict[str, Any]]] = {
    "trainer.load_checkpoint": ("files/c.zip", {"trainer": {"load_checkpoint": "files/c.zip"}}),
    "trainer.params.path": (
        "files/m.keras",
        {"trainer": {"model_type": "saved_model", "params": {"path": "files/m.keras"}}},
    ),
    "trainer.params.weights": (
        "files/w.h5",
        {"trainer": {"model_type": "mobilenet", "params": {"weights": "files/w.h5"}}},
    ),
    "trainer.params.base_params.weights": (
        "files/w.h5",
        {"trainer": {"model_type": "transfer", "params": {"base_params": {"weights": "files/w.h5"}}}},
    ),
    "trainer.params.base_params.path": (
        "files/m.zip",
        {"trainer": {"model_type": "transfer", "params": {"base": "uploaded", "base_params": {"path": "files/m.zip"}}}},
    ),
    "trainer.params.branches.image.params.weights": (
        "files/w.h5",
        {
            "trainer": {
                "model_type": "multimodal",
                "params": {"branches": {"image": {"model_type": "mobilenet", "params": {"weights": "files/w.h5"}}}},
            }
        },
    ),
    "budget.device_profile": ("files/p.json", {"budget": {"max_latency_ms": 1.0, "device_profile": "files/p.json"}}),
}


@pytest.mark.parametrize("field", NAMING)
def test_every_field_that_names_a_file_is_found(field, version, spec, make_file, django_assert_num_queries):
    path, change = NAMING[field]
    for name, part in change.items():
        spec[name] = {"id": "trainer", "model_type": "cnn", **part} if name == "trainer" else part
    assert list(refused(spec, version)) == [field]
    file = make_file(path.removeprefix("files/"))
    with django_assert_num_queries(1):
        named = files_of(read_spec(spec, version), version)
    assert [(one.path, one.file, one.sha256) for one in named] == [(path, file, file.sha256)]


def test_what_is_accepted_is_named(version, spec, make_file):
    spec["budget"] = {"max_latency_ms": 1.0, "device_profile": "phone.json"}
    message = refused(spec, version)["budget.device_profile"]
    assert "Received: 'phone.json'. Accepted: files/<name>" in message
    assert "none ends in .json" in message
    for number in range(7):
        make_file(f"phone-{number}.json")
    make_file("weights.h5")
    message = refused(spec, version)["budget.device_profile"]
    assert (
        "(files/phone-6.json, files/phone-5.json, files/phone-4.json, files/phone-3.json, files/phone-2.json, …)"
        in (message)
    )


def test_weights_that_would_be_downloaded_are_refused(version, spec):
    spec["trainer"] = {"id": "t", "model_type": "mobilenet", "params": {"weights": "imagenet"}}
    message = refused(spec, version)["trainer.params.weights"]
    assert "a run has no network" in message
    assert "none ends in .h5 or .keras" in message


def test_files_that_several_fields_name_cost_no_more_queries(version, spec, make_file, django_assert_num_queries):
    for number in range(4):
        make_file(f"{number}.zip")
    spec["students"] = [
        {"id": f"s{number}", "model_type": "cnn", "load_checkpoint": f"files/{number % 4}.zip"} for number in range(8)
    ]
    with django_assert_num_queries(1):
        assert len(files_of(read_spec(spec, version), version)) == 4


def test_file_of_another_project_is_unknown(version, spec, organization, make_file):
    other = Project.across_tenants.create(organization=organization, name="Other", slug="other")
    make_file("c.zip", project=other)
    spec["trainer"]["load_checkpoint"] = "files/c.zip"
    message = refused(spec, version)["trainer.load_checkpoint"]
    assert "files/c.zip" not in message.partition("Accepted")[2]


class TestCheckpoints:
    @pytest.fixture
    def checkpoint(self, project) -> Artifact:
        model = RegisteredModel.across_tenants.create(project=project, name="Digits", slug="digits")
        made = ModelVersion.across_tenants.create(project=project, model=model, number=1, origin="trained")
        return Artifact.across_tenants.create(
            project=project,
            version=made,
            kind=Artifact.Kind.CHECKPOINT,
            filename="checkpoint.zip",
            storage_key="key",
            bytes=1,
            sha256="0" * 64,
        )

    def test_version_of_the_project_can_be_started_from(self, version, spec, checkpoint):
        path = f"versions/{checkpoint.version_id}.zip"
        spec["trainer"].update(load_checkpoint=path, freeze_model_from_checkpoint=True)
        [named] = files_of(read_spec(spec, version), version)
        assert (named.path, named.storage_key, named.file) == (path, "key", None)

    @pytest.mark.parametrize("path", ["checkpoint.zip", f"versions/{ABSENT}.zip", "versions/" + "-" * 36 + ".zip"])
    def test_any_other_path_is_refused_beside_its_field(self, version, spec, checkpoint, path):
        spec["students"][1]["load_checkpoint"] = path
        found = refused(spec, version)
        assert list(found) == ["students[1].load_checkpoint"]
        assert "or versions/<id>.zip with the id of a model version" in found["students[1].load_checkpoint"]

    def test_version_of_another_project_is_refused_like_an_unknown_one(self, version, spec, organization, checkpoint):
        version.project = Project.across_tenants.create(organization=organization, name="Other", slug="other")
        spec["trainer"]["load_checkpoint"] = f"versions/{checkpoint.version_id}.zip"
        assert list(refused(spec, version)) == ["trainer.load_checkpoint"]
