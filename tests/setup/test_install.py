"""What an installation does without a registry, and what makes it happen again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from setup import ROOT
from setup.failure import SetupError
from setup.install import Installation


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the project's lock files and nothing installed."""
    for name in (
        "pyproject.toml",
        "package.json",
        "package-lock.json",
        "requirements/all.txt",
        "requirements/bootstrap.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def no_registry(tmp_path: Path) -> dict[str, str]:
    """An environment whose package index is a loopback port that nobody listens on, with empty caches."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}/simple"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))}
    own = {"UV_INDEX_URL": address, "UV_CACHE_DIR": str(tmp_path / "cache"), "UV_HTTP_RETRIES": "0"}
    return {**environment, **own, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "0"}


def test_without_a_registry_the_first_installation_says_so(project, no_registry):
    with pytest.raises(SetupError, match="package registry could not be reached") as caught:
        Installation(project, no_registry).ensure()
    assert "setup-python-packages.log" in str(caught.value)
    assert not (project / ".venv" / "installed").exists()


def test_without_a_registry_an_update_says_so(project, no_registry):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(project / ".venv")], check=True)
    (project / ".venv" / "bin" / "uv").symlink_to(ROOT / ".venv" / "bin" / "uv")
    with pytest.raises(
        SetupError, match="Python packages, about 3 GB failed: the package registry could not be reached"
    ):
        Installation(project, no_registry).ensure()


def mark_all_installed(project: Path) -> None:
    for part in Installation(project).parts():
        part.folder.mkdir(parents=True, exist_ok=True)
        part.stamp.write_text(part.key)


def test_a_second_run_finds_nothing_to_do(project, capsys):
    mark_all_installed(project)
    assert Installation(project).ensure() is False
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("changed", "made_again"),
    [
        ("requirements/all.txt", {"Python packages", "static assets"}),
        ("package-lock.json", {"front-end packages", "static assets"}),
        ("device_client/src/device_client/_new.py", {"device client"}),
        ("static/css/new.css", {"static assets"}),
    ],
)
def test_what_changed_decides_what_is_made_again(project, changed, made_again):
    mark_all_installed(project)
    path = project / changed
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write("\n")
    assert {part.title for part in Installation(project).parts() if not part.is_current()} == made_again


def test_a_deleted_folder_is_made_again(project):
    mark_all_installed(project)
    shutil.rmtree(project / "node_modules")
    assert [part.title for part in Installation(project).parts() if not part.is_current()] == ["front-end packages"]


def test_a_moved_project_is_installed_anew(project, tmp_path_factory):
    mark_all_installed(project)
    moved = tmp_path_factory.mktemp("moved") / "project"
    shutil.copytree(project, moved)
    stale = {part.title for part in Installation(moved).parts() if not part.is_current()}
    assert {"Python packages", "device client"} <= stale


def test_a_full_disk_is_found_before_anything_is_made(project, monkeypatch):
    monkeypatch.setattr("setup.install.FRESH_BYTES", 10**15)
    with pytest.raises(SetupError, match="Not enough disk space"):
        Installation(project, {"PATH": os.environ["PATH"]}).ensure()
    assert not (project / ".venv").exists()
