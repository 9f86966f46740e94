"""Whether a study finds better values than chance with as many trials, what stopping early saves, what asking costs.

    make bench BENCH=study DATA=../shared/data [QUICK=1]

A real search on 2,000 images of MNIST: learning rate, batch size, activation and the widths of a projection network,
each trial trained by the engine for 150 steps and judged on the validation split. TPE and random, with equal trials
and seeds; the test split chooses nothing. The median pruner is put to the same trials afterwards, one by one.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "platform"))

import django

django.setup()

from apps.training.spec_fields import value_at  # noqa: E402
from apps.training.studies import sampling  # noqa: E402
from apps.training.studies.models import Study, Trial  # noqa: E402
from apps.training.studies.objective import watched_for  # noqa: E402
from apps.training.studies.space import read_space, stored  # noqa: E402
from apps.training.studies.varying import varied  # noqa: E402
from benchmarks._datasets import mnist  # noqa: E402
from benchmarks._engine import RUNS, figure, options, table  # noqa: E402
from ml.specs import TrainingSpec  # noqa: E402
from ml.tensorflow_start import start_tensorflow  # noqa: E402

BENCH = "study"
IMAGES = 2_000
SPACE = {
    "hyperparameters.learning_rate": {"low": 0.0001, "high": 1.0, "log": True},
    "hyperparameters.batch_size": [8, 16, 32, 64, 128],
    "hyperparameters.activation": ["relu", "tanh", "sigmoid"],
    "students[0].params.projections": {"low": 4, "high": 60, "step": 4},
    "students[0].params.units": [[], [16], [64]],
}
SAMPLERS = (Study.Sampler.TPE, Study.Sampler.RANDOM)
EARLIER = (10, 100, 1000)
WATCHED = watched_for(task="classification", student="small", metric="accuracy", direction="maximize")


def base(steps: int) -> dict[str, Any]:
    return {
        "experiment_name": "mnist-study",
        "task": {"num_classes": 10},
        "features": [{"shape": [28, 28, 1]}],
        "hyperparameters": {"steps": steps, "batch_size": 32},
        "students": [{"id": "small", "model_type": "projection", "params": {"projections": 20, "bits": 10}}],
    }


def study_of(sampler: str, seed: int, spec: dict[str, Any]) -> Study:
    """A study that is in no database: the sampler is asked with rows alone."""
    complete = TrainingSpec.parse(spec).model_dump(mode="json")
    space = stored(read_space(SPACE, complete))
    return Study(
        id=UUID(int=seed), space=space, sampler=sampler, seed=seed, direction="maximize", starts_with_base=False
    )


def trained(spec: dict[str, Any], dataset: Path) -> tuple[dict[str, float], float, float]:
    """What was watched by twentieths, then accuracy on the validation and on the test split of the .tflite."""
    import json

    import tf_keras

    from ml.reporting import Reporter
    from ml.training.history import read_history
    from ml.training.run import train

    folder = RUNS / BENCH
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tf_keras.backend.clear_session()
    with Path(os.devnull).open("w") as nowhere:
        reporter = Reporter(events=True, stream=nowhere)
        parsed = TrainingSpec.parse(spec)
        train(parsed, spec_folder=folder, dataset=dataset, out=folder / "out", work=folder / "work", reporter=reporter)
    watched = {
        str(round(sampling.TWENTIETHS * entry["step"] / parsed.hyperparameters.steps)): entry["values"][WATCHED.name]
        for entry in read_history(folder / "work" / "history.jsonl")
        if WATCHED.name in entry["values"]
    }
    metrics = json.loads((folder / "out" / "result.json").read_text())["models"][0]["metrics"]
    return watched, metrics["validation"]["accuracy"], metrics["test"]["accuracy"]


def search(sampler: str, seed: int, *, trials: int, steps: int, dataset: Path) -> tuple[list[Trial], list[float]]:
    """The trials of one search, one after the other, and the test accuracy of each."""
    spec = base(steps)
    study = study_of(sampler, seed, spec)
    here = {row["path"]: value_at(spec, row["path"]) for row in study.space}
    found: list[Trial] = []
    tested = []
    for number in range(1, trials + 1):
        (params,) = sampling.ask(study, found, 1, here)
        watched, value, test = trained(varied(spec, params)[0], dataset)
        tested.append(test)
        found.append(Trial(number=number, params=params, state=Trial.State.COMPLETE, value=value, intermediate=watched))
        print(f"  {sampler} seed {seed} trial {number}: {100 * value:.2f} %", file=sys.stderr, flush=True)
    return found, tested


def pruned(study: Study, trials: list[Trial]) -> tuple[float, float]:
    """What share of the steps is saved where the median pruner stops trials, and the best value that is left."""
    study.pruner = Study.Pruner.MEDIAN
    done: list[Trial] = []
    parts, best = 0, 0.0
    for trial in trials:
        now = Trial(number=trial.number, params=trial.params, state=Trial.State.OPEN)
        for part in sorted(trial.intermediate, key=int):
            now.intermediate[part] = trial.intermediate[part]
            if sampling.to_be_pruned(study, [*done, now], [now]):
                now.state = Trial.State.PRUNED
                break
        parts += int(part)
        if now.state == Trial.State.OPEN:
            now.state, now.value = Trial.State.COMPLETE, trial.value
            best = max(best, trial.value or 0)
        done.append(now)
    return 1 - parts / (sampling.TWENTIETHS * len(trials)), best


def asking(count: int, repeats: int) -> dict[str, float]:
    """Milliseconds, medians: a question after `count` trials, and a pruner's decision."""
    spec = base(100)
    taken: dict[str, float] = {}
    for sampler in SAMPLERS:
        study = study_of(sampler, 1, spec)
        here = {row["path"]: value_at(spec, row["path"]) for row in study.space}
        drawn = sampling.ask(study_of(Study.Sampler.RANDOM, 2, spec), [], count, here)
        trials = [
            Trial(
                number=number,
                params=params,
                state=Trial.State.COMPLETE,
                value=0.9 - abs(params["hyperparameters.learning_rate"] - 0.01),
                intermediate={str(part): part / 30 for part in range(1, 21)},
            )
            for number, params in enumerate(drawn, 1)
        ]
        times = []
        for _ in range(repeats):
            begin = time.perf_counter()
            sampling.ask(study, trials, 1, here)
            times.append(1000 * (time.perf_counter() - begin))
        taken[sampler] = statistics.median(times)
        running = Trial(number=count + 1, params=drawn[0], state=Trial.State.OPEN, intermediate={"4": 0.1})
        study.pruner = Study.Pruner.MEDIAN
        begin = time.perf_counter()
        sampling.to_be_pruned(study, [*trials, running], [running])
        taken["prune"] = 1000 * (time.perf_counter() - begin)
    return taken


def main() -> None:
    data, quick = options(__doc__)
    trials, steps, seeds = (3, 20, (1,)) if quick else (25, 150, (1, 2, 3))
    begin = time.perf_counter()
    sampling.importance(study_of("tpe", 1, base(10)), [])
    sampling.ask(study_of("tpe", 1, base(10)), [], 1, dict.fromkeys(SPACE))
    first = time.perf_counter() - begin
    rows: list[dict[str, object]] = []
    for count in EARLIER:
        taken = asking(count, 3 if quick else 15)
        rows.append({"earlier trials": count, **{f"{name} ms": round(value, 1) for name, value in taken.items()}})
        for name, value in taken.items():
            figure(BENCH, f"{name} after {count}", "ask_ms", round(value, 2), "ms")
    table(rows)
    print(f"the first question of a process, with the import of Optuna: {first:.2f} s")
    figure(BENCH, "first", "ask_s", round(first, 2), "s")

    start_tensorflow()
    dataset = mnist(data, limit=IMAGES)
    lines: list[dict[str, object]] = []
    for sampler in SAMPLERS:
        best, test, saved, kept = [], [], [], []
        for seed in seeds:
            found, tested = search(sampler, seed, trials=trials, steps=steps, dataset=dataset)
            winner = max(range(trials), key=lambda index: found[index].value or 0)
            best.append(100 * (found[winner].value or 0))
            test.append(100 * tested[winner])
            share, left = pruned(study_of(sampler, seed, base(steps)), found)
            saved.append(100 * share)
            kept.append(100 * left)
        means = {
            "validation": statistics.mean(best),
            "test": statistics.mean(test),
            "steps_saved": statistics.mean(saved),
            "validation_pruned": statistics.mean(kept),
        }
        lines.append(
            {
                "sampler": str(sampler),
                "trials": trials,
                "seeds": len(seeds),
                "best validation %": round(means["validation"], 2),
                "from … to": f"{min(best):.2f} … {max(best):.2f}",
                "its test %": round(means["test"], 2),
                "median pruner saves % of steps": round(means["steps_saved"], 1),
                "and then finds": round(means["validation_pruned"], 2),
            }
        )
        for name, value in means.items():
            figure(BENCH, str(sampler), name, round(value, 3), "%")
    table(lines)


if __name__ == "__main__":
    main()
