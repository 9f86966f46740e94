"""tf.data pipelines: streamed from TFRecord files, shuffled by seed, kept in memory when the decoded values fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import tensorflow as tf

from ml.data.augmenting import Augment
from ml.data.dataset import DatasetInfo, Split, split_path
from ml.data.decoding import Batch, decode_batch, example_bytes
from ml.data.derived import Derived
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
        self,
        *,
        batch_size: int,
        seed: int,
        start_step: int = 0,
        unlabelled_batch_size: int = 0,
        derived: Sequence[Derived] = (),
    ) -> tf.data.Dataset:
        """Endless batches, each epoch in its own order, which depends on `seed` and the epoch's number alone.

        With `start_step` the stream begins at that batch: exactly what a run without a break would see there.
        `unlabelled_batch_size` examples without labels are added to each batch. Features get the `derived` values
        beside them if those can be kept: if nothing is augmented, and all that is read fits in memory with them.
        """
        sizes: dict[Split, int] = {"train": batch_size}
        if unlabelled_batch_size:
            sizes["unlabelled"] = unlabelled_batch_size
        kept = derived if self.info.augmentation.is_empty and all(self._fits(one, derived) for one in sizes) else ()
        batches, *others = (
            self._varied(split, batch_size=size, seed=seed, start_step=start_step, derived=kept)
            for split, size in sizes.items()
        )
        for more in others:
            batches = tf.data.Dataset.zip(batches, more).map(_joined, num_parallel_calls=_PARALLEL)
        return batches.prefetch(4)

    def batches(self, split: Split, *, batch_size: int = READ_BATCH) -> tf.data.Dataset:
        """One pass over a split, in the order of the file; the last batch may be smaller."""
        if self._fits(split):
            return tf.data.Dataset.from_tensor_slices(self._held(split)).batch(batch_size).prefetch(2)
        return self._streamed(split, batch_size)

    def _streamed(self, split: Split, batch_size: int) -> tf.data.Dataset:
        records = self._records(split).batch(batch_size)
        return records.map(partial(self._decode, split=split), num_parallel_calls=_PARALLEL).prefetch(2)

    def _varied(
        self, split: Split, *, batch_size: int, seed: int, start_step: int, derived: Sequence[Derived]
    ) -> tf.data.Dataset:
        """Shuffled batches with the dataset's augmentation; examples with a label are mixed with such alone."""
        batches = self._shuffled(split, batch_size=batch_size, seed=seed, start_step=start_step, derived=derived)
        if self.info.augmentation.is_empty:
            return batches
        numbered = tf.data.Dataset.zip(tf.data.Dataset.counter(start_step), batches)
        augment = Augment(self.info, seed=seed, stream=int(split == "unlabelled"))
        return numbered.map(augment, num_parallel_calls=_PARALLEL)

    def _shuffled(
        self, split: Split, *, batch_size: int, seed: int, start_step: int, derived: Sequence[Derived]
    ) -> tf.data.Dataset:
        count = self.info.splits.get(split, 0)
        if count == 0:
            raise RefusedError("empty_split", f"The {split} split has no examples.")
        first, offset = divmod(start_step * batch_size, count)
        epochs = tf.data.Dataset.range(first, tf.int64.max)
        if self._fits(split):
            features, targets = self._held(split, derived)
            order = epochs.flat_map(lambda epoch: tf.data.Dataset.from_tensor_slices(_order(count, seed, epoch)))
            indices = order.skip(offset).batch(batch_size, drop_remainder=True)
            return indices.map(
                lambda picked: (_picked(features, picked), _picked(targets, picked)), num_parallel_calls=_PARALLEL
            )
        records = self._records(split)
        buffer = min(count, SHUFFLE_RECORDS)
        shuffled = epochs.flat_map(
            lambda epoch: records.shuffle(buffer, seed=seed + epoch, reshuffle_each_iteration=False)
        )
        batches = shuffled.skip(offset).batch(batch_size, drop_remainder=True)
        return batches.map(partial(self._decode, split=split), num_parallel_calls=_PARALLEL)

    def _fits(self, split: Split, derived: Sequence[Derived] = ()) -> bool:
        """Whether a split's decoded values, with those derived from them, can be kept in memory."""
        size = example_bytes(self.info) + sum(one.bytes for one in derived)
        return self.info.splits.get(split, 0) * size <= CACHE_BYTES

    def _held(self, split: Split, derived: Sequence[Derived] = ()) -> Batch:
        """The whole split in memory, which is decoded once, as one batch with its derived values."""
        if split not in self._decoded:
            parts = list(self._streamed(split, READ_BATCH))
            features = {name: tf.concat([part[0][name] for part in parts], 0) for name in parts[0][0]}
            self._decoded[split] = features, {"label": tf.concat([part[1]["label"] for part in parts], 0)}
        features, targets = self._decoded[split]
        count = self.info.splits[split]
        slices = [slice(start, start + READ_BATCH) for start in range(0, count, READ_BATCH)]
        parts = [{name: values[part] for name, values in features.items()} for part in slices] if derived else []
        more = {one.name: tf.concat([one.compute(part) for part in parts], 0) for one in derived}
        return {**features, **more}, targets

    @cached_property
    def _decoded(self) -> dict[Split, Batch]:
        return {}

    def _records(self, split: Split) -> tf.data.Dataset:
        return tf.data.TFRecordDataset(str(split_path(self.folder, split)), buffer_size=1 << 20)

    def _decode(self, records: tf.Tensor, *, split: Split) -> Batch:
        return decode_batch(records, self.info, is_labelled=split != "unlabelled")


def _picked(values: dict[str, tf.Tensor], indices: tf.Tensor) -> dict[str, tf.Tensor]:
    return {name: tf.gather(one, indices) for name, one in values.items()}


def _order(count: int, seed: int, epoch: tf.Tensor) -> tf.Tensor:
    """The examples of an epoch in its own order: a permutation that depends on seed and epoch alone."""
    key = tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])
    return tf.random.experimental.stateless_shuffle(tf.range(count), seed=key)


def _joined(labelled: Batch, unlabelled: Batch) -> Batch:
    features = {name: tf.concat([values, unlabelled[0][name]], 0) for name, values in labelled[0].items()}
    return features, {name: tf.concat([values, unlabelled[1][name]], 0) for name, values in labelled[1].items()}
