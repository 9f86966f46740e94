"""What is refused before anything is installed or started."""

from __future__ import annotations

import shutil
import socket
import sys
from pathlib import Path

import pytest

from setup.failure import SetupError
from setup.preflight import (
    cache_folder,
    parse_port,
    require_disk,
    require_disks,
    require_free_port,
    require_venv_module,
)


def test_enough_disk_space_passes(tmp_path):
    require_disk(tmp_path, 1)


def test_too_little_disk_space_names_what_is_needed_and_what_is_free(tmp_path):
    with pytest.raises(SetupError, match=r"needs about 1000000\.0 GB, [\d.]+ GB are free"):
        require_disk(tmp_path, 10**15)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second disk")
def test_the_disk_of_the_package_cache_counts_where_it_is_another_one(tmp_path):
    small, large = sorted([str(tmp_path), "/dev/shm"], key=lambda folder: shutil.disk_usage(folder).free)
    needed = (shutil.disk_usage(small).free + shutil.disk_usage(large).free) // 2
    with pytest.raises(SetupError, match=f"Not enough disk space in {small}"):
        require_disks(Path(large), {"UV_CACHE_DIR": small}, needed=needed)


def test_the_cache_folder_is_the_nearest_that_exists(tmp_path):
    assert cache_folder({"UV_CACHE_DIR": str(tmp_path / "not" / "there")}) == tmp_path
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path


def test_a_python_without_ensurepip_names_the_package_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SetupError, match=r"apt-get install python3\.\d+-venv"):
        require_venv_module()


def test_this_python_can_make_virtual_environments():
    require_venv_module()


@pytest.mark.parametrize("text", ["", "abc", "0", "65536", "-1", "80.5", "²"])
def test_a_port_that_is_none_is_refused_with_the_range(text):
    with pytest.raises(SetupError, match="from 1 to 65535"):
        parse_port(text)


def test_a_free_port_passes():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    require_free_port(port)


@pytest.mark.parametrize("listening_on", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_is_refused_with_another_one_to_try(listening_on):
    with socket.socket() as server:
        server.bind((listening_on, 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(SetupError, match=rf"Port {port} on 127\.0\.0\.1 is taken .* PORT={port + 1}"):
            require_free_port(port)


def test_an_address_that_is_not_this_machine_is_refused():
    with pytest.raises(SetupError, match=r"Cannot listen on 192\.0\.2\.1"):
        require_free_port(8000, host="192.0.2.1")
