from __future__ import annotations

import pytest
from django.core.management import call_command
from django.test import Client


@pytest.mark.django_db
def test_docs_can_be_read():
    assert Client().get("/api/docs/").status_code == 200


def test_schema_describes_every_endpoint_without_a_warning(tmp_path):
    target = tmp_path / "schema.yaml"
    call_command("spectacular", "--fail-on-warn", "--validate", "--file", str(target))
    schema = target.read_text()
    for path in ("/api/v1/projects/{project}/datasets", "/api/device/v1/manifest", "/api/device/v1/events"):
        assert path in schema
