from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

from tests.ml.layers.texts import TEXTS, as_bytes

pytestmark = pytest.mark.engine


def slow_ngrams(raw: bytes, buckets: int, *, words: int, factor: int) -> dict[str, list[int]]:
    """The buckets of a text by kind of n-gram, in Python's unbounded integers, from the text as a person reads it."""
    from ml.layers.hashed_ngrams import MIX_PRIME, SYMBOLS, WORD_PRIME, symbol_table

    table = symbol_table().tolist()

    def bucket(x: int, y: int) -> int:
        value = (x % MIX_PRIME) * factor + y
        assert value < 2**31
        return value % buckets

    text = raw.rstrip(b"\0")
    padded = [1, *(table[byte] for byte in text), 1, 1]
    found: dict[str, list[int]] = {}
    for length in (2, 3, 4):
        codes = []
        for start in range(len(text)):
            code = 0
            for symbol in padded[start : start + length]:
                code = code * SYMBOLS + symbol
            codes.append(code)
        found[f"characters {length}"] = [bucket(code, code) for code in codes]
    hashes = []
    for word in re.findall(rb"[0-9a-z\x80-\xff]+", text.lower()):
        symbols = [0, *(table[byte] for byte in word)]
        hashes.append(sum((a * SYMBOLS + b) ** 2 % WORD_PRIME for a, b in pairwise(symbols)))
    if words > 0:
        found["words"] = [bucket(x, x) for x in hashes]
    if words > 1:
        found["pairs"] = [bucket(x, y) for x, y in pairwise(hashes)]
    return found


def by_kind(index: np.ndarray, valid: np.ndarray, size: int, *, words: int = 2) -> dict[str, list[int]]:
    """The valid buckets of one text by kind, in order."""
    places = {"characters 2": size, "characters 3": size, "characters 4": size}
    if words > 0:
        places["words"] = size // 2 + 1
    if words > 1:
        places["pairs"] = size // 2
    assert sum(places.values()) == len(index) == len(valid)
    found, start = {}, 0
    for name, count in places.items():
        part = slice(start, start + count)
        found[name] = index[part][valid[part] > 0].tolist()
        start += count
    return found


@pytest.mark.parametrize(("words", "buckets", "factor"), [(2, 2048, 24499), (1, 999, 8193), (0, 1, 24499)])
def test_ngrams_equal_the_reference(tensorflow, words, buckets, factor):
    from ml.layers.hashed_ngrams import hashed_ngrams

    for size in (1, 2, 9, 40):
        raw = as_bytes(TEXTS, size)
        index, valid = (part.numpy() for part in hashed_ngrams(raw, buckets, words=words, factor=factor))
        assert set(np.unique(valid)) <= {0.0, 1.0}
        for row in range(len(raw)):
            expected = slow_ngrams(raw[row].tobytes(), buckets, words=words, factor=factor)
            assert by_kind(index[row], valid[row], size, words=words) == expected


def test_the_longest_text_of_the_largest_values_does_not_overflow(tensorflow):
    from ml.layers.hashed_ngrams import MAX_BYTES, MIX_FACTOR, hashed_ngrams

    raw = np.full((1, MAX_BYTES), 255, np.uint8)
    index, valid = (part.numpy()[0] for part in hashed_ngrams(raw, 4096))
    assert by_kind(index, valid, MAX_BYTES) == slow_ngrams(raw.tobytes(), 4096, words=2, factor=MIX_FACTOR)


def test_no_word_of_the_greatest_sum_overflows(tensorflow):
    """The bound behind MAX_BYTES: every letter at its largest value, then in a pair with itself."""
    from ml.layers.hashed_ngrams import MAX_BYTES, MIX_FACTOR, MIX_PRIME, SYMBOLS, WORD_PRIME

    assert (SYMBOLS**2 - 1) ** 2 < 2**31
    largest = max(MAX_BYTES * (WORD_PRIME - 1), SYMBOLS**4 - 1)
    assert (MIX_PRIME - 1) * MIX_FACTOR + largest < 2**31


def test_words_are_told_apart_and_found_again(tensorflow):
    from ml.layers.hashed_ngrams import hashed_ngrams

    def words(text: str) -> list[int]:
        raw = as_bytes([text], 64)
        index, valid = (part.numpy()[0] for part in hashed_ngrams(raw, 2**30))
        return by_kind(index, valid, 64)["words"]

    first, second, third, fourth = words("Stop, pots!  STOP (tops)")
    assert first == third
    assert len({first, second, fourth}) == 3
    assert words("stop") == [first]
    assert words(" ,, \t\n") == words("") == []
    vocabulary = {f"{a}{b}{c}" for a in "abcdefgh" for b in "aeiou" for c in "lmnrst"}
    assert len({words(word)[0] for word in vocabulary}) > 0.99 * len(vocabulary)


def test_buckets_are_used_evenly(tensorflow):
    """The chi-square statistic of the different n-grams of many texts over 64 buckets, 63 degrees of freedom."""
    from ml.layers.hashed_ngrams import hashed_ngrams

    generator = np.random.default_rng(0)
    raw = generator.choice(np.frombuffer(b"etaoinshrdlu ETA .5", np.uint8), (200, 60))
    index, valid = hashed_ngrams(raw, 2**31 - 1)
    different = np.unique(index.numpy()[valid.numpy() > 0])
    exact, _ = hashed_ngrams(raw, 64)
    # The same n-grams, each once: by the first place that it has.
    _, places = np.unique(index.numpy()[valid.numpy() > 0], return_index=True)
    counts = np.bincount(exact.numpy()[valid.numpy() > 0][places], minlength=64)
    expected = len(different) / 64
    assert len(different) > 10_000
    assert np.sum((counts - expected) ** 2 / expected) < 120


def test_ngrams_that_collide_part_with_another_seed(tensorflow):
    from ml.layers.hashed_ngrams import hashed_ngrams, mix_factor

    assert mix_factor(1) == mix_factor(1) != mix_factor(2)
    raw = np.random.default_rng(0).choice(np.frombuffer(b"etaoinshrdlu ETA .5", np.uint8), (200, 60))
    exact, valid = (part.numpy() for part in hashed_ngrams(raw, 2**31 - 1))
    _, places = np.unique(exact[valid > 0], return_index=True)
    first, second = (hashed_ngrams(raw, 64, factor=mix_factor(seed))[0].numpy()[valid > 0][places] for seed in (1, 2))
    together = first[0] == first[1:]
    assert together.sum() > 100
    # One in 64 by chance.
    assert np.mean(second[0] == second[1:][together]) < 0.1


def test_litert_has_the_same_ngrams(tensorflow, in_litert):
    from ml.layers.hashed_ngrams import HashedNgrams

    raw = as_bytes(TEXTS, 40)
    layer = HashedNgrams(2048)
    index, valid = (part.numpy() for part in layer(raw))
    both = tensorflow.keras.layers.Lambda(
        lambda x: tensorflow.concat([tensorflow.cast(part, tensorflow.float32) for part in layer(x)], 1)
    )
    runtime = in_litert(both, (40,), dtype="uint8")
    for row in range(len(raw)):
        assert np.array_equal(runtime(raw[row]), np.concatenate([index[row], valid[row]]))
    assert "ONE_HOT" not in runtime.operators


def test_a_saved_layer_gives_the_same_ngrams(tensorflow):
    from ml.layers.hashed_ngrams import HashedNgrams

    raw = as_bytes(TEXTS, 40)
    layer = HashedNgrams(100, words=1, factor=9001)
    again = HashedNgrams.from_config(layer.get_config())
    for one, other in zip(layer(raw), again(raw), strict=True):
        assert np.array_equal(one, other)
    assert layer.compute_output_shape((None, 40)) == ((None, 141), (None, 141))
    assert layer(raw)[0].shape == (len(raw), 141)


@pytest.mark.parametrize(
    ("size", "buckets", "options", "message"),
    [
        (2**14 + 1, 8, {}, "16385 bytes. Accepted: 1 to 16384"),
        (4, 0, {}, "Received: 0. Accepted: 1 or more"),
        (4, 8, {"words": 3}, "Received: 3. Accepted: 0, 1 or 2"),
        (4, 8, {"factor": 30_000}, "Received: 30000. Accepted: 1 to 24499"),
    ],
)
def test_what_can_not_be_hashed_is_refused(tensorflow, size, buckets, options, message):
    from ml.layers.hashed_ngrams import hashed_ngrams

    with pytest.raises(ValueError, match=message):
        hashed_ngrams(np.zeros((1, size), np.uint8), buckets, **options)
