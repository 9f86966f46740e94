from __future__ import annotations

import stat
import zipfile

import pytest

from ml.data.archive import look_through, open_archive
from ml.refusal import RefusedError


def look(path, *, max_bytes=10_000_000, max_files=1000):
    with open_archive(path) as archive:
        return look_through(archive, max_bytes=max_bytes, max_files=max_files)


def refused(path, **limits) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        look(path, **limits)
    return caught.value


def test_class_folders_with_and_without_a_folder_above(make_zip):
    for top in ("", "pets/"):
        contents = look(make_zip({f"{top}dog/2.PNG": b"2", f"{top}cat/1.jpg": b"1", f"{top}dog/1.jpeg": b"3"}))
        assert contents.classes == ["cat", "dog"]
        assert [(image.label, image.path.removeprefix(top)) for image in contents.images] == [
            ("cat", "cat/1.jpg"),
            ("dog", "dog/1.jpeg"),
            ("dog", "dog/2.PNG"),
        ]


def test_clutter_of_operating_systems_is_left_out_in_silence_and_other_files_are_told(make_zip):
    contents = look(
        make_zip(
            {
                "cat/1.png": b"1",
                "dog/1.png": b"1",
                "__MACOSX/cat/._1.png": b"x",
                "cat/.DS_Store": b"x",
                "dog/Thumbs.db": b"x",
                "cat/notes.txt": b"x",
            }
        )
    )
    assert len(contents.images) == 2
    assert contents.warnings == ["1 files are not images and were left out, for example cat/notes.txt"]


@pytest.mark.parametrize("name", ["../cat/1.png", "cat/../../1.png", "/cat/1.png", "c:/cat/1.png", "cat\\..\\1.png"])
def test_a_path_that_leads_out_is_refused_by_name(make_zip, name):
    error = refused(make_zip({"dog/1.png": b"1", name: b"1"}))
    assert error.code == "unsafe_path"
    assert name in error.message
    assert error.details[0]["field"] == name


def test_a_link_is_refused(make_zip):
    path = make_zip({"dog/1.png": b"1"})
    link = zipfile.ZipInfo("cat/1.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert refused(path).code == "unsafe_file_type"


def test_a_bomb_is_refused_before_it_is_unpacked(make_zip):
    path = make_zip({"cat/1.png": bytes(5_000_000), "dog/1.png": b"1"})
    assert path.stat().st_size < 20_000
    error = refused(path)
    assert error.code == "compression_bomb"
    assert "cat/1.png" in error.message


def test_the_unpacked_size_and_the_number_of_files_are_limited(make_zip):
    path = make_zip({"cat/1.png": bytes(600), "dog/1.png": bytes(600)})
    error = refused(path, max_bytes=1000)
    assert (error.code, "1200 bytes" in error.message) == ("archive_too_large", True)
    error = refused(path, max_files=1)
    assert (error.code, "Received: 2" in error.message) == ("too_many_files", True)


@pytest.mark.parametrize(
    ("entries", "code", "part"),
    [
        ({"cat/1.png": b"1", "dog/": b""}, "empty_class", "dog"),
        ({"cat/1.png": b"1", "dog/notes.txt": b"1"}, "empty_class", "dog"),
        ({"cat/1.png": b"1"}, "too_few_classes", "Received: 1 (cat)"),
        ({"readme.txt": b"1"}, "no_images", "1 files"),
        ({}, "no_images", "0 files"),
        ({"1.png": b"1", "cat/1.png": b"1"}, "image_outside_class", "1.png"),
        ({"cat/small/1.png": b"1", "dog/1.png": b"1"}, "unexpected_folder", "cat/small/1.png"),
        ({"a/cat/x/1.png": b"1", "a/dog/x/1.png": b"1"}, "unexpected_folder", "a/cat/x/1.png"),
    ],
)
def test_another_layout_is_refused_by_name(make_zip, entries, code, part):
    error = refused(make_zip(entries))
    assert error.code == code
    assert part in error.message


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_path_given_twice_is_refused(make_zip):
    path = make_zip({"cat/1.png": b"1", "dog/1.png": b"1"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("cat/1.png", b"2")
    assert refused(path).code == "duplicate_path"


def test_an_encrypted_archive_is_refused(make_zip):
    path = make_zip({"cat/1.png": b"1", "dog/1.png": b"1"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert refused(path).code == "encrypted_archive"


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_zip_is_refused(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(RefusedError) as caught:
        open_archive(tmp_path / "a.zip")
    assert caught.value.code == "not_a_zip"
