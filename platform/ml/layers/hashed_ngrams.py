"""The n-grams of raw UTF-8 as numbers: the integer part of every model of text, in the graph.

An n-gram of characters is written as a number to the base of the number of symbols, which is exact for up to four. A
word is the sum of a non-linear hash over its pairs of neighbours, the first letter's being the edge; letters find
their word by the number of words that ended before them. So there is neither a loop nor a running value to be reset.
An n-gram's bucket is h(x, y) = ((x mod p)·m + y) mod buckets, with y = x but for pairs of words.

Every intermediate value is at least 0 and below 2^31: nothing depends on what a runtime does when an int32 overflows.
The operators are as old as runtime 2.10.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

# A longer text could overflow the sum over a word.
MAX_BYTES = 2**14
# Symbols: 0 is not used, 1 the zero byte, white space and controls, then one for each punctuation mark; from here on
# what words are made of: digits, letters without case, and every byte of the characters outside ASCII.
FIRST_OF_WORDS = 34
SYMBOLS = FIRST_OF_WORDS + 10 + 26 + 128
# SYMBOLS^4 + MIX_PRIME·MIX_FACTOR is just below 2^31.
MIX_PRIME, MIX_FACTOR = 24571, 24499
# The largest prime below 2^16.
WORD_PRIME = 65521


def symbol_table() -> npt.NDArray[np.uint8]:
    """The symbol of each byte: uint8 [256]."""
    table = np.ones(256, np.uint8)
    punctuation = [byte for byte in range(33, 127) if not chr(byte).isalnum()]
    table[punctuation] = np.arange(2, FIRST_OF_WORDS)
    table[ord("0") : ord("9") + 1] = FIRST_OF_WORDS + np.arange(10)
    table[ord("a") : ord("z") + 1] = table[ord("A") : ord("Z") + 1] = FIRST_OF_WORDS + 10 + np.arange(26)
    table[128:] = FIRST_OF_WORDS + 36 + np.arange(128)
    return table


def ngram_count(size: int, words: int = 2) -> int:
    """How many places for n-grams a text of `size` bytes has, valid or not."""
    return 3 * size + (0, size // 2 + 1, 2 * (size // 2) + 1)[words]


def mix_factor(seed: int) -> int:
    """An odd multiplier m by `seed`: texts hash to other buckets with another one."""
    return int(np.random.Generator(np.random.PCG64(seed)).integers(2**12, MIX_FACTOR // 2)) * 2 + 1


def hashed_ngrams(
    raw: tf.Tensor, buckets: int, *, words: int = 2, factor: int = MIX_FACTOR
) -> tuple[tf.Tensor, tf.Tensor]:
    """uint8 [batch, bytes], zeros after the end → bucket int32 [batch, n] and validity float32 [batch, n] of 0 and 1.

    In this order: characters 2-, 3- and 4-grams that begin one character before each byte of the text; words; pairs of
    words next to each other. n is `ngram_count(bytes, words)`; `words` is the longest n-gram of words: 0, 1 or 2.
    Beyond both ends of the text is white space. Upper and lower case of ASCII are one, and white space, controls and
    ASCII punctuation part words. Places that are not valid have some bucket as well.

    Raises ValueError for a text of more than 16384 bytes, fewer than one bucket, or other `words` or `factor`.
    """
    size = int(raw.shape[-1])
    if not 1 <= size <= MAX_BYTES:
        raise ValueError(f"A text has a size that can't be hashed. Received: {size} bytes. Accepted: 1 to {MAX_BYTES}")
    if buckets < 1:
        raise ValueError(f"There are no buckets. Received: {buckets}. Accepted: 1 or more")
    if words not in (0, 1, 2):
        raise ValueError(f"There is no such n-gram of words. Received: {words}. Accepted: 0, 1 or 2")
    if not 1 <= factor <= MIX_FACTOR:
        raise ValueError(f"The factor could overflow. Received: {factor}. Accepted: 1 to {MIX_FACTOR}")
    numbers = tf.cast(raw, tf.int32)
    symbols = tf.cast(tf.gather(tf.constant(symbol_table()), numbers), tf.int32)
    padded = tf.pad(symbols, [[0, 0], [1, 2]], constant_values=1)
    before = padded[:, :size]
    pairs = before * SYMBOLS + symbols
    triples = pairs * SYMBOLS + padded[:, 2 : size + 2]
    # Every symbol is at least 1, so that n-grams of different lengths are different numbers.
    first = second = [pairs, triples, triples * SYMBOLS + padded[:, 3:]]
    # What is zero exactly where an n-gram is not valid.
    marks = [numbers] * 3
    if words:
        inside = tf.cast(padded > FIRST_OF_WORDS - 1, tf.int32)
        hashes = _word_hashes(before, symbols, inside[:, :size], inside[:, 1 : size + 1])
        first, marks = [*first, hashes], [*marks, hashes]
        second = first
        if words > 1:
            following = hashes[:, 1:]
            first, second, marks = [*first, hashes[:, :-1]], [*second, following], [*marks, following]
    x = tf.concat(first, 1)
    y = x if first is second else tf.concat(second, 1)
    index = ((x % MIX_PRIME) * factor + y) % buckets
    return index, tf.cast(tf.minimum(tf.concat(marks, 1), 1), tf.float32)


def sum_by_index(values: tf.Tensor, index: tf.Tensor, size: int) -> tf.Tensor:
    """Adds up the values of each row [batch, n] that have the same index int32 [batch, n]: [batch, size]."""
    # A batch size that is known, as in an export, lets the converter fold what follows from it.
    rows = values.shape[0] if values.shape[0] is not None else tf.shape(values)[0]
    flat = tf.reshape(index + tf.range(rows)[:, tf.newaxis] * size, [-1])
    return tf.reshape(tf.math.unsorted_segment_sum(tf.reshape(values, [-1]), flat, rows * size), [-1, size])


def _word_hashes(before: tf.Tensor, here: tf.Tensor, was_inside: tf.Tensor, is_inside: tf.Tensor) -> tf.Tensor:
    """Symbols before and at each byte, and whether they are in a word (0 or 1) → int32 [batch, bytes // 2 + 1].

    A hash from 1 to 2^30 for each word, in the order of the text, then zeros.
    """
    size = int(here.shape[1])
    pairs = before * was_inside * SYMBOLS + here
    # Without the square, which is not linear, words of the same letters would have nearly the same sum.
    values = (pairs * pairs) % WORD_PRIME * is_inside
    ended = tf.cumsum(tf.maximum(was_inside - is_inside, 0), axis=1)
    return sum_by_index(values, ended, size // 2 + 1)


@tf_keras.saving.register_keras_serializable("bantam")
class HashedNgrams(tf_keras.layers.Layer):  # type: ignore[misc]
    """`hashed_ngrams` as a layer: uint8 [batch, bytes] → (int32 [batch, n], float32 [batch, n])."""

    def __init__(self, buckets: int, *, words: int = 2, factor: int = MIX_FACTOR, **kwargs: Any) -> None:
        super().__init__(autocast=False, **{**kwargs, "trainable": False})
        self.buckets = buckets
        self.words = words
        self.factor = factor

    def call(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return hashed_ngrams(inputs, self.buckets, words=self.words, factor=self.factor)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[tuple[int | None, int], ...]:
        shape = (input_shape[0], ngram_count(int(input_shape[-1] or 0), self.words))
        return shape, shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "buckets": self.buckets, "words": self.words, "factor": self.factor}
