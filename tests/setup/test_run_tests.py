"""What `make test` requires, and the services that it finds or starts."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import boto3
import pytest

from setup.failure import SetupError
from setup.run_tests import EMBEDDED, ON_SERVICES, main, required
from setup.services import redis_silence, s3_server, service_urls, unreachable


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_nothing_is_required_unless_it_is_named():
    assert required({}) == set()
    assert required({"REQUIRE": "services, "}) == {"services"}


def test_an_unknown_requirement_is_refused_with_the_known_ones():
    with pytest.raises(SetupError, match=r"accepts services, browser, sandbox, ray\. Received: brwser"):
        required({"REQUIRE": "services,brwser"})


@pytest.mark.parametrize(("name", "package"), [("browser", "chromium"), ("sandbox", "bubblewrap")])
def test_a_required_program_that_is_not_there_is_named_with_its_package(name, package, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("REQUIRE", name)
    assert main([]) == 1
    assert f"apt-get install {package}" in capsys.readouterr().err


def test_every_test_is_part_of_one_of_the_two_runs():
    """What is marked `services` is left out of the first, so the second must not leave it out, browser or not."""
    assert EMBEDDED == ["-m", "not services"]
    chosen = ON_SERVICES[1]
    for marks, runs in (({"services"}, True), ({"services", "browser"}, True), ({"browser"}, False), (set(), True)):
        names = {name: name in marks for name in ("services", "browser", "sandbox", "engine")}
        assert eval(chosen, {}, names) is runs, marks


def test_a_database_that_does_not_answer_is_named(closed_port):
    url = f"postgres://postgres@127.0.0.1:{closed_port}/bantam"
    assert f"PostgreSQL does not answer at {url}" in (unreachable(service_urls({"TEST_DATABASE_URL": url})) or "")


def test_a_redis_that_does_not_answer_is_named(closed_port):
    url = f"redis://127.0.0.1:{closed_port}/1"
    assert f"Redis does not answer at {url}" in (redis_silence(url) or "")


def test_the_s3_server_keeps_what_is_put_and_ends_with_its_context():
    with s3_server() as url:
        parts = urlsplit(url)
        bucket = parts.path.strip("/")
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{parts.hostname}:{parts.port}",
            region_name="us-east-1",
            aws_access_key_id=parts.username,
            aws_secret_access_key=parts.password,
        )
        client.put_object(Bucket=bucket, Key="a/key", Body=b"bytes")
        assert client.get_object(Bucket=bucket, Key="a/key")["Body"].read() == b"bytes"
        client.close()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", parts.port or 0), timeout=5):
        pass
