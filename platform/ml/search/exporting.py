"""The real file of a proposed model, before it has learned anything: its bytes are those that it will have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ml.conversion.export import Serving, convert
from ml.conversion.metadata import ModelMetadata, embed_metadata
from ml.features.statistics import Statistics
from ml.files import write_bytes_atomically
from ml.profiling.device_profile import DeviceProfile
from ml.profiling.latency import latency_for
from ml.search.pricing import Price
from ml.specs import ModelSpec, TrainingSpec
from ml.training.networks import build_networks
from ml.training.objectives import Objective


@dataclass(frozen=True)
class ExportedModel:
    """`bytes` of the .tflite file at `path`."""

    path: Path
    bytes: int


class Exporter:
    """Builds, converts and keeps the files of models for one spec and dataset; each of them once."""

    def __init__(
        self,
        spec: TrainingSpec,
        statistics: Mapping[str, Statistics],
        objective: Objective,
        classes: Sequence[str],
        *,
        spec_folder: Path,
        work: Path,
    ) -> None:
        self._spec, self._statistics, self._objective, self._classes = spec, statistics, objective, classes
        self._spec_folder, self._work = spec_folder, work
        self._exported: dict[str, ExportedModel] = {}

    def export(self, model: ModelSpec) -> ExportedModel:
        """The file of a student, with noise for weights."""
        key = f"{model.id} {model.model_type} {model.params.model_dump_json()}"  # the id stands in the file
        if key not in self._exported:
            path = self._work / f"{len(self._exported)}.tflite"
            write_bytes_atomically(path, self._file(model))
            self._exported[key] = ExportedModel(path, path.stat().st_size)
        return self._exported[key]

    def price(self, model: ModelSpec, profile: DeviceProfile | None, *, measures: bool = True) -> Price:
        """What the file costs: milliseconds by the profile, or without one as measured here; 0 unless `measures`."""
        exported = self.export(model)
        return Price(exported.bytes, latency_for(exported.path, profile) if profile or measures else 0.0)

    def _file(self, model: ModelSpec) -> bytes:
        spec = self._spec.model_copy(update={"trainer": None, "students": [model]})
        network = build_networks(spec, self._statistics, spec_folder=self._spec_folder)[0]
        _fill_with_noise(network.model)
        serving = Serving(network.model, self._objective, spec.task, spec.features)
        data = convert(serving, self._work / "conversion", quantize=spec.hyperparameters.quantize is not None)
        metadata = ModelMetadata.of(spec.task, spec.features, self._classes, model_id=model.id)
        return embed_metadata(data, metadata)


def _fill_with_noise(model: Any) -> None:
    """Gives all that learns other values: the converter keeps equal ones, as biases of zero, only once."""
    generator = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0.01, 0.1, variable.shape))
