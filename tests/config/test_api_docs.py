from __future__ import annotations

import pytest
from django.core.management import call_command
from django.test import Client
from drf_spectacular.generators import SchemaGenerator


@pytest.mark.django_db
def test_docs_can_be_read():
    assert Client().get("/api/docs/").status_code == 200


def test_operations_stand_in_the_group_of_their_resource_and_say_what_they_do(settings):
    schema = SchemaGenerator().get_schema(request=None, public=True)
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }
    undescribed = [name for name, said in operations.items() if not said.get("summary")]
    assert undescribed == []
    assert max(len(operation["summary"]) for operation in operations.values()) <= 100
    used = {tag for operation in operations.values() for tag in operation["tags"]}
    assert used == {tag["name"] for tag in settings.SPECTACULAR_SETTINGS["TAGS"]}
    for name, group in {
        "GET /api/v1/organizations": "Organizations",
        "POST /api/v1/organizations/{organization}/projects": "Projects and keys",
        "GET /api/v1/organizations/{organization}/members/{member}": "Organizations",
        "GET /api/v1/projects/{project}": "Projects and keys",
        "GET /api/v1/projects/{project}/datasets/{dataset}/versions": "Datasets",
        "GET /api/v1/projects/{project}/artifacts/{artifact}/file": "Models",
        "GET /api/device/v1/manifest": "Device API",
    }.items():
        assert operations[name]["tags"] == [group], name


def test_the_reader_says_its_language():
    assert b'<html lang="en">' in Client().get("/api/docs/").content


def test_schema_describes_every_endpoint_without_a_warning(tmp_path):
    target = tmp_path / "schema.yaml"
    call_command("spectacular", "--fail-on-warn", "--validate", "--file", str(target))
    schema = target.read_text()
    for path in ("/api/v1/projects/{project}/datasets", "/api/device/v1/manifest", "/api/device/v1/events"):
        assert path in schema
