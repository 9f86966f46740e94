from __future__ import annotations

import pytest

from ml.data.archive import ZipFiles
from ml.data.import_spec import ImportSpec
from ml.data.source_files import FolderFiles
from ml.data.sources.class_folders import MEDIA, ClassFolders, Contents, find_classes
from ml.refusal import RefusedError


def look(path, medium="image") -> Contents:
    with ZipFiles(path, max_bytes=10**6, max_files=100) as files:
        return find_classes(files, MEDIA[medium])


def refused(path, medium="image") -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        look(path, medium)
    return caught.value


def source(folder, spec=None) -> ClassFolders:
    declared = ImportSpec.model_validate(spec) if spec else None
    return ClassFolders(FolderFiles.walk(folder, max_bytes=10**6, max_files=100), declared)


def test_class_folders_with_and_without_a_folder_above(make_zip):
    for top in ("", "pets/"):
        contents = look(make_zip({f"{top}dog/2.PNG": b"2", f"{top}cat/1.jpg": b"1", f"{top}dog/1.jpeg": b"3"}))
        assert contents.classes == ["cat", "dog"]
        assert [(item.label, item.path.removeprefix(top)) for item in contents.items] == [
            ("cat", "cat/1.jpg"),
            ("dog", "dog/1.jpeg"),
            ("dog", "dog/2.PNG"),
        ]


def test_folders_named_after_splits_say_the_split(make_zip):
    contents = look(
        make_zip({"train/cat/1.png": b"", "train/dog/1.png": b"", "val/cat/1.png": b"", "test/dog/1.png": b""})
    )
    assert contents.classes == ["cat", "dog"]
    assert {item.path: item.split for item in contents.items} == {
        "train/cat/1.png": "train",
        "train/dog/1.png": "train",
        "val/cat/1.png": "validation",
        "test/dog/1.png": "test",
    }


def test_what_is_unlabelled_has_no_class(make_zip):
    contents = look(make_zip({"a/cat/1.png": b"", "a/dog/1.png": b"", "a/_unlabelled/1.png": b""}))
    assert contents.classes == ["cat", "dog"]
    assert [item.label for item in contents.items if item.path == "a/_unlabelled/1.png"] == [None]


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
    assert len(contents.items) == 2
    assert contents.warnings == ["1 files are not images and were left out, for example cat/notes.txt"]


def test_a_video_is_a_folder_of_frames_in_their_order(make_zip):
    entries = {f"cat/one/f{number}.png": b"" for number in (2, 10, 1)} | {"dog/two/f1.png": b""}
    contents = look(make_zip(entries), "video")
    assert [(item.path, item.label) for item in contents.items] == [("cat/one", "cat"), ("dog/two", "dog")]
    assert contents.items[0].files == ("cat/one/f1.png", "cat/one/f2.png", "cat/one/f10.png")
    above = look(make_zip({f"clips/{name}": content for name, content in entries.items()}), "video")
    assert above.classes == ["cat", "dog"]


@pytest.mark.parametrize(
    ("entries", "code", "part"),
    [
        ({"cat/1.png": b"1", "dog/": b""}, "empty_class", "dog"),
        ({"cat/1.png": b"1", "dog/notes.txt": b"1"}, "empty_class", "dog"),
        ({"cat/1.png": b"1"}, "too_few_classes", "Received: 1 (cat)"),
        ({"cat/1.png": b"1", "_unlabelled/1.png": b"1"}, "too_few_classes", "Received: 1 (cat)"),
        ({"readme.txt": b"1"}, "no_images", "1 files"),
        ({}, "no_images", "0 files"),
        ({"1.png": b"1", "cat/1.png": b"1"}, "image_outside_class", "1.png"),
        ({"cat/small/1.png": b"1", "dog/1.png": b"1"}, "unexpected_folder", "cat/small/1.png"),
        ({"a/cat/x/1.png": b"1", "a/dog/x/1.png": b"1"}, "unexpected_folder", "a/cat/x/1.png"),
        ({"a/cat/1.png": b"1", "b/dog/1.png": b"1"}, "unexpected_folder", "a/cat/1.png"),
    ],
)
def test_another_layout_is_refused_by_name(make_zip, entries, code, part):
    error = refused(make_zip(entries))
    assert error.code == code
    assert part in error.message


@pytest.mark.parametrize(
    ("medium", "entries", "code"),
    [
        ("audio", {"cat/1.png": b"1"}, "no_recordings"),
        ("audio", {"1.wav": b"1"}, "recording_outside_class"),
        ("audio", {"cat/1.wav": b"1", "dog/": b""}, "empty_class"),
        ("video", {"cat/1.png": b"1", "dog/1.png": b"1"}, "video_outside_class"),
        ("video", {"cat/a/b/1.png": b"1", "dog/c/1.png": b"1"}, "unexpected_folder"),
    ],
)
def test_sounds_and_videos_are_refused_as_well(make_zip, medium, entries, code):
    assert refused(make_zip(entries), medium).code == code


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def test_without_a_spec_the_files_say_what_they_are(tmp_path):
    write(tmp_path / "sounds", "cat/1.wav", "dog/1.wav", "cat/2.wav", "cat/cover.png")
    sounds = source(tmp_path / "sounds")
    assert [(feature.name, feature.type) for feature in sounds.spec.features] == [("audio", "audio")]
    assert sounds.warnings == ["1 files are not recordings and were left out, for example cat/cover.png"]
    write(tmp_path / "images", "cat/1.png", "dog/1.png")
    images = source(tmp_path / "images")
    assert [(feature.name, feature.type) for feature in images.spec.features] == [("image", "image")]
    rows = list(images.scan())
    assert [(row.path, row.label, row.given["image"]) for row in rows] == [
        ("cat/1.png", "cat", b"cat/1.png"),
        ("dog/1.png", "dog", b"dog/1.png"),
    ]
    assert images.fetch(1) == rows[1]
    assert images.where(1) == "dog/1.png"


@pytest.mark.parametrize(
    "spec",
    [
        {"features": [{"name": "text", "type": "text"}]},
        {"features": [{"name": "image"}, {"name": "text", "type": "text"}]},
        {"features": [{"name": "image"}], "task": {"type": "regression"}},
    ],
)
def test_a_spec_that_class_folders_can_not_fill_is_refused(tmp_path, spec):
    write(tmp_path, "cat/1.png", "dog/1.png")
    with pytest.raises(
        RefusedError, match=r"Class folders can't hold .* Received: .* Accepted: classification"
    ) as caught:
        source(tmp_path, spec)
    assert caught.value.code == "unfit_source"
