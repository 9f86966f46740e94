from __future__ import annotations

import os

import pytest

from ml.data.source_files import FolderFiles, MissingFileError, natural_order
from ml.refusal import RefusedError


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "data"
    for name, content in {"a/2.png": b"2", "a/10.png": b"10", "b.csv": b"x", ".DS_Store": b"x"}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "empty").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    return root


def walk(root, *, max_bytes=1000, max_files=10) -> FolderFiles:
    return FolderFiles.walk(root, max_bytes=max_bytes, max_files=max_files)


def test_all_files_are_found_and_clutter_is_left_out(folder):
    files = walk(folder)
    assert sorted(files.names) == ["a/10.png", "a/2.png", "b.csv"]
    assert sorted(files.folders) == ["a", "empty"]
    assert files.read("a/2.png") == b"2"
    assert files.listed("a") == ["a/2.png", "a/10.png"]
    assert files.local("b.csv", folder) == folder / "b.csv"


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc/passwd"), os.mkfifo])
def test_links_and_special_files_are_refused_by_name(folder, make):
    make(folder / "a" / "odd.png")
    with pytest.raises(RefusedError, match=r"a/odd\.png") as caught:
        walk(folder)
    assert caught.value.code == "unsafe_file_type"


def test_size_and_number_are_limited(folder):
    with pytest.raises(RefusedError, match="more than 2 bytes") as caught:
        walk(folder, max_bytes=2)
    assert caught.value.code == "source_too_large"
    with pytest.raises(RefusedError, match="more than 1") as caught:
        walk(folder, max_files=1)
    assert caught.value.code == "too_many_files"


def test_nothing_outside_the_folder_is_read(folder, tmp_path):
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    files = FolderFiles(folder)
    for name in ("../secret.txt", "link.txt", str(tmp_path / "secret.txt"), "a", "none.txt"):
        with pytest.raises(MissingFileError):
            files.read(name)
    with pytest.raises(MissingFileError):
        files.listed("..")


def test_numbers_in_names_are_sorted_by_value():
    assert sorted(["f10", "f2", "f1x", "a"], key=natural_order) == ["a", "f1x", "f2", "f10"]
