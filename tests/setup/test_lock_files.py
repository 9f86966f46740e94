"""The lock files name hashes and no addresses, and agree with each other."""

from __future__ import annotations

import json
import re

import pytest

from setup import ROOT

PYTHON_LOCKS = ["requirements/all.txt", "requirements/ray.txt", "requirements/bootstrap.txt"]
PYTHON_LOCKS += ["device_client/requirements.txt"]


def pins(name: str) -> dict[str, str]:
    """Every requirement of a lock file, with the lines that belong to it."""
    blocks = re.split(r"^(?=[A-Za-z0-9])", (ROOT / name).read_text(), flags=re.M)
    return {re.split(r"[=\s\[]", block, maxsplit=1)[0]: block for block in blocks if "==" in block}


@pytest.mark.parametrize("name", [*PYTHON_LOCKS, "package-lock.json"])
def test_no_lock_file_names_a_download_address(name):
    addresses = re.findall(r"https?://[^\s\"]+", (ROOT / name).read_text())
    assert [
        address
        for address in addresses
        if not address.startswith(("https://github.com/", "https://opencollective.com/"))
    ] == []


@pytest.mark.parametrize("name", PYTHON_LOCKS)
def test_every_python_package_is_pinned_with_hashes(name):
    assert pins(name)
    assert [package for package, block in pins(name).items() if "--hash=sha256:" not in block] == []


def test_every_front_end_package_is_pinned_with_a_hash():
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert [name for name, package in packages.items() if name and not package.get("integrity")] == []


def test_the_front_end_lock_belongs_to_the_declaration():
    declared = json.loads((ROOT / "package.json").read_text())
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"][""]
    for kind in ("dependencies", "devDependencies"):
        assert declared[kind] == locked[kind]


def test_the_installer_is_the_uv_that_is_installed_later():
    def version(name: str) -> str:
        return pins(name)["uv"].splitlines()[0]

    assert version("requirements/bootstrap.txt") == version("requirements/all.txt")


def test_a_device_gets_neither_django_nor_tensorflow():
    assert {"django", "tensorflow"}.isdisjoint(pins("device_client/requirements.txt"))


def test_ray_is_installed_where_it_is_wanted_only_and_changes_nothing_else():
    everywhere, beside = pins("requirements/all.txt"), pins("requirements/ray.txt")
    assert "ray" in beside.keys() - everywhere.keys()
    versions = [{name: block.splitlines()[0] for name, block in one.items()} for one in (everywhere, beside)]
    assert [name for name in beside.keys() & everywhere.keys() if versions[0][name] != versions[1][name]] == []
