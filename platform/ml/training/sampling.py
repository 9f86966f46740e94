"""A few examples of a split, from all over its file: files may be sorted by class."""

from __future__ import annotations

import tensorflow as tf

from ml.data.dataset import Split, split_path
from ml.data.decoding import decode_batch
from ml.data.pipeline import Pipeline


def watched_split(pipeline: Pipeline) -> Split:
    """The split to look at while training: validation if there is one, else test, else what is trained on."""
    splits: tuple[Split, ...] = ("validation", "test")
    return next((split for split in splits if pipeline.info.splits.get(split)), "train")


def spaced_records(pipeline: Pipeline, split: Split, limit: int) -> tf.data.Dataset:
    """At most `limit` serialized examples, every n-th of the file."""
    every = max(1, -(-pipeline.info.splits.get(split, 0) // limit))
    return tf.data.TFRecordDataset(str(split_path(pipeline.folder, split))).shard(every, 0).take(limit)


def watched_batch(pipeline: Pipeline, size: int) -> dict[str, tf.Tensor]:
    """At most `size` examples of the watched split, always the same: {feature: raw values}."""
    records = list(spaced_records(pipeline, watched_split(pipeline), size))
    return decode_batch(tf.stack(records), pipeline.info)[0]
