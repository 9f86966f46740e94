"""tf.data pipelines: streamed from TFRecord files, shuffled by seed, kept in memory when the decoded values fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import tensorflow as tf

from ml.data.augmenting import Augment
from ml.data.dataset import DatasetInfo, Split, split_path
from ml.data.decoding import Batch, decode_batch, example_bytes
from ml.refusal import RefusedError

CACHE_BYTES = 256_000_000
SHUFFLE_RECORDS = 20_000
READ_BATCH = 512
_PARALLEL = 2


@dataclass(frozen=True)
class Pipeline:
    """The splits of a dataset folder as tf.data of ({feature: raw values [batch, …]}, {"label": labels [batch, …]}).

    Values are those of `FeatureSpec`, labels those of `ml.tasks.labels`.
    """

    folder: Path
    info: DatasetInfo

    def training_batches(
        self, *, batch_size: int, seed: int, start_step: int = 0, unlabelled_batch_size: int = 0
    ) -> tf.data.Dataset:
        """Endless batches, each epoch in its own order, which depends on `seed` and the epoch's number alone.

        With `start_step` the stream begins at that batch: exactly what a run without a break would see there.
        `unlabelled_batch_size` examples without labels are added to each batch.
        """
        batches = self._varied("train", batch_size=batch_size, seed=seed, start_step=start_step)
        if unlabelled_batch_size:
            more = self._varied("unlabelled", batch_size=unlabelled_batch_size, seed=seed, start_step=start_step)
            batches = tf.data.Dataset.zip(batches, more).map(_joined, num_parallel_calls=_PARALLEL)
        return batches.prefetch(4)

    def batches(self, split: Split, *, batch_size: int = READ_BATCH) -> tf.data.Dataset:
        """One pass over a split, in the order of the file; the last batch may be smaller."""
        records = self._records(split).batch(batch_size)
        return records.map(partial(self._decode, split=split), num_parallel_calls=_PARALLEL).prefetch(2)

    def _varied(self, split: Split, *, batch_size: int, seed: int, start_step: int) -> tf.data.Dataset:
        """Shuffled batches with the dataset's augmentation; examples with a label are mixed with such alone."""
        batches = self._shuffled(split, batch_size=batch_size, seed=seed, start_step=start_step)
        if self.info.augmentation.is_empty:
            return batches
        numbered = tf.data.Dataset.zip(tf.data.Dataset.counter(start_step), batches)
        augment = Augment(self.info, seed=seed, stream=int(split == "unlabelled"))
        return numbered.map(augment, num_parallel_calls=_PARALLEL)

    def _shuffled(self, split: Split, *, batch_size: int, seed: int, start_step: int) -> tf.data.Dataset:
        count = self.info.splits.get(split, 0)
        if count == 0:
            raise RefusedError("empty_split", f"The {split} split has no examples.")
        first, offset = divmod(start_step * batch_size, count)
        epochs = tf.data.Dataset.range(first, tf.int64.max)
        if count * example_bytes(self.info) <= CACHE_BYTES:
            gather = self._held[split] if split in self._held else self._hold(split)
            order = epochs.flat_map(lambda epoch: tf.data.Dataset.from_tensor_slices(_order(count, seed, epoch)))
            indices = order.skip(offset).batch(batch_size, drop_remainder=True)
            return indices.map(gather, num_parallel_calls=_PARALLEL)
        records = self._records(split)
        buffer = min(count, SHUFFLE_RECORDS)
        shuffled = epochs.flat_map(
            lambda epoch: records.shuffle(buffer, seed=seed + epoch, reshuffle_each_iteration=False)
        )
        batches = shuffled.skip(offset).batch(batch_size, drop_remainder=True)
        return batches.map(partial(self._decode, split=split), num_parallel_calls=_PARALLEL)

    @cached_property
    def _held(self) -> dict[Split, Callable[[tf.Tensor], Batch]]:
        return {}

    def _hold(self, split: Split) -> Callable[[tf.Tensor], Batch]:
        """Decodes the whole split into memory; gives a function of indices [batch] that picks from it."""
        parts = list(self.batches(split))
        features = {name: tf.concat([part[0][name] for part in parts], 0) for name in parts[0][0]}
        label = tf.concat([part[1]["label"] for part in parts], 0)

        def gather(indices: tf.Tensor) -> Batch:
            picked = {name: tf.gather(values, indices) for name, values in features.items()}
            return picked, {"label": tf.gather(label, indices)}

        self._held[split] = gather
        return gather

    def _records(self, split: Split) -> tf.data.Dataset:
        return tf.data.TFRecordDataset(str(split_path(self.folder, split)), buffer_size=1 << 20)

    def _decode(self, records: tf.Tensor, *, split: Split) -> Batch:
        return decode_batch(records, self.info, is_labelled=split != "unlabelled")


def _order(count: int, seed: int, epoch: tf.Tensor) -> tf.Tensor:
    """The examples of an epoch in its own order: a permutation that depends on seed and epoch alone."""
    key = tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])
    return tf.random.experimental.stateless_shuffle(tf.range(count), seed=key)


def _joined(labelled: Batch, unlabelled: Batch) -> Batch:
    features = {name: tf.concat([values, unlabelled[0][name]], 0) for name, values in labelled[0].items()}
    return features, {name: tf.concat([values, unlabelled[1][name]], 0) for name, values in labelled[1].items()}
