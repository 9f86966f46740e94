"""The commands of `python -m ml`: arguments in, exit status out. Each imports what is heavy when it needs it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from ml.files import write_json
from ml.refusal import RefusedError
from ml.reporting import Reporter
from ml.termination import Terminated

EXIT_REFUSED = 2
EXIT_FAULT = 1
EXIT_TERMINATED = 143
# Of a training that has to look for students first.
PROPOSING_SHARE = 0.3


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Returns 0 (done), 2 (input refused), 1 (fault) or 143 (ended by SIGTERM)."""
    options = _parser().parse_args(arguments)
    reporter = _reporter(events=options.events)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        options.run(options, reporter)
    except RefusedError as error:
        reporter.error(error.code, error.message, error.details)
        return EXIT_REFUSED
    except Terminated:
        reporter.log("warning", "ended by SIGTERM")
        return EXIT_TERMINATED
    except Exception as error:
        traceback.print_exc()
        reporter.error("internal_error", f"The engine failed: {type(error).__name__}: {error}")
        return EXIT_FAULT
    return 0


def _terminate(_signum: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def _reporter(*, events: bool) -> Reporter:
    if not events:
        return Reporter(events=False)
    # Libraries print to standard output as well; there, only events may stand.
    stream = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return Reporter(events=True, stream=stream)


def _import(options: argparse.Namespace, reporter: Reporter) -> None:
    from ml.data.import_spec import ImportSpec
    from ml.data.importing import ImportSettings, import_dataset

    spec = ImportSpec.read(options.spec) if options.spec else None
    settings = ImportSettings(
        seed=options.seed,
        validation=options.validation,
        test=options.test,
        max_bytes=options.max_bytes,
        max_files=options.max_files,
        height=options.height,
        width=options.width,
        channels=options.channels,
        bad_values=options.bad_values,
    )
    import_dataset(options.source, options.out, options.work, settings, reporter, spec)


def _train(options: argparse.Namespace, reporter: Reporter) -> None:
    from ml.data.dataset import DatasetInfo
    from ml.profiling.device_profile import profile_of
    from ml.search.conditions import check_place, check_proposable
    from ml.spec_files import check_dataset, read_spec

    spec = read_spec(options.spec)
    info = DatasetInfo.read(options.dataset)
    check_dataset(spec, info)
    profile_of(spec.budget, options.spec.parent)
    if not spec.students:
        check_proposable(spec, info, spec_folder=options.spec.parent)
        check_place(options.spec, options.out)
    # Everything that can be refused without TensorFlow has been.
    from ml.tensorflow_start import start_tensorflow

    start_tensorflow()
    if not spec.students:
        from ml.search.proposals import propose

        spec, proposal = propose(
            spec,
            spec_folder=options.spec.parent,
            dataset=options.dataset,
            out=options.out,
            work=options.work,
            reporter=reporter.part(0.0, PROPOSING_SHARE),
        )
        write_json(options.out / "proposal.json", proposal)
        reporter = reporter.part(PROPOSING_SHARE, 1.0)
    from ml.training.run import train

    train(
        spec,
        spec_folder=options.spec.parent,
        dataset=options.dataset,
        out=options.out,
        work=options.work,
        reporter=reporter,
    )


def _propose(options: argparse.Namespace, reporter: Reporter) -> None:
    from ml.data.dataset import DatasetInfo
    from ml.search.conditions import check_place, check_proposable
    from ml.spec_files import check_dataset, read_spec

    spec = read_spec(options.spec)
    info = DatasetInfo.read(options.dataset)
    check_dataset(spec, info)
    check_proposable(spec, info, spec_folder=options.spec.parent)
    check_place(options.spec, options.out)
    # Everything that can be refused without TensorFlow has been.
    from ml.tensorflow_start import start_tensorflow

    start_tensorflow()
    from ml.search.proposals import propose
    from ml.search.written_spec import copy_named_files

    proposed, result = propose(
        spec,
        spec_folder=options.spec.parent,
        dataset=options.dataset,
        out=options.out,
        work=options.work,
        reporter=reporter,
    )
    copy_named_files(proposed, options.out, spec_folder=options.spec.parent)
    write_json(options.out / "result.json", result)
    listed = "; ".join(f"{student.id} {student.params.model_dump()}" for student in proposed.students)
    reporter.log("info", f"{options.out / 'spec.yaml'} has {listed}")


def _profile(options: argparse.Namespace, reporter: Reporter) -> None:
    from ml.profiling.measuring import measure_profile

    if options.out.suffix != ".json" or options.out.is_dir():
        received = f"{options.out}, a folder" if options.out.is_dir() else options.out
        message = f"--out names the file to write. Received: {received}. Accepted: a path that ends in .json."
        raise RefusedError("not_a_json_file", message)
    profile = measure_profile(reporter, name=options.name)
    profile.write(options.out)
    for name, speed in profile.speeds.items():
        reporter.log("info", f"{name}: {1000 * speed.ms_per_million:.3g} µs a million, within {speed.error:.0%}")


def _check(options: argparse.Namespace, reporter: Reporter) -> None:
    from ml.compatibility.check import check_file

    report = check_file(options.file)
    write_json(options.out / "result.json", report)
    for problem in report["problems"]:
        reporter.log("warning", f"{problem['code']}: {problem['message']}")
    verdict = "runs" if report["ok"] else "is refused"
    reporter.log("info", f"{options.file.name} {verdict}; minimum runtime {report['min_runtime'] or 'unknown'}")


def _evaluate(options: argparse.Namespace, reporter: Reporter) -> None:
    from ml.evaluation.evaluate import evaluate_file

    result = evaluate_file(options.file, options.dataset, options.split, reporter)
    write_json(options.out / "result.json", result)
    metrics = result["metrics"][options.split]
    reporter.log("info", f"{options.split}: accuracy {metrics['accuracy']:.4f} on {metrics['num_examples']} examples")


def _inspect(options: argparse.Namespace, reporter: Reporter) -> None:
    from ml.compatibility.describe import describe

    for line in describe(options.file):
        reporter.log("info", line)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ml", description="Bantam's learning engine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    def add(name: str, run: object, description: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=description, description=description)
        command.add_argument("--events", action="store_true", help="write one JSON object a line to standard output")
        command.set_defaults(run=run)
        return command

    command = add("import", _import, "make a dataset from class folders, a table or TFRecord files")
    command.add_argument("--source", type=Path, required=True, help="a folder, or a .zip, .csv, .jsonl or .tfrecord")
    command.add_argument("--spec", type=Path, default=None, help="what the source holds: task, features, classes")
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--work", type=Path, required=True)
    command.add_argument("--seed", type=int, default=7)
    command.add_argument("--validation", type=float, default=0.1, help="fraction of each class")
    command.add_argument("--test", type=float, default=0.2, help="fraction of each class")
    command.add_argument("--max-bytes", type=int, default=2_000_000_000, help="largest size, unpacked and written")
    command.add_argument("--max-files", type=int, default=1_000_000)
    for side in ("height", "width", "channels"):
        command.add_argument(f"--{side}", type=int, default=None, help="of pictures; default: the most common one")
    command.add_argument(
        "--bad-values", choices=("refuse", "skip"), default="refuse", help="what to do with rows that hold NaN"
    )

    command = add("train", _train, "train the models of a spec jointly, export and measure them")
    command.add_argument("--spec", type=Path, required=True, help="a .yaml or .json training spec")
    command.add_argument("--dataset", type=Path, required=True, help="a folder written by import")
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--work", type=Path, required=True, help="checkpoints; the same folder again resumes")

    command = add("propose", _propose, "look for students that fit the budget of a spec without any")
    command.add_argument("--spec", type=Path, required=True, help="a training spec with a budget and no students")
    command.add_argument("--dataset", type=Path, required=True, help="a folder written by import")
    command.add_argument("--out", type=Path, required=True, help="gets spec.yaml, the spec with students")
    command.add_argument("--work", type=Path, required=True)

    command = add("profile", _profile, "measure how fast this machine runs models, for budget.device_profile")
    command.add_argument("--out", type=Path, required=True, help="the file to write, as profile.json")
    command.add_argument("--name", default=None, help="of the device; default: its processor and system")

    command = add(
        "check", _check, "say whether a .tflite file runs on the plain LiteRT runtime, and from which version"
    )
    command.add_argument("--file", type=Path, required=True)
    command.add_argument("--out", type=Path, required=True)

    command = add("evaluate", _evaluate, "measure a .tflite file on one split of a dataset")
    command.add_argument("--file", type=Path, required=True)
    command.add_argument("--dataset", type=Path, required=True)
    command.add_argument("--split", choices=("train", "validation", "test"), default="test")
    command.add_argument("--out", type=Path, required=True)

    command = add("inspect", _inspect, "list the signature, operators and constants of a .tflite file")
    command.add_argument("--file", type=Path, required=True)
    return parser
