"""tf.data pipelines: streamed from TFRecord files, shuffled by seed, cached when the pixels fit in memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

import tensorflow as tf

from ml.data.dataset import DatasetInfo, Split, check_label, split_path
from ml.layers.pixels import PixelStatistics
from ml.refusal import RefusedError

CACHE_BYTES = 256_000_000
SHUFFLE_RECORDS = 20_000
_PARALLEL = 2


@dataclass(frozen=True)
class Pipeline:
    """The splits of a dataset folder as tf.data of (uint8 [batch, height, width, channels], int64 [batch])."""

    folder: Path
    info: DatasetInfo

    def training_batches(self, *, batch_size: int, seed: int, start_step: int = 0) -> tf.data.Dataset:
        """Endless batches, each epoch in its own order, which depends on `seed` and the epoch's number alone.

        With `start_step` the stream begins at that batch: exactly what a run without a break would see there.
        """
        count = self.info.splits["train"]
        records = tf.data.TFRecordDataset(str(split_path(self.folder, "train")))
        fits = count * prod(self.info.feature.shape) <= CACHE_BYTES
        elements = records.map(self._decode, num_parallel_calls=_PARALLEL).cache() if fits else records
        buffer = count if fits else min(count, SHUFFLE_RECORDS)

        def epoch(number: tf.Tensor) -> tf.data.Dataset:
            return elements.shuffle(buffer, seed=seed + number, reshuffle_each_iteration=False)

        first, offset = divmod(start_step * batch_size, count)
        examples = tf.data.Dataset.range(first, tf.int64.max).flat_map(epoch).skip(offset)
        batches = examples.batch(batch_size, drop_remainder=True)
        if not fits:
            batches = batches.map(self._decode_batch, num_parallel_calls=_PARALLEL)
        return batches.prefetch(4)

    def batches(self, split: Split, *, batch_size: int = 512) -> tf.data.Dataset:
        """One pass over a split, in the order of the file; the last batch may be smaller."""
        records = tf.data.TFRecordDataset(str(split_path(self.folder, split)))
        decoded = records.batch(batch_size).map(self._decode_batch, num_parallel_calls=_PARALLEL)
        return decoded.prefetch(2)

    def statistics(self) -> PixelStatistics:
        """Mean and deviation of each channel over the training split. Raises RefusedError if an example is damaged."""
        total = tf.zeros([self.info.feature.shape[2]], tf.float64)
        squares, count, lowest, highest = tf.zeros_like(total), 0, 0, 0
        try:
            for images, labels in self.batches("train"):
                values = tf.cast(images, tf.float64)
                total += tf.reduce_sum(values, [0, 1, 2])
                squares += tf.reduce_sum(values * values, [0, 1, 2])
                count += int(tf.size(images)) // self.info.feature.shape[2]
                lowest = min(lowest, int(tf.reduce_min(labels)))
                highest = max(highest, int(tf.reduce_max(labels)))
        except (tf.errors.InvalidArgumentError, tf.errors.DataLossError) as error:
            raise _broken_example(str(error.message)) from None
        except UnicodeDecodeError as error:
            # TensorFlow repeats the record's bytes in its message, and fails to make that a text.
            raise _broken_example(error.object.decode("ascii", "replace")) from None
        check_label(lowest, self.info)
        check_label(highest, self.info)
        if count == 0:
            raise RefusedError("empty_split", "The train split has no examples.")
        mean = total / count
        std = tf.sqrt(tf.maximum(squares / count - mean * mean, 0.0))
        return PixelStatistics(mean=tuple(mean.numpy().tolist()), std=tuple(std.numpy().tolist()))

    def _schema(self) -> dict[str, tf.io.FixedLenFeature]:
        return {
            self.info.feature.name: tf.io.FixedLenFeature([], tf.string),
            self.info.label: tf.io.FixedLenFeature([], tf.int64),
        }

    def _image(self, encoded: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.io.decode_png(encoded, self.info.feature.shape[2]), self.info.feature.shape)

    def _decode(self, record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        fields = tf.io.parse_single_example(record, self._schema())
        return self._image(fields[self.info.feature.name]), fields[self.info.label]

    def _decode_batch(self, records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        fields = tf.io.parse_example(records, self._schema())
        images = tf.map_fn(
            self._image,
            fields[self.info.feature.name],
            fn_output_signature=tf.TensorSpec(self.info.feature.shape, tf.uint8),
        )
        return images, fields[self.info.label]


def _broken_example(reason: str) -> RefusedError:
    printable = "".join(character if character.isprintable() else "?" for character in reason[:300])
    return RefusedError("broken_example", f"An example of the train split can't be read: {printable}")
