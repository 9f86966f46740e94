"""Each augmentation changes what it says, as far as it says, and is the same again by seed and batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml.data.augmentation import Augmentation
from ml.data.dataset import DatasetInfo
from ml.features import FeatureSpec
from ml.tasks import TaskSpec

pytestmark = pytest.mark.engine

BATCH = 64
FEATURES = {
    "grey": FeatureSpec(name="x", shape=(20, 16, 1)),
    "colour": FeatureSpec(name="x", shape=(12, 12, 3)),
    "video": FeatureSpec(name="x", type="video", shape=(3, 12, 10, 1)),
    "bytes": FeatureSpec(name="x", type="text", shape=(40,)),
    "tokens": FeatureSpec(name="x", type="text", shape=(6, 4)),
    "audio": FeatureSpec(name="x", type="audio", shape=(400,), sample_rate=8000),
    "sensor": FeatureSpec(name="x", type="sensor", shape=(50, 2)),
    "vector": FeatureSpec(name="x", type="vector", shape=(5,)),
}
WORDS = (b"play", "füße".encode(), b"now", b"please", b"a")


def batch_of(kind: str, count: int = BATCH) -> np.ndarray:
    feature, generator = FEATURES[kind], np.random.default_rng(0)
    shape = (count, *feature.shape)
    match feature.type:
        case "audio":
            return generator.integers(-20_000, 20_000, shape).astype(np.int16)
        case "sensor" | "vector":
            return generator.normal(3.0, 2.0, shape).astype(np.float32)
        case "text":
            values = np.zeros(shape, np.uint8)
            for row in values:
                chosen = [WORDS[index] for index in generator.integers(0, len(WORDS), 6)]
                if kind == "bytes":
                    text = b" ".join(chosen)[:40]
                    row[: len(text)] = list(text)
                else:
                    for place, word in enumerate(chosen):
                        row[place, : len(word[:4])] = list(word[:4])
            return values
    return generator.integers(60, 190, shape).astype(np.uint8)


def info_of(declared: dict[str, Any], *features: FeatureSpec, task: TaskSpec | None = None) -> DatasetInfo:
    task = task or TaskSpec(num_classes=3)
    empty = {"num_examples": 0, "splits": {}, "class_counts": {}, "seed": 0}
    classes = [str(index) for index in range(task.num_classes or 0)]
    augmentation = Augmentation(**declared)
    return DatasetInfo(task=task, features=list(features), classes=classes, augmentation=augmentation, **empty)


def augmented(info: DatasetInfo, batch: dict, targets: dict, *, number: int = 0, seed: int = 7, stream: int = 0):
    from ml.data.augmenting import Augment

    features, targets = Augment(info, seed=seed, stream=stream)(number, (batch, targets))
    return {name: np.asarray(value) for name, value in features.items()}, targets


def varied(kind: str, values: np.ndarray | None = None, *, number: int = 0, seed: int = 7, **declared: Any):
    values = batch_of(kind) if values is None else values
    info = info_of(declared, FEATURES[kind])
    found, _ = augmented(info, {"x": values}, {"label": np.zeros(len(values), np.int64)}, number=number, seed=seed)
    return found["x"]


CASES = [
    *[("grey", name, 0.3) for name in ("shift", "zoom", "brightness", "contrast", "noise")],
    *[("grey", name, value) for name, value in (("rotate", 30.0), ("shear", 20.0), ("flip", True), ("mixup", 0.5))],
    *[("colour", "shift", 0.3), ("colour", "mixup", 0.5), ("video", "rotate", 30.0), ("video", "mixup", 0.5)],
    *[(kind, name, 0.3) for kind in ("audio", "sensor") for name in ("shift", "gain", "noise", "drop", "mixup")],
    *[("bytes", "drop", 0.5), ("tokens", "drop", 0.5), ("vector", "noise", 0.3), ("vector", "mixup", 0.5)],
]


@pytest.mark.parametrize(("kind", "name", "value"), CASES)
def test_it_changes_values_by_seed_and_batch_number_alone(tensorflow, kind, name, value):
    values = batch_of(kind)
    tensorflow.random.set_seed(1)
    found = varied(kind, values, **{name: value})
    tensorflow.random.set_seed(2)
    assert (found.dtype, found.shape) == (values.dtype, values.shape)
    assert np.isfinite(found).all()
    changed = (found != values).reshape(BATCH, -1).any(axis=1).mean()
    assert changed > (0.3 if name == "flip" else 0.8)
    assert np.array_equal(found, varied(kind, values, **{name: value}))
    assert not np.array_equal(found, varied(kind, values, number=1, **{name: value}))
    assert not np.array_equal(found, varied(kind, values, seed=8, **{name: value}))


@pytest.mark.parametrize("kind", FEATURES)
def test_what_is_not_of_its_kind_changes_nothing(tensorflow, kind):
    picture = {"rotate": 30, "zoom": 0.3, "shear": 9, "flip": True, "brightness": 0.3, "contrast": 0.3}
    others: dict[str, dict[str, Any]] = {
        "image": {"gain": 0.5, "drop": 0.5},
        "video": {"gain": 0.5, "drop": 0.5},
        "text": {**picture, "shift": 0.3, "noise": 0.3, "gain": 0.5, "mixup": 1.0},
        "vector": {**picture, "shift": 0.3, "gain": 0.5, "drop": 0.5},
        "audio": picture,
        "sensor": picture,
    }
    values = batch_of(kind)
    assert np.array_equal(varied(kind, values, **others[FEATURES[kind].type]), values)
    # With nothing declared, too.
    assert np.array_equal(varied(kind, values), values)


def test_features_and_streams_have_chances_of_their_own(tensorflow):
    one, other = (FEATURES["grey"].model_copy(update={"name": name}) for name in ("one", "other"))
    info, values = info_of({"brightness": 0.3}, one, other), batch_of("grey")
    label = {"label": np.zeros(BATCH, np.int64)}
    found, _ = augmented(info, {"one": values, "other": values}, label)
    again, _ = augmented(info, {"one": values, "other": values}, label, stream=1)
    moves = [(varied.astype(int) - values).mean(axis=(1, 2, 3)) for varied in (*found.values(), *again.values())]
    assert np.abs(np.corrcoef(moves) - np.eye(4)).max() < 0.4


# --- Pictures ---


def test_a_shift_moves_the_picture_by_no_more_than_its_share(tensorflow):
    dot = np.zeros((BATCH, 20, 16, 1), np.uint8)
    dot[:, 8:12, 6:10] = 200
    found = varied("grey", dot, shift=0.2)[..., 0].astype(float)
    weight = found.sum(axis=(1, 2))
    rows = (found.sum(axis=2) * np.arange(20)).sum(axis=1) / weight - 9.5
    columns = (found.sum(axis=1) * np.arange(16)).sum(axis=1) / weight - 7.5
    assert np.abs(rows).max() <= 0.2 * 20 + 0.05
    assert np.abs(columns).max() <= 0.2 * 16 + 0.05
    # It goes up to the limit, to all sides, by parts of a pixel.
    assert rows.min() < -3 < 3 < rows.max()
    assert columns.min() < -2 < 2 < columns.max()
    # What comes in is black.
    assert found.min() == 0
    assert np.allclose(weight, 16 * 200, rtol=0.02)


def test_a_rotation_is_around_the_middle_by_no_more_than_its_angle(tensorflow):
    bar = np.zeros((BATCH, 20, 16, 1), np.uint8)
    bar[:, 4:16, 7:9] = 255
    found = varied("grey", bar, rotate=40)[..., 0].astype(float)
    rows, columns = np.mgrid[:20, :16] - np.array([9.5, 7.5]).reshape(2, 1, 1)
    # The main axis of the second moments says how the bar lies.
    covariance = (found * rows * columns).sum(axis=(1, 2))
    difference = (found * (rows**2 - columns**2)).sum(axis=(1, 2))
    angles = np.degrees(0.5 * np.arctan2(2 * covariance, difference))
    assert np.abs(angles).max() <= 41
    assert angles.min() < -30 < 30 < angles.max()
    # A disc around the middle stays what it is, but for its edge.
    disc = np.repeat(np.where(rows**2 + columns**2 < 49, 200, 0)[np.newaxis, :, :, np.newaxis], BATCH, axis=0)
    turned = varied("grey", disc.astype(np.uint8), rotate=180)[..., 0]
    inner = rows**2 + columns**2 < 30
    assert (turned[:, inner] == 200).all()


def test_zoom_and_shear_change_sizes_and_angles_within_their_limits(tensorflow):
    square = np.zeros((BATCH, 20, 16, 1), np.uint8)
    square[:, 6:14, 4:12] = 200
    found = varied("grey", square, zoom=0.25)[..., 0].astype(float) / 200
    heights, widths = found[:, :, 7:9].mean(axis=2).sum(axis=1), found[:, 9:11].mean(axis=1).sum(axis=1)
    for sizes in (heights, widths):
        assert 8 / 1.25 - 0.3 <= sizes.min() < 7
        assert 9.5 < sizes.max() <= 8 / 0.75 + 0.3
    assert abs(np.corrcoef(heights, widths)[0, 1]) < 0.4
    sheared = varied("grey", square, shear=30)[..., 0].astype(float) / 200
    rows, columns = np.mgrid[:20, :16] - np.array([9.5, 7.5]).reshape(2, 1, 1)
    lean = (sheared * rows * columns).sum(axis=(1, 2)) / (sheared * rows**2).sum(axis=(1, 2))
    assert np.abs(lean).max() <= np.tan(np.radians(30)) + 0.05
    assert lean.min() < -0.3 < 0.3 < lean.max()


def test_half_of_the_pictures_are_flipped_left_and_right(tensorflow):
    values = batch_of("colour", 400)
    found = varied("colour", values, flip=True)
    flipped = (found != values).reshape(400, -1).any(axis=1)
    assert 140 < flipped.sum() < 260
    assert np.array_equal(found[flipped], values[flipped, :, ::-1])


def test_brightness_and_contrast_stay_within_their_limits(tensorflow):
    values = batch_of("grey").astype(float)
    moved = varied("grey", brightness=0.2).astype(float) - values
    assert np.ptp(moved.reshape(BATCH, -1), axis=1).max() <= 1  # all pixels alike, but for rounding
    means = moved.mean(axis=(1, 2, 3))
    assert np.abs(means).max() <= 0.2 * 255 + 0.5
    assert means.min() < -40 < 40 < means.max()
    found = varied("grey", contrast=0.4).astype(float)
    assert np.abs((found - values).mean(axis=(1, 2, 3))).max() < 0.5
    factors = found.std(axis=(1, 2, 3)) / values.std(axis=(1, 2, 3))
    assert 0.6 - 0.02 <= factors.min() < 0.7
    assert 1.3 < factors.max() <= 1.4 + 0.02
    # Pixels stay pixels.
    assert varied("grey", brightness=1.0).max() == 255
    assert varied("grey", brightness=1.0).min() == 0


def test_noise_has_the_deviation_that_it_says(tensorflow):
    values = batch_of("grey", 8)
    noise = varied("grey", values, noise=0.1).astype(float) - values
    assert noise.std() == pytest.approx(25.5, rel=0.05)
    assert abs(noise.mean()) < 1
    signal = batch_of("sensor")
    noise = (varied("sensor", signal, noise=0.1) - signal) / signal.std(axis=1, keepdims=True)
    assert noise.std() == pytest.approx(0.1, rel=0.05)
    vector = batch_of("vector", 500) * np.array([1, 10, 0, 1, 1], np.float32)
    noise = varied("vector", vector, noise=0.2) - vector
    assert noise.std(axis=0) == pytest.approx(0.2 * vector.std(axis=0), rel=0.15)


def test_all_frames_of_a_video_are_changed_alike(tensorflow):
    still = np.repeat(batch_of("video")[:, :1], 3, axis=1)
    everything: dict[str, Any] = {
        "shift": 0.2,
        "rotate": 20,
        "zoom": 0.2,
        "shear": 9,
        "flip": True,
        "brightness": 0.2,
        "contrast": 0.3,
    }
    found = varied("video", still, **everything)
    assert np.array_equal(found[:, 0], found[:, 1])
    assert np.array_equal(found[:, 0], found[:, 2])
    assert not np.array_equal(found[0], found[1])


# --- Signals ---


@pytest.mark.parametrize("kind", ["audio", "sensor"])
def test_a_signal_is_shifted_by_no_more_than_its_share(tensorflow, kind):
    values = batch_of(kind)
    steps = values.shape[1]
    found, moves = varied(kind, values, shift=0.2), []
    for before, after in zip(values, found, strict=True):
        fitting = []
        for move in range(-steps // 5, steps // 5 + 1):
            source = np.arange(steps) - move
            wanted = before[np.clip(source, 0, steps - 1)]
            if kind == "audio":  # silence, where a sensor keeps its first or last value
                wanted = np.where((source >= 0) & (source < steps), wanted, 0)
            fitting += [move] if np.array_equal(wanted, after) else []
        assert len(fitting) == 1
        moves += fitting
    assert min(moves) < -steps // 8
    assert max(moves) > steps // 8


def test_the_labels_of_steps_do_not_lose_theirs(tensorflow):
    sensor, video = FEATURES["sensor"], FEATURES["video"]
    task = TaskSpec(type="sequence", num_classes=3)
    label = {"label": np.zeros((BATCH, 50), np.int64)}
    found, _ = augmented(info_of({"shift": 0.3}, sensor, task=task), {"x": batch_of("sensor")}, label)
    assert np.array_equal(found["x"], batch_of("sensor"))
    # The pictures of a video can move.
    found, _ = augmented(info_of({"shift": 0.3}, video, task=task), {"x": batch_of("video")}, label)
    assert not np.array_equal(found["x"], batch_of("video"))


def test_gain_changes_the_amplitude_within_its_limit(tensorflow):
    values = batch_of("sensor")
    factors = varied("sensor", values, gain=0.5) / values
    assert np.ptp(factors.reshape(BATCH, -1), axis=1).max() < 1e-5
    assert 0.5 <= factors.min() < 0.6
    assert 1.4 < factors.max() <= 1.5
    loud = np.full((BATCH, 400), 32_000, np.int16)
    assert varied("audio", loud, gain=0.9).max() == 32_767


def test_a_part_of_a_signal_no_longer_than_its_share_is_left_out(tensorflow):
    values = batch_of("sensor")
    changed = varied("sensor", values, drop=0.4) != values
    assert np.array_equal(changed[:, :, 0], changed[:, :, 1])
    lengths = changed[:, :, 0].sum(axis=1)
    assert 0 <= lengths.min() < 5
    assert 15 < lengths.max() <= 20
    for example, before, row in zip(varied("sensor", values, drop=0.4), values, changed[:, :, 0], strict=True):
        places = np.flatnonzero(row)
        if len(places):
            assert places[-1] - places[0] + 1 == len(places)
            np.testing.assert_allclose(example[places], np.tile(before.mean(axis=0), (len(places), 1)), rtol=1e-5)


# --- Texts ---


def test_whole_words_but_the_first_become_spaces(tensorflow):
    values = batch_of("bytes", 300)
    values[0, 1:] = values[0, :-1]
    values[0, 0] = ord(" ")  # a space in front does not make all words later ones
    found = varied("bytes", values, drop=0.5)
    words = dropped = 0
    for before, after in zip(values, found, strict=True):
        assert np.array_equal(before == 0, after == 0)
        start, is_first = 0, True
        for word in bytes(before).rstrip(b"\0").split(b" "):
            left = bytes(after[start : start + len(word)])
            assert left in (word, b" " * len(word))
            if word and is_first:
                assert left == word
                is_first = False
            elif word:
                words, dropped = words + 1, dropped + (left != word)
            start += len(word) + 1
    assert 0.44 < dropped / words < 0.56


def test_tokens_but_the_first_become_empty(tensorflow):
    values = batch_of("tokens", 300)
    found = varied("tokens", values, drop=0.3)
    kept = (found == values).all(axis=2)
    assert kept[:, 0].all()
    assert ((found == 0).all(axis=2) | kept).all()
    assert 0.25 < 1 - kept[:, 1:].mean() < 0.35


# --- Mixing ---


@pytest.mark.parametrize("kind", ["grey", "audio", "vector"])
def test_examples_are_mixed_with_the_one_before_them_and_so_are_labels(tensorflow, kind):
    values, labels = batch_of(kind), np.arange(BATCH) % 3
    found, targets = augmented(info_of({"mixup": 0.4}, FEATURES[kind]), {"x": values}, {"label": labels})
    share = targets["share"].numpy()
    assert np.array_equal(targets["label"], labels)
    assert np.array_equal(targets["other"], np.roll(labels, 1))
    assert ((share >= 0.5) & (share <= 1)).all()
    own = share.reshape(-1, *[1] * (values.ndim - 1)).astype(float)
    expected = own * values + (1 - own) * np.roll(values, 1, axis=0)
    assert np.abs(found["x"] - expected).max() <= (0.51 if values.dtype != np.float32 else 1e-5)


def test_shares_are_those_of_a_beta_distribution(tensorflow):
    values, labels = batch_of("vector", 4000), np.zeros(4000, np.int64)
    for alpha in (0.2, 2.0):
        _, targets = augmented(info_of({"mixup": alpha}, FEATURES["vector"]), {"x": values}, {"label": labels})
        share = targets["share"].numpy()
        drawn = np.random.default_rng(0).beta(alpha, alpha, 100_000)
        expected = np.maximum(drawn, 1 - drawn)
        quantiles = [0.1, 0.25, 0.5, 0.75, 0.9]
        assert np.quantile(share, quantiles) == pytest.approx(np.quantile(expected, quantiles), abs=0.02)


def test_all_features_of_an_example_are_mixed_with_one_share(tensorflow):
    one, other = (FEATURES["vector"].model_copy(update={"name": name}) for name in ("one", "other"))
    values, label = batch_of("vector"), {"label": np.zeros(BATCH, np.int64)}
    found, _ = augmented(info_of({"mixup": 1.0}, one, other), {"one": values, "other": values}, label)
    assert np.array_equal(found["one"], found["other"])


def test_only_classes_of_what_is_no_text_are_mixed(tensorflow):
    values = batch_of("vector")
    task = TaskSpec(type="regression", num_values=2)
    label = {"label": np.zeros((BATCH, 2), np.float32)}
    found, targets = augmented(info_of({"mixup": 1.0}, FEATURES["vector"], task=task), {"x": values}, label)
    assert np.array_equal(found["x"], values)
    assert list(targets) == ["label"]
