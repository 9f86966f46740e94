from __future__ import annotations

import stat
import zipfile

import pytest

from ml.data.archive import ZipFiles
from ml.data.source_files import MissingFileError, UnreadableFileError
from ml.refusal import RefusedError


def opened(path, *, max_bytes=10_000_000, max_files=1000) -> ZipFiles:
    return ZipFiles(path, max_bytes=max_bytes, max_files=max_files)


def refused(path, **limits) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        opened(path, **limits)
    return caught.value


def test_files_are_read_by_name_and_clutter_is_left_out(make_zip, tmp_path):
    path = make_zip({"a/10.png": b"10", "a/2.png": b"2", "b/": b"", "__MACOSX/a/._2.png": b"x", "a/.DS_Store": b"x"})
    with opened(path) as files:
        assert sorted(files.names) == ["a/10.png", "a/2.png"]
        assert files.folders == ["b"]
        assert files.read("a/2.png") == b"2"
        assert files.listed("a") == ["a/2.png", "a/10.png"]
        assert files.local("a/10.png", tmp_path / "scratch").read_bytes() == b"10"
        for wanted in (lambda: files.read("a/3.png"), lambda: files.listed("c")):
            with pytest.raises(MissingFileError):
                wanted()


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
    assert refused(tmp_path / "a.zip").code == "not_a_zip"


def test_a_damaged_file_is_told_when_it_is_read(make_zip, tmp_path):
    path = make_zip({"cat/1.png": b"a" * 400})
    content = bytearray(path.read_bytes())
    content[40] ^= 0xFF
    path.write_bytes(content)
    with opened(path) as files:
        for wanted in (lambda: files.read("cat/1.png"), lambda: files.local("cat/1.png", tmp_path / "scratch")):
            with pytest.raises(UnreadableFileError, match="the archive is damaged here"):
                wanted()
