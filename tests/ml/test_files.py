from __future__ import annotations

import pytest

from ml.files import file_record, move_into, pack_folder, sha256_of, write_json


def test_equal_folders_pack_into_equal_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "x.txt").write_text("x")
        (tmp_path / name / "y.txt").write_text("y")
        pack_folder(tmp_path / name, tmp_path / f"{name}.zip")
    assert sha256_of(tmp_path / "a.zip") == sha256_of(tmp_path / "b.zip")


def test_a_file_record_names_path_length_and_hash(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x").write_bytes(b"abc")
    assert file_record(tmp_path / "in" / "x", relative_to=tmp_path) == {
        "path": "in/x",
        "bytes": 3,
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }


def test_nan_is_not_json_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_moving_replaces_what_has_the_same_name(tmp_path):
    for folder, content in (("from", "new"), ("to", "old")):
        (tmp_path / folder / "inner").mkdir(parents=True)
        (tmp_path / folder / "inner" / "x").write_text(content)
        (tmp_path / folder / "file").write_text(content)
    (tmp_path / "to" / "inner" / "stale").write_text("old")
    move_into(tmp_path / "from", tmp_path / "to")
    assert sorted(path.name for path in (tmp_path / "to" / "inner").iterdir()) == ["x"]
    assert (tmp_path / "to" / "file").read_text() == "new"
