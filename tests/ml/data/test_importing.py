from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tracemalloc
import zipfile
from collections import Counter

import numpy as np
import pytest

from ml.data.dataset import DatasetInfo, read_examples
from ml.data.images import decode_png
from ml.features.raw import raw_values
from ml.features.wav import write_wav
from ml.refusal import RefusedError
from tests.ml.conftest import ENGINE, png
from tests.ml.data.importing import by_path, examples, imported, refusal_of, write_files


def noise(seed: int, height: int = 8, width: int = 8, channels: int = 1) -> bytes:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return png(np.random.default_rng(seed).integers(0, 256, shape))


def entries(cats: int = 5, dogs: int = 5) -> dict[str, bytes]:
    return {f"cat/{index}.png": noise(index) for index in range(cats)} | {
        f"dog/{index}.png": noise(100 + index) for index in range(dogs)
    }


def sound(seed: int, length: int = 800, rate: int = 8000) -> bytes:
    return write_wav(np.random.default_rng(seed).integers(-999, 999, length).astype("<i2").tobytes(), rate)


def test_every_digit_arrives_with_its_pixels(digits_dataset, digit_images):
    info = DatasetInfo.read(digits_dataset)
    assert info.classes == [str(digit) for digit in range(10)]
    seen = {}
    for split in ("train", "validation", "test"):
        for example in read_examples(digits_dataset, split, info):
            seen[example.path] = (
                info.classes[example.label[0]],
                raw_values(example.features["image"], info.features[0]),
            )
    assert len(seen) == len(digit_images) == info.num_examples
    for index, (label, pixels) in enumerate(digit_images):
        stored_label, stored = seen[f"digits/{label}/{index:04d}.png"]
        assert stored_label == label
        assert np.array_equal(stored[:, :, 0], pixels)


def test_the_result_describes_the_files(digits_dataset):
    result = json.loads((digits_dataset / "result.json").read_text())
    info = DatasetInfo.read(digits_dataset)
    assert set(result) == {
        *("task", "features", "classes", "num_examples", "splits", "class_counts"),
        *("value_ranges", "samples", "files", "sha256", "warnings"),
    }
    assert (result["task"]["type"], result["task"]["num_classes"]) == ("classification", 10)
    assert [(one["name"], one["type"], one["shape"]) for one in result["features"]] == [("image", "image", [8, 8, 1])]
    assert result["splits"] == {"train": 1259, "validation": 179, "test": 359}
    assert {split: sum(counts.values()) for split, counts in result["class_counts"].items()} == result["splits"]
    for file in result["files"]:
        content = (digits_dataset / file["path"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    hashes = sorted(file["sha256"] for file in result["files"] if file["path"] != "index.jsonl")
    assert result["sha256"] == hashlib.sha256("".join(hashes).encode()).hexdigest()
    assert Counter(sample["label"] for sample in result["samples"]) == dict.fromkeys(info.classes, 8)
    assert all((digits_dataset / sample["path"]).read_bytes()[1:4] == b"PNG" for sample in result["samples"])


def test_the_index_is_in_the_order_of_the_files(digits_dataset):
    index = [json.loads(line) for line in (digits_dataset / "index.jsonl").read_text().splitlines()]
    info = DatasetInfo.read(digits_dataset)
    paths = [example.path for example in read_examples(digits_dataset, "test", info)]
    assert [entry["path"] for entry in index if entry["split"] == "test"] == paths


def test_the_same_archive_and_seed_give_the_same_bytes(tmp_path, make_zip):
    archive = make_zip(entries())
    first = imported(tmp_path / "a", archive)
    assert imported(tmp_path / "b", archive) == first
    assert imported(tmp_path / "c", archive, seed=8)["sha256"] != first["sha256"]


def test_a_folder_gives_the_same_bytes_as_a_zip_of_it(tmp_path, make_zip):
    folder = write_files(tmp_path / "source", entries())
    assert imported(tmp_path / "a", folder)["sha256"] == imported(tmp_path / "b", make_zip(entries()))["sha256"]


def test_mixed_sizes_become_the_most_common_one(tmp_path, make_zip):
    result = imported(tmp_path, make_zip(entries() | {"dog/big.png": noise(9, 16, 12)}))
    assert result["features"][0]["shape"] == [8, 8, 1]
    assert result["warnings"] == ["1 of 11 images have another size and were resized to 8x8"]


def test_size_and_channels_can_be_asked_for(tmp_path, make_zip):
    result = imported(tmp_path, make_zip(entries()), height=4, width=6, channels=3)
    assert result["features"][0]["shape"] == [4, 6, 3]


def test_one_colour_image_makes_all_colour(tmp_path, make_zip):
    result = imported(tmp_path, make_zip(entries() | {"dog/c.png": noise(9, channels=3)}))
    assert result["features"][0]["shape"] == [8, 8, 3]


def test_copies_are_told_and_stay_in_one_split(tmp_path, make_zip):
    copies = {f"cat/copy{index}.png": noise(0) for index in range(3)}
    result = imported(tmp_path, make_zip(entries() | copies | {"dog/same.png": noise(1)}))
    assert "4 images are exact copies of others" in result["warnings"][0]
    assert result["warnings"][1] == "1 images lie in more than one class, for example cat/1.png, dog/same.png"
    index = [json.loads(line) for line in (tmp_path / "out" / "index.jsonl").read_text().splitlines()]
    assert len({entry["split"] for entry in index if entry["path"] in {*copies, "cat/0.png"}}) == 1


@pytest.mark.parametrize(
    ("extra", "code", "part"),
    [
        ({"dog/bad.png": b"no image"}, "broken_image", "dog/bad.png (it is not a PNG or JPEG image)"),
        ({"dog/bad.png": noise(1, 40, 40)[:200]}, "broken_image", "1 of 11 images can't be read: dog/bad.png"),
        ({"owl/1.png": noise(7)}, "class_too_small", "'owl' has 1"),
        ({"owl/": b""}, "empty_class", "owl"),
        ({"../owl/1.png": noise(7)}, "unsafe_path", "../owl/1.png"),
    ],
)
def test_a_refused_archive_leaves_nothing(tmp_path, make_zip, extra, code, part):
    error = refusal_of(tmp_path, make_zip(entries() | extra))
    assert error.code == code
    assert part in error.message


def test_every_broken_image_is_named(tmp_path, make_zip):
    error = refusal_of(tmp_path, make_zip(entries() | {f"dog/bad{index}.png": b"no image" for index in range(5)}))
    assert error.message == (
        "5 of 15 images can't be read: dog/bad0.png (it is not a PNG or JPEG image), "
        "dog/bad1.png (it is not a PNG or JPEG image), dog/bad2.png (it is not a PNG or JPEG image) and 2 more. "
        "Repair or remove them. Accepted: PNG and JPEG."
    )
    assert error.details[4] == {"field": "dog/bad4.png", "message": "it is not a PNG or JPEG image"}


def test_what_is_written_is_bounded_as_well_as_what_is_unpacked(tmp_path, make_zip):
    limit = sum(map(len, entries().values())) + 200_000
    error = refusal_of(tmp_path, make_zip(entries()), height=400, width=400, channels=3, max_bytes=limit)
    assert error.code == "dataset_too_large"
    assert "The images take too much room as PNG of 400x400x3." in error.message
    assert f"Accepted: at most {limit} bytes" in error.message


def test_the_bound_counts_every_byte_of_the_examples(tmp_path, make_zip):
    archive = make_zip(entries())
    result = imported(tmp_path / "a", archive)
    out = tmp_path / "a" / "out"
    written = sum(file["bytes"] for file in result["files"] if file["path"] != "dataset.json")
    written += sum((out / sample["path"]).stat().st_size for sample in result["samples"])
    imported(tmp_path / "b", archive, max_bytes=written)
    assert refusal_of(tmp_path / "c", archive, max_bytes=written - 1).code == "dataset_too_large"


def test_damage_within_the_archive_names_the_image(tmp_path, make_zip):
    path = make_zip(entries())
    with zipfile.ZipFile(path) as archive:
        broken = archive.getinfo("cat/3.png")
    content = bytearray(path.read_bytes())
    content[broken.header_offset + 60] ^= 0xFF
    path.write_bytes(content)
    error = refusal_of(tmp_path, path)
    assert error.code == "broken_image"
    assert "cat/3.png (the archive is damaged here" in error.message


def test_an_impossible_shape_is_refused(tmp_path, make_zip):
    with pytest.raises(RefusedError, match="Received: 8x8x2"):
        imported(tmp_path, make_zip(entries()), channels=2)


def test_fractions_are_checked_before_anything_is_read(tmp_path):
    assert refusal_of(tmp_path, tmp_path / "none.zip", test=1.0).code == "invalid_fractions"


@pytest.mark.parametrize(("name", "code"), [("none.zip", "missing_source"), ("text.txt", "not_a_zip")])
def test_what_is_no_source_is_refused(tmp_path, name, code):
    write_files(tmp_path, {"text.txt": "text"})
    assert refusal_of(tmp_path, tmp_path / name).code == code


def test_a_link_in_a_folder_is_refused(tmp_path):
    folder = write_files(tmp_path / "source", entries())
    (folder / "cat" / "link.png").symlink_to(folder / "dog" / "1.png")
    error = refusal_of(tmp_path, folder)
    assert (error.code, "cat/link.png" in error.message) == ("unsafe_file_type", True)


def test_sounds_in_class_folders_need_no_spec(tmp_path, make_zip):
    files = {f"{name}/{index}.wav": sound(10 * place + index) for place, name in enumerate("ab") for index in range(5)}
    result = imported(tmp_path, make_zip(files))
    (feature,) = DatasetInfo.read(tmp_path / "out").features
    assert (feature.name, feature.type, feature.shape, feature.sample_rate) == ("audio", "audio", (800,), 8000)
    assert (result["classes"], result["samples"]) == (["a", "b"], [])
    stored = raw_values(by_path(tmp_path / "out")["b/3.wav"].features["audio"], feature)
    assert stored.tobytes() == sound(13)[-1600:]


def test_sounds_get_the_rate_and_length_of_the_spec(tmp_path):
    files = {f"{name}/{index}.wav": sound(index, 1000 + index, 16000) for name in "ab" for index in range(5)}
    spec = {"features": [{"name": "sound", "type": "audio", "shape": [400], "sample_rate": 8000}]}
    result = imported(tmp_path, write_files(tmp_path / "source", files), spec)
    assert result["features"][0]["shape"] == [400]
    assert "10 of 10 recordings have another sample rate and were resampled to 8000" in result["warnings"]


def test_a_broken_sound_is_named(tmp_path, make_zip):
    files = {f"{name}/{index}.wav": sound(index) for name in "ab" for index in range(4)} | {"a/x.wav": b"RIFF"}
    error = refusal_of(tmp_path, make_zip(files))
    assert error.code == "broken_audio"
    assert error.message.startswith("1 of 9 recordings can't be read: a/x.wav (it is not a WAV file). Repair or remove")


def test_videos_are_folders_of_frames(tmp_path, make_zip):
    files = {
        f"{name}/clip{clip}/f{frame}.png": noise(100 * clip + frame)
        for name in "ab"
        for clip in range(4)
        for frame in (1, 2, 10)
    }
    spec = {"features": [{"name": "clip", "type": "video"}]}
    result = imported(tmp_path, make_zip(files), spec)
    (feature,) = DatasetInfo.read(tmp_path / "out").features
    assert feature.shape == (3, 8, 8, 1)
    example = by_path(tmp_path / "out")["a/clip2"]
    frames = raw_values(example.features["clip"], feature)
    assert np.array_equal(frames[2], decode_png(noise(210), (8, 8, 1)))
    assert len(result["samples"]) == 8
    error = refusal_of(tmp_path / "x", make_zip(files | {"b/clip0/f1.png": b"x"}, "broken.zip"), spec)
    assert (error.code, "1 of 8 videos can't be read: b/clip0" in error.message) == ("broken_image", True)


def test_what_lies_in_the_unlabelled_folder_has_no_label(tmp_path, make_zip):
    result = imported(
        tmp_path, make_zip(entries() | {f"_unlabelled/{index}.png": noise(500 + index) for index in range(3)})
    )
    assert (result["classes"], result["splits"]["unlabelled"], result["num_examples"]) == (["cat", "dog"], 3, 13)
    assert {example.label for example in examples(tmp_path / "out")["unlabelled"]} == {None}


def test_folders_of_splits_are_kept(tmp_path, make_zip):
    files = {f"train/{name}": content for name, content in entries().items()}
    files |= {"test/cat/x.png": noise(900), "test/dog/x.png": noise(901)}
    result = imported(tmp_path, make_zip(files), validation=0)
    assert result["splits"] == {"train": 10, "validation": 0, "test": 2}


def test_a_class_outside_of_the_closed_list_is_refused_by_path(tmp_path, make_zip):
    spec = {"features": [{"name": "image"}], "classes": ["cat", "owl"]}
    error = refusal_of(tmp_path, make_zip(entries(dogs=1)), spec)
    assert error.code == "unknown_class"
    assert "Received: dog/0.png ('dog'). Accepted: cat, owl." in error.message


def test_a_table_that_lies_beside_class_folders_is_left_out(tmp_path, make_zip):
    result = imported(tmp_path, make_zip(entries() | {"readme.csv": b"name,licence\nx,y\n"}))
    assert result["warnings"] == ["1 files are not images and were left out, for example readme.csv"]


def test_memory_does_not_grow_with_the_contents(tmp_path):
    lines = ["text,label", *(f"{index:06d}{'x' * 10_000},{index % 2}" for index in range(1000))]
    source = write_files(tmp_path / "source", {"t.csv": "\n".join(lines)}) / "t.csv"
    del lines
    assert source.stat().st_size > 10_000_000
    imported(tmp_path / "warm", source, max_bytes=10**9)  # imports of modules don't count
    tracemalloc.start()
    imported(tmp_path, source)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def test_importing_needs_no_tensorflow(tmp_path, make_zip):
    archive = make_zip(entries())
    code = (
        "import sys; from ml.commands import main; "
        f"status = main(['import', '--source', {str(archive)!r}, '--out', {str(tmp_path / 'out')!r}, "
        f"'--work', {str(tmp_path / 'work')!r}]); "
        "sys.exit(status or int('tensorflow' in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ENGINE)}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_command_takes_a_spec_and_says_what_it_skips(tmp_path):
    rows = ["a,b,y", *(f"{index},1,2" for index in range(10)), "nan,1,2"]
    write_files(tmp_path, {"t.csv": "\n".join(rows), "spec.yaml": SPEC})
    command = [sys.executable, "-m", "ml", "import", "--events", "--source", tmp_path / "t.csv", "--bad-values", "skip"]
    command += ["--spec", tmp_path / "spec.yaml", "--out", tmp_path / "out", "--work", tmp_path / "work"]
    done = subprocess.run(
        list(map(str, command)), env={"PYTHONPATH": str(ENGINE)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    warnings = [event["message"] for event in events if event["event"] == "log"]
    assert warnings[0].startswith("1 of 11 rows were left out")
    shares = [event["share"] for event in events if event["event"] == "progress"]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


SPEC = """
task: {type: regression, columns: [y]}
features: [{name: values, type: vector, columns: [a, b]}]
"""
