"""Storages of both kinds, empty. The object store is spoken to over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

from apps.projects.storage import storage
from config.files import storage_from_url


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """The STORAGE_URL of an empty bucket."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="bantam")
    client.close()
    yield f"s3://test:test@{host}:{port}/bantam?secure=false"
    server.stop()


@pytest.fixture
def local(settings, tmp_path) -> str:
    """The platform keeps its files on this machine."""
    settings.STORAGES = {**settings.STORAGES, "default": storage_from_url("", tmp_path).backend}
    return "local"


@pytest.fixture
def s3(object_store, settings, tmp_path) -> Iterator[str]:
    """The platform keeps its files in the object store."""
    settings.STORAGES = {**settings.STORAGES, "default": storage_from_url(object_store, tmp_path).backend}
    yield "s3"
    storage().discard_tree("projects")
    storage().connection.meta.client.close()


@pytest.fixture(params=["local", "s3"])
def files(request) -> str:
    """Which storage the platform uses in this test: each in turn."""
    name: str = request.getfixturevalue(request.param)
    return name
