from __future__ import annotations

import shutil

import numpy as np
import pytest

from ml.data.dataset import DatasetInfo, read_examples
from ml.data.examples import Example
from ml.data.tfrecord import write_record
from ml.features.raw import raw_values
from ml.refusal import RefusedError

pytestmark = pytest.mark.engine


def pipeline(folder):
    from ml.data.pipeline import Pipeline

    return Pipeline(folder, DatasetInfo.read(folder))


def taken(dataset, count):
    return [(features["image"].numpy(), targets["label"].numpy()) for features, targets in dataset.take(count)]


def same(first, second):
    return all(np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1]) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("held", [True, False])
def test_batches_are_ordered_by_seed_and_can_be_taken_up_anywhere(tensorflow, digits_dataset, monkeypatch, held):
    if not held:
        monkeypatch.setattr("ml.data.pipeline.CACHE_BYTES", 0)
    data = pipeline(digits_dataset)
    whole = taken(data.training_batches(batch_size=100, seed=7), 30)
    assert same(whole, taken(data.training_batches(batch_size=100, seed=7), 30))
    assert same(whole[20:], taken(data.training_batches(batch_size=100, seed=7, start_step=20), 10))
    assert not same(whole[:5], taken(data.training_batches(batch_size=100, seed=8), 5))


@pytest.mark.parametrize("held", [True, False])
def test_every_epoch_has_each_example_once_in_an_order_of_its_own(tensorflow, digits_dataset, monkeypatch, held):
    if not held:
        monkeypatch.setattr("ml.data.pipeline.CACHE_BYTES", 0)
    count = 1259
    epochs = np.concatenate(
        [images for images, _ in taken(pipeline(digits_dataset).training_batches(batch_size=count, seed=7), 2)]
    ).reshape(2, count, -1)
    assert not np.array_equal(epochs[0], epochs[1])
    as_sets = [sorted(map(bytes, epoch)) for epoch in epochs]
    assert as_sets[0] == as_sets[1] == sorted(pixels.tobytes() for pixels in stored_pixels(digits_dataset))


def stored_pixels(folder):
    info = DatasetInfo.read(folder)
    return [raw_values(e.features["image"], info.features[0]) for e in read_examples(folder, "train", info)]


def test_statistics_are_those_of_numpy(tensorflow, digits_dataset):
    from ml.data.measuring import measure

    pixels = np.stack(stored_pixels(digits_dataset))
    found = measure(pipeline(digits_dataset))
    assert found.statistics["image"].mean == pytest.approx((pixels.mean(),))
    assert found.statistics["image"].std == pytest.approx((pixels.std(),))
    labels = [e.label[0] for e in read_examples(digits_dataset, "train", DatasetInfo.read(digits_dataset))]
    assert found.class_counts.tolist() == np.bincount(labels, minlength=10).tolist()


def test_balanced_weights_let_all_classes_count_as_much(tensorflow):
    from ml.data.measuring import balanced_weights

    counts = np.array([10, 30, 0, 60])
    weights = np.array(balanced_weights(counts))
    assert (weights * counts).tolist() == pytest.approx([100 / 3, 100 / 3, 0, 100 / 3])


@pytest.mark.parametrize(
    ("example", "code", "part"),
    [
        (Example({"image": b"no image"}, [0], "x"), "broken_example", "can't be read"),
        (None, "broken_example", "can't be read"),
        ("label", "label_out_of_range", "Received: 10. Accepted: 0 to 9"),
    ],
)
def test_a_damaged_example_is_refused(tensorflow, digits_dataset, tmp_path, example, code, part):
    from ml.data.measuring import measure

    folder = tmp_path / "dataset"
    shutil.copytree(digits_dataset, folder)
    good = next(read_examples(folder, "train", DatasetInfo.read(folder)))
    if example == "label":
        example = Example(good.features, [10], "x")
    with (folder / "train.tfrecord").open("ab") as file:
        write_record(file, example.encode(label="label") if example else b"\x0a\xff")
    with pytest.raises(RefusedError) as caught:
        measure(pipeline(folder))
    assert caught.value.code == code
    assert part in caught.value.message
