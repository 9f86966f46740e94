from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections import Counter

import numpy as np
import pytest

from ml.data.dataset import DatasetInfo, read_examples
from ml.data.images import decode_png
from ml.data.importing import ImportSettings, import_images
from ml.refusal import RefusedError
from ml.reporting import Reporter
from tests.ml.conftest import ENGINE, png


def noise(seed: int, height: int = 8, width: int = 8, channels: int = 1) -> bytes:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return png(np.random.default_rng(seed).integers(0, 256, shape))


def entries(cats: int = 5, dogs: int = 5) -> dict[str, bytes]:
    return {f"cat/{index}.png": noise(index) for index in range(cats)} | {
        f"dog/{index}.png": noise(100 + index) for index in range(dogs)
    }


def imported(tmp_path, archive, **settings):
    import_images(
        archive,
        tmp_path / "out",
        tmp_path / "work",
        ImportSettings(**settings),
        Reporter(events=True, stream=io.StringIO()),
    )
    return json.loads((tmp_path / "out" / "result.json").read_text())


def test_every_digit_arrives_with_its_pixels(digits_dataset, digit_images):
    info = DatasetInfo.read(digits_dataset)
    assert info.classes == [str(digit) for digit in range(10)]
    seen = {}
    for split in ("train", "validation", "test"):
        for example in read_examples(digits_dataset, split, info):
            seen[example.path] = (split, info.classes[example.label], decode_png(example.image, (8, 8, 1)))
    assert len(seen) == len(digit_images) == info.num_examples
    for index, (label, pixels) in enumerate(digit_images):
        _, stored_label, stored = seen[f"digits/{label}/{index:04d}.png"]
        assert stored_label == label
        assert np.array_equal(stored[:, :, 0], pixels)


def test_the_result_describes_the_files(digits_dataset):
    result = json.loads((digits_dataset / "result.json").read_text())
    info = DatasetInfo.read(digits_dataset)
    assert result["feature"] == {"name": "image", "type": "image", "shape": [8, 8, 1]}
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


def test_mixed_sizes_become_the_most_common_one(tmp_path, make_zip):
    result = imported(tmp_path, make_zip(entries() | {"dog/big.png": noise(9, 16, 12)}))
    assert result["feature"]["shape"] == [8, 8, 1]
    assert result["warnings"] == ["1 of 11 images have another size and were resized to 8x8"]


def test_size_and_channels_can_be_asked_for(tmp_path, make_zip):
    result = imported(tmp_path, make_zip(entries()), height=4, width=6, channels=3)
    assert result["feature"]["shape"] == [4, 6, 3]


def test_one_colour_image_makes_all_colour(tmp_path, make_zip):
    assert imported(tmp_path, make_zip(entries() | {"dog/c.png": noise(9, channels=3)}))["feature"]["shape"] == [
        8,
        8,
        3,
    ]


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
    with pytest.raises(RefusedError) as caught:
        imported(tmp_path, make_zip(entries() | extra))
    assert caught.value.code == code
    assert part in caught.value.message
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "work").iterdir()) == []


def test_what_is_written_is_bounded_as_well_as_what_is_unpacked(tmp_path, make_zip):
    archive = make_zip(entries())
    unpacked = sum(map(len, entries().values()))
    with pytest.raises(RefusedError, match="as PNG of 400x400x3") as caught:
        imported(tmp_path, archive, height=400, width=400, channels=3, max_bytes=unpacked + 200_000)
    assert caught.value.code == "dataset_too_large"
    assert f"Accepted: at most {unpacked + 200_000} bytes" in caught.value.message
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "work").iterdir()) == []


def test_the_bound_counts_every_byte_of_the_examples(tmp_path, make_zip):
    archive = make_zip(entries())
    result = imported(tmp_path / "a", archive)
    out = tmp_path / "a" / "out"
    written = sum(file["bytes"] for file in result["files"] if file["path"] != "dataset.json")
    written += sum((out / sample["path"]).stat().st_size for sample in result["samples"])
    imported(tmp_path / "b", archive, max_bytes=written)
    with pytest.raises(RefusedError):
        imported(tmp_path / "c", archive, max_bytes=written - 1)


def test_damage_within_the_archive_names_the_image(tmp_path, make_zip):
    path = make_zip(entries())
    with zipfile.ZipFile(path) as archive:
        broken = archive.getinfo("cat/3.png")
    content = bytearray(path.read_bytes())
    content[broken.header_offset + 60] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(RefusedError, match=r"cat/3\.png \(") as caught:
        imported(tmp_path, path)
    assert caught.value.code == "broken_image"


def test_an_impossible_shape_is_refused(tmp_path, make_zip):
    with pytest.raises(RefusedError, match="Received: 8x8x2"):
        imported(tmp_path, make_zip(entries()), channels=2)


def test_importing_needs_no_tensorflow(tmp_path, make_zip):
    archive = make_zip(entries())
    code = (
        "import sys; from ml.commands import main; "
        f"status = main(['import-images', '--archive', {str(archive)!r}, '--out', {str(tmp_path / 'out')!r}, "
        f"'--work', {str(tmp_path / 'work')!r}]); "
        "sys.exit(status or int('tensorflow' in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ENGINE)}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
