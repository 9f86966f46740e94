"""One mirror and one certificate bundle, named once, serve pip, uv and npm."""

from __future__ import annotations

from pathlib import Path

from setup.environment import package_environment

BIN = Path("/project/.venv/bin")


def test_the_virtual_environment_comes_first_on_the_path():
    assert package_environment({"PATH": "/usr/bin"}, BIN)["PATH"] == "/project/.venv/bin:/usr/bin"


def test_another_active_environment_does_not_leak_in():
    environment = package_environment({"VIRTUAL_ENV": "/other", "PYTHONPATH": "/other"}, BIN)
    assert "VIRTUAL_ENV" not in environment
    assert "PYTHONPATH" not in environment


def test_a_certificate_bundle_reaches_all_three():
    environment = package_environment({"SSL_CERT_FILE": "/ca.pem", "NODE_EXTRA_CA_CERTS": "/node.pem"}, BIN)
    assert environment["PIP_CERT"] == "/ca.pem"
    assert environment["NODE_EXTRA_CA_CERTS"] == "/node.pem"


def test_an_index_named_to_pip_reaches_uv_and_the_other_way_round():
    assert package_environment({"PIP_INDEX_URL": "https://a.example"}, BIN)["UV_DEFAULT_INDEX"] == "https://a.example"
    assert package_environment({"UV_INDEX_URL": "https://b.example"}, BIN)["PIP_INDEX_URL"] == "https://b.example"


def test_what_was_said_to_each_stays():
    given = {"PIP_INDEX_URL": "https://a.example", "UV_DEFAULT_INDEX": "https://b.example"}
    environment = package_environment(given, BIN)
    assert {name: environment[name] for name in given} == given
