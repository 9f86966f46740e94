"""python -m device_client check: does this device get its model?

Does what an application does, step by step, and says how each step went.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_client import Client, ConfigurationError, DeviceClientError, DeviceProbe, Model, initialize
from device_client._runtime import litert_version, runtime_version
from device_client._version import __version__

TIMED_RUNS = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0 if every step worked, 1 if one failed, 2 for wrong arguments."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.ERROR, format="%(levelname)s %(message)s")
    api_key = options.api_key or os.environ.get("BANTAM_DEVICE_KEY", "")
    try:
        with initialize(
            server=options.server,
            api_key=api_key,
            app_version=options.app_version,
            directory=options.directory,
            user=dict(options.user),
            background=False,
        ) as client:
            return _check(client, options)
    except ConfigurationError as error:
        _say("error", str(error))
        return 2
    except DeviceClientError as error:
        _say("error", f"{error.code}: {error}")
        return 1


def _check(client: Client, options: argparse.Namespace) -> int:
    probe = DeviceProbe().attributes()
    _say("client", f"device_client {__version__}, Python {sys.version.split()[0]}")
    _say("runtime", f"ai-edge-litert {litert_version()}, implements {runtime_version()}")
    _say("device", f"{probe.platform} {probe.os_version}, {probe.device_model}, {probe.ram_mb} MiB")
    _say("installation", f"{client.installation} in {client.directory}")

    worked = _step("manifest", lambda: client.update(options.timeout))
    manifest = client.manifest
    if manifest is not None:
        _say("manifest", f"version {manifest.version}, signature verified, expires {manifest.expires}")
        for name, target in sorted(manifest.targets.items()):
            _say(
                "offered",
                f"{name}: version {target.number} ({target.version}), {target.length} bytes, rule {target.rule}, "
                f"needs runtime {target.min_runtime or 'any'}",
            )
        for name, withheld in sorted(manifest.withheld.items()):
            _say("withheld", f"{name}: {withheld.reason}, needs runtime {withheld.min_runtime or 'any'}")
    models = [client.model(name) for name in options.model or sorted(manifest.targets if manifest else ())]
    worked = _step("download", lambda: client.update(options.timeout)) and worked
    for model in models:
        worked = _step(model.name, partial(_try, model, options)) and worked
    worked = _step("events", client.flush) and worked
    _say("result", "everything worked" if worked else "something failed, see above")
    return 0 if worked else 1


def _step(what: str, work: Callable[[], object]) -> bool:
    started = time.perf_counter()
    try:
        work()
    except DeviceClientError as error:
        _say(what, f"FAILED, {error.code}: {error}")
        return False
    _say(what, f"done in {time.perf_counter() - started:.2f} s")
    return True


def _try(model: Model, options: argparse.Namespace) -> None:
    """Say what is loaded and how fast it is. Only an example of the user's makes an `inferred` event."""
    loaded, version = model._usable().model, model.version
    if version is not None:
        _say(model.name, f"version {version.number} ({version.id}), SHA-256 {version.sha256}")
    _say(model.name, f"accepts {', '.join(f'{name}: {what}' for name, what in model.inputs.items())}")
    _say(model.name, f"{loaded.task}, labels {', '.join(model.labels) or 'none'}")
    first = next(iter(loaded.inputs))
    if options.image is None and options.text is None:
        zeros = {name: np.zeros(spec.shape, spec.dtype) for name, spec in loaded.inputs.items()}
        latencies = [loaded.run(zeros).latency_ms for _ in range(TIMED_RUNS)]
        _say(model.name, f"median latency {statistics.median(latencies):.3f} ms")
    else:
        given = options.text if options.image is None else _load(options.image)
        if isinstance(given, str) and len(loaded.inputs[first].shape) == 2:
            given = given.split()
        prediction = model.predict(**{first: given})
        _say(model.name, f"{options.image or repr(options.text)} is {prediction.label!r}, score {prediction.score:.4f}")


def _load(path: Path) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} is no .npy file with one example: {error}") from error
    return array


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m device_client", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    check = commands.add_parser("check", help="fetch, verify, load and run models as an application would")
    check.add_argument("--server", required=True, help="for example https://bantam.example.com")
    check.add_argument("--api-key", help="a device key; by default the environment variable BANTAM_DEVICE_KEY")
    check.add_argument("--model", action="append", default=[], help="may be repeated; by default all that are offered")
    check.add_argument("--app-version", default="0.0.0", help="what rules on the server see (%(default)s)")
    check.add_argument("--user", action="append", default=[], type=_pair, metavar="NAME=VALUE", help="a user attribute")
    check.add_argument("--directory", type=Path, help="by default a folder in the user's data folder")
    example = check.add_mutually_exclusive_group()
    example.add_argument("--image", type=Path, help="a .npy file with one example to predict")
    example.add_argument("--text", help="a text to predict, at blanks in tokens where the model takes them")
    check.add_argument("--timeout", type=float, default=60.0, help="seconds (%(default)s)")
    check.add_argument("--verbose", action="store_true", help="log what happens")
    return parser


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _say(what: str, message: str) -> None:
    sys.stdout.write(f"{what:<14}{message}\n")


if __name__ == "__main__":
    sys.exit(main())
