"""The files of TensorBoard's projector: what students make of real examples, as points coloured by label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ml.data.pipeline import Pipeline
from ml.files import write_bytes_atomically
from ml.training.embeddings import Points, embedding_layers, embeddings
from ml.training.networks import Network
from ml.training.sampling import spaced_records, watched_split

MAX_POINTS = 1000
# Of wider points every n-th value is taken: a page has to load them.
MAX_WIDTH = 2000


def write_projector(networks: Sequence[Network], pipeline: Pipeline, tensorboard: Path) -> list[str]:
    """Writes projector_config.pbtxt and, for each student with points, projector/<id>/tensors.tsv and metadata.tsv.

    See `ml.training.embeddings` for what the points are; up to 1,000, of the validation split, else test, else
    train. Returns the ids of the students that have some: one that is no Keras model has none.
    """
    records = list(spaced_records(pipeline, watched_split(pipeline), _examples(pipeline)))
    written: dict[str, Points] = {}
    for network in networks:
        if network.role != "student" or not embedding_layers(network.model) or not records:
            continue
        points, rows = embeddings(network.model, records, pipeline.info)
        every = max(1, -(-len(points) // MAX_POINTS))
        points, rows = points[::every, :: max(1, -(-points.shape[1] // MAX_WIDTH))], rows[::every]
        folder = tensorboard / "projector" / network.spec.id
        write_bytes_atomically(folder / "tensors.tsv", _table(points))
        write_bytes_atomically(
            folder / "metadata.tsv", "".join(f"{row}\n" for row in ("label\texample", *rows)).encode()
        )
        written[network.spec.id] = points
    config = "".join(_entry(name, points) for name, points in written.items())
    write_bytes_atomically(tensorboard / "projector_config.pbtxt", config.encode())
    return list(written)


def _entry(name: str, points: Points) -> str:
    """An embedding of a ProjectorConfig in protobuf's text format; ids have nothing to be escaped."""
    return f"""embeddings {{
  tensor_name: "{name}"
  tensor_path: "projector/{name}/tensors.tsv"
  tensor_shape: {points.shape[0]}
  tensor_shape: {points.shape[1]}
  metadata_path: "projector/{name}/metadata.tsv"
}}
"""


def _examples(pipeline: Pipeline) -> int:
    """How many to read. In a sequence task each has several points, but may be mostly padding."""
    steps = pipeline.info.features[0].steps if pipeline.info.task.type == "sequence" else None
    return MAX_POINTS if steps is None else min(MAX_POINTS, max(20, 4 * MAX_POINTS // steps))


def _table(points: Points) -> bytes:
    line = "\t".join(["%.5g"] * points.shape[1]) + "\n"
    return "".join(line % tuple(row) for row in points.tolist()).encode()
