"""Asking Optuna: which values to try next, which trials to stop, and which parameters matter.

Optuna keeps nothing: each question is put to a study in memory that is made of the rows. Its import takes a third of a
second and 15 MB, so only what asks imports it: the housekeeping of workers, no web process.
"""

from __future__ import annotations

import random
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from apps.training.studies.models import Study, Trial
from apps.training.studies.space import Parameter, combination, combinations, restored, same

if TYPE_CHECKING:
    import optuna

TWENTIETHS = 20  # the engine measures on the validation split so many times
FIRST_RANDOM = 10  # trials before TPE learns from them
LEAST_TO_COMPARE = 4  # complete trials before any other is stopped
MOST_TRIES = 20  # for a set of values that was not there before
ETA = 3


def ask(study: Study, trials: Sequence[Trial], count: int, base: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Values for the next `count` trials; fewer where every combination has been tried.

    `trials`: all so far, by number. `base`: the path of each parameter → what the spec itself has there.
    """
    space = restored(study.space)
    known = [trial.params for trial in trials]
    found: list[dict[str, Any]] = []
    limit = combinations(space)
    with _optuna() as optuna:
        memory = None
        for number in range(len(trials) + 1, len(trials) + count + 1):
            if limit is not None and number > limit:
                break
            if study.sampler == Study.Sampler.GRID:
                params = combination(space, _grid_order(limit or 1, study.seed)[number - 1])
            elif number == 1 and study.starts_with_base and all(one.contains(base[one.path]) for one in space):
                params = {one.path: base[one.path] for one in space}
            else:
                memory = memory or _rebuilt(optuna, study, space, trials)
                params = _sampled(optuna, memory, study, space, number, [*known, *found])
            if memory is not None:
                memory.add_trial(_frozen(optuna, space, params, optuna.trial.TrialState.RUNNING))
            found.append(params)
    return found


def to_be_pruned(study: Study, trials: Sequence[Trial], changed: Sequence[Trial]) -> list[Trial]:
    """Of the open trials `changed`, which have new values, those that are to stop.

    What the pruner wants to remember of each goes into its `pruner_notes`, for the caller to save.
    """
    if study.pruner == Study.Pruner.NONE:
        return []
    space = restored(study.space)
    with _optuna() as optuna:
        memory = _rebuilt(optuna, study, space, trials)
        memory.pruner = _pruner(optuna, study)
        rows = memory.get_trials(deepcopy=False)
        stopped = []
        for trial in changed:
            frozen = rows[trial.number - 1]
            if memory.pruner.prune(memory, frozen):
                stopped.append(trial)
            # The pruner writes into its storage, whose rows may be copies of the ones at hand.
            trial.pruner_notes = _notes(memory.get_trials(deepcopy=False)[trial.number - 1].system_attrs)
    return stopped


def importance(study: Study, trials: Sequence[Trial]) -> dict[str, float]:
    """Path → its share (0 … 1) in what makes good trials different from the others, by PED-ANOVA; the largest first.

    Watanabe, Bansal, Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces"
    (2023). Optuna's other way, fANOVA, needs scikit-learn. Empty while there are too few trials.
    """
    space = restored(study.space)
    complete = [
        (one.params, one.value) for one in trials if one.state == Trial.State.COMPLETE and one.value is not None
    ]
    if len(complete) < 2 * LEAST_TO_COMPARE or len({value for _, value in complete}) < 2:
        return {}
    with _optuna() as optuna:
        memory = optuna.create_study(direction=study.direction)
        for params, value in complete:
            memory.add_trial(_frozen(optuna, space, params, optuna.trial.TrialState.COMPLETE, values=[value]))
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        found = optuna.importance.get_param_importances(memory, evaluator=evaluator)
    # Its sums of tiny shares may be a hair below 0.
    return {path: max(float(f"{share:.4g}"), 0.0) for path, share in found.items()}


@contextmanager
def _optuna() -> Iterator[Any]:
    with warnings.catch_warnings():
        # Of what Optuna calls experimental, all that is used here has been there for years.
        warnings.simplefilter("ignore")
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        yield optuna


def _rebuilt(optuna: Any, study: Study, space: Sequence[Parameter], trials: Sequence[Trial]) -> optuna.Study:
    directions = [study.direction, "minimize"] if study.also_smallest else [study.direction]
    # The name decides the bracket of a trial in Hyperband, so it has to be the same each time.
    memory = optuna.create_study(study_name=str(study.pk), directions=directions)
    states = optuna.trial.TrialState
    finals = {
        Trial.State.COMPLETE: states.COMPLETE,
        Trial.State.PRUNED: states.PRUNED,
        Trial.State.OPEN: states.RUNNING,
    }
    rows = []
    for trial in trials:
        state = finals.get(Trial.State(trial.state), states.FAIL)
        values: list[float] | None = None
        if state == states.COMPLETE:
            assert trial.value is not None
            values = [trial.value, float(trial.bytes or 0)] if study.also_smallest else [trial.value]
        notes = dict(trial.pruner_notes)
        if study.max_bytes is not None and trial.bytes is not None:
            notes["constraints"] = [float(trial.bytes - study.max_bytes)]
        watched = {int(part): value for part, value in trial.intermediate.items()}
        rows.append(_frozen(optuna, space, trial.params, state, values=values, watched=watched, notes=notes))
    memory.add_trials(rows)
    return memory  # type: ignore[no-any-return]


def _frozen(
    optuna: Any,
    space: Sequence[Parameter],
    params: Mapping[str, Any],
    state: Any,
    *,
    values: list[float] | None = None,
    watched: Mapping[int, float] | None = None,
    notes: Mapping[str, Any] | None = None,
) -> Any:
    return optuna.trial.create_trial(
        state=state,
        params={one.path: _encoded(one, params[one.path]) for one in space},
        distributions=_distributions(space),
        values=values,
        intermediate_values=watched,
        system_attrs=notes,
    )


def _sampled(
    optuna: Any, memory: Any, study: Study, space: Sequence[Parameter], number: int, known: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Values that the sampler gives; drawn at random where it gives some that are known, of which nobody learns."""
    params: dict[str, Any] = {}
    for attempt in range(MOST_TRIES):
        # A sampler begins anew each time. The same seed for each trial would give them all the same values.
        seed = zlib.crc32(f"{study.seed} {number} {attempt}".encode())
        memory.sampler = _sampler(optuna, study, seed, is_plain=attempt > 0)
        asked = memory.ask(_distributions(space))
        params = {one.path: _decoded(one, asked.params[one.path]) for one in space}
        memory.tell(asked, state=optuna.trial.TrialState.FAIL)
        if not any(same(params, earlier) for earlier in known):
            break
    return params


def _sampler(optuna: Any, study: Study, seed: int, *, is_plain: bool) -> Any:
    if study.sampler == Study.Sampler.RANDOM or is_plain:
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(
        seed=seed,
        n_startup_trials=FIRST_RANDOM,
        multivariate=True,
        constant_liar=True,
        constraints_func=_constraints if study.max_bytes is not None else None,
    )


def _constraints(frozen: Any) -> Sequence[float]:
    """Not called for trials that come from rows: they bring theirs along."""
    return tuple(frozen.system_attrs.get("constraints", (0.0,)))


def _pruner(optuna: Any, study: Study) -> Any:
    match study.pruner:
        case Study.Pruner.MEDIAN:
            return optuna.pruners.MedianPruner(n_startup_trials=LEAST_TO_COMPARE, n_warmup_steps=2, n_min_trials=2)
        case Study.Pruner.HALVING:
            return optuna.pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=ETA)
        case _:
            return optuna.pruners.HyperbandPruner(min_resource=2, max_resource=TWENTIETHS, reduction_factor=ETA)


@lru_cache(maxsize=8)
def _distributions_of(space: tuple[Any, ...]) -> dict[str, Any]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {}
    for path, kind, low, high, log, step, count in space:
        match kind:
            case "categorical":  # by index: choices may be lists and mappings, which Optuna does not take
                found[path] = CategoricalDistribution(range(count))
            case "int":
                found[path] = IntDistribution(low, high, log=log, step=int(step or 1))
            case _:
                found[path] = FloatDistribution(low, high, log=log, step=step)
    return found


def _distributions(space: Sequence[Parameter]) -> dict[str, Any]:
    """Made once for all trials of a study: there may be a thousand."""
    return _distributions_of(
        tuple((one.path, one.kind, one.low, one.high, one.log, one.step, len(one.choices)) for one in space)
    )


def _encoded(parameter: Parameter, value: Any) -> Any:
    if parameter.kind == "categorical":
        return next(index for index, choice in enumerate(parameter.choices) if same(choice, value))
    return value


def _decoded(parameter: Parameter, value: Any) -> Any:
    return parameter.choices[value] if parameter.kind == "categorical" else parameter.tidy(value)


def _notes(system_attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in system_attrs.items() if name != "constraints"}


def _grid_order(count: int, seed: int) -> list[int]:
    """The combinations in an order by chance, the same one each time: a study that ends early has seen all parts."""
    order = list(range(count))
    random.Random(seed).shuffle(order)  # noqa: S311
    return order
