"""Students for a budget: candidates from the family and from the differentiable search, exported, scored and ranked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml.architectures.base import BuildContext
from ml.data.measuring import Measured
from ml.data.pipeline import Pipeline
from ml.profiling.device_profile import DeviceProfile
from ml.profiling.measuring import measure_profile
from ml.reporting import Reporter
from ml.search import multimodal_family
from ml.search.architecture_search import ArchitectureSearch
from ml.search.candidates import Candidate, Draft, Source, fitted, model_of, of_gates, of_row, of_skeleton
from ml.search.conditions import budget_too_small, nothing_to_propose
from ml.search.exporting import Exporter
from ml.search.family import Skeleton, affordable, skeletons, spaces
from ml.search.pricing import Limits, Price, Pricing
from ml.search.scoring import scores
from ml.search.settings import SearchSettings
from ml.search.space import Picked, Setting, Space
from ml.search.supernet import Branch, DenseBranch, PictureBranch
from ml.specs import ModelSpec, TrainingSpec
from ml.training.objectives import Objective

MAX_STUDENTS = 3
# Of a limit on what the clock measures: two measurements of the same file differ.
CLOCK_MARGIN = 0.9
BRANCHES: dict[str, type[Branch]] = {
    "projection": DenseBranch,
    "feed_forward": DenseBranch,
    "depthwise_cnn": PictureBranch,
    "cnn": PictureBranch,
}


@dataclass(frozen=True)
class Proposal:
    """`students`, best first; `table`: every candidate with what it was estimated to cost, what it costs, its score."""

    students: list[ModelSpec]
    metric: str
    table: list[dict[str, Any]]


class Proposer:
    """Finds students for the budget of one spec on one dataset."""

    def __init__(
        self,
        spec: TrainingSpec,
        pipeline: Pipeline,
        measured: Measured,
        objective: Objective,
        exporter: Exporter,
        *,
        profile: DeviceProfile | None,
        settings: SearchSettings,
        spec_folder: Path,
        reporter: Reporter,
    ) -> None:
        self._spec, self._pipeline, self._measured, self._objective = spec, pipeline, measured, objective
        self._exporter, self._profile, self._settings = exporter, profile, settings
        self._spec_folder, self._reporter = spec_folder, reporter
        budget = spec.budget
        margin = CLOCK_MARGIN if profile is None else 1.0
        max_ms = None if budget.max_latency_ms is None else margin * budget.max_latency_ms
        self._limits = Limits(budget.max_bytes, max_ms)
        self._timing = profile or (measure_profile() if max_ms is not None else None)

    def propose(self) -> Proposal:
        """Raises RefusedError `budget_too_small`, `nothing_to_propose` or `loss_not_finite`."""
        self._reporter.phase(0.0, 0.15)
        sources, smallest = self._sources_of_several() if len(self._spec.features) > 1 else self._sources_of_one()
        self._reporter.phase(0.6, 0.75)
        # Where the files cost more than was estimated, the smallest ones may be all that fit.
        candidates = self._fitting(sources) or self._fitting(smallest)
        if not candidates:
            prices = {}
            for source in smallest:
                if (draft := source.draft(Limits())) is not None:
                    model = model_of(source.name, source.model_type, draft.params)
                    prices[source.model_type] = self._price(model)
            raise budget_too_small(self._spec, self._limits, prices)
        self._reporter.phase(0.75, 1.0)
        return self._ranked(candidates)

    def _fitting(self, sources: Sequence[Source]) -> list[Candidate]:
        """The best model of each source that fits by its file; of equal ones the first."""
        candidates: list[Candidate] = []
        trainer = self._spec.trainer
        for index, source in enumerate(sources):
            self._reporter.progress(index, len(sources), "candidates", f"exporting {source.name}")
            if trainer is not None and source.name == trainer.id:  # ids are unique in a spec
                source = replace(source, name=f"{source.name}-student")
            candidate = fitted(source, self._limits, self._price)
            if candidate is not None and all(candidate.model.params != one.model.params for one in candidates):
                candidates.append(candidate)
        return candidates

    def _ranked(self, candidates: Sequence[Candidate]) -> Proposal:
        found = scores(
            [candidate.model for candidate in candidates],
            self._spec,
            self._pipeline,
            self._measured,
            self._objective,
            steps=self._settings.score_steps,
            spec_folder=self._spec_folder,
            reporter=self._reporter,
        )
        sign = 1.0 if self._objective.metric_is_better_when == "larger" else -1.0
        ranked = sorted(candidates, key=lambda one: (-sign * found[one.model.id], one.price.bytes))
        chosen: list[Candidate] = []
        for candidate in ranked:
            # One of each type, if there are several: what comes second of a type would do much the same.
            types = [one.model.model_type for one in chosen if one.model.model_type != multimodal_family.MODEL_TYPE]
            if len(chosen) < MAX_STUDENTS and candidate.model.model_type not in types:
                chosen.append(candidate)
        table = [self._row(one, found[one.model.id], is_chosen=one in chosen) for one in ranked]
        return Proposal([one.model for one in chosen], self._objective.metric, table)

    def _row(self, candidate: Candidate, score: float, *, is_chosen: bool) -> dict[str, Any]:
        times = {"estimated_latency_ms": candidate.estimate.ms, "latency_ms": candidate.price.ms}
        return {
            "id": candidate.model.id,
            "model_type": candidate.model.model_type,
            "params": candidate.model.params.model_dump(mode="json"),
            "origin": candidate.source.origin,
            "estimated_bytes": round(float(candidate.estimate.bytes)),
            "bytes": candidate.price.bytes,
            **{name: round(float(ms), 5) if self._timing is not None else None for name, ms in times.items()},
            self._objective.metric: score,
            "is_chosen": is_chosen,
        }

    def _price(self, model: ModelSpec) -> Price:
        """What a model costs: its real file, and the time that the profile says, or that was measured here."""
        return self._exporter.price(model, self._profile, measures=self._limits.max_ms is not None)

    def _estimating_price(self, model: ModelSpec) -> Price:
        """The same with predicted milliseconds, from which estimates start."""
        return self._exporter.price(model, self._timing, measures=False)

    def _sources_of_one(self) -> tuple[list[Source], list[Source]]:
        """The family and the search for a single feature; and the smallest model of each type."""
        spec = self._spec
        known = spaces(Setting(spec.task, spec.features[0], spec.hyperparameters.activation))
        if not known:
            raise nothing_to_propose(spec)
        pricing = Pricing(number=spec.hyperparameters.quantize or "float32", profile=self._timing)
        smallest = {}
        for index, space in enumerate(known):
            self._reporter.progress(index, len(known), "model types", f"measuring {space.model_type}")
            smallest[space.model_type] = pricing.measure_front(space, self._measurer(space))
        possible = [
            affordable(space, self._judge(space, pricing))
            for space in known
            if self._limits.fits(smallest[space.model_type])
        ]
        if not possible:
            raise budget_too_small(spec, self._limits, smallest)
        family = [of_skeleton(skeleton, pricing) for space in possible for skeleton in skeletons(space)]
        ends = [Skeleton(f"{space.model_type}-smallest", space, (space.smallest(),)) for space in possible]
        return [*self._searched(possible, pricing), *family], [of_skeleton(end, pricing) for end in ends]

    def _measurer(self, space: Space) -> Callable[[Picked], Price]:
        return lambda picked: self._estimating_price(model_of("anchor", space.model_type, space.params(picked)))

    def _judge(self, space: Space, pricing: Pricing) -> Callable[[Picked], bool]:
        return lambda picked: self._limits.fits(pricing.of_picked(space, picked))

    def _searched(self, possible: Sequence[Space], pricing: Pricing) -> list[Source]:
        """What the differentiable search finds in the spaces that it can search."""
        searched = [space for space in possible if space.model_type in BRANCHES]
        if not searched:
            return []
        spec = self._spec
        branches = [BRANCHES[space.model_type](space, self._context(space.model_type)) for space in searched]
        search = ArchitectureSearch(
            branches, pricing, self._limits, self._objective, spec.hyperparameters, feature=spec.features[0].name
        )
        steps, batch_size = self._settings.effort(searched, self._pipeline.info.splits["train"])
        self._reporter.phase(0.15, 0.6)
        found = search.run(self._pipeline, steps=steps, batch_size=batch_size, reporter=self._reporter)
        listed = ", ".join(f"{one.branch.space.model_type} {one.chance:.0%}" for one in found)
        self._reporter.log("info", f"after {steps} steps of {batch_size} examples the gates say: {listed}")
        return [of_gates(one, pricing) for one in found]

    def _context(self, name: str) -> BuildContext:
        spec = self._spec
        return BuildContext(
            name=name,
            task=spec.task,
            features=tuple(spec.features),
            statistics=self._measured.statistics,
            activation=spec.hyperparameters.activation,
            seed=spec.hyperparameters.seed,
        )

    def _sources_of_several(self) -> tuple[list[Source], list[Source]]:
        """The row of models of several features, each exported to know what it costs, up to three ends of it.

        And the smallest one.
        """
        spec, name = self._spec, multimodal_family.MODEL_TYPE
        if spec.task.type == "sequence":
            raise nothing_to_propose(spec)
        drafts: list[Draft] = []
        for index, rung in enumerate(multimodal_family.RUNGS):
            self._reporter.progress(index, len(multimodal_family.RUNGS), "sizes", f"measuring {name}")
            params = multimodal_family.params(rung, spec.task, spec.features)
            price = self._estimating_price(model_of("rung", name, params))
            if not self._limits.fits(price):
                if not drafts:
                    raise budget_too_small(spec, self._limits, {name: price})
                break
            drafts.append(Draft(params, price))
        ends = range(len(drafts), max(len(drafts) - MAX_STUDENTS, 0), -1)
        return [of_row(f"{name}-{end}", name, drafts[:end]) for end in ends], [of_row(f"{name}-1", name, drafts[:1])]
