"""The platform's own processes, web server and worker, as one thing that starts and ends together.

`python -m setup.stack run` is what `make run` keeps in the foreground. Another program takes the same as a context:

    environment = platform_environment(os.environ, data_dir=fresh_data_dir("demo"), port=8000)
    with Stack(environment, port=8000) as stack:
        stack.wait_ready()
        …                       # talk to stack.address
"""

from __future__ import annotations

import argparse
import fcntl
import http.client
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from setup import ROOT
from setup.failure import SetupError
from setup.preflight import parse_port, require_free_port
from setup.steps import readable
from setup.supervisor import Program, Supervisor

HEALTH_PATH = "/healthz"
PYTHON = ROOT / ".venv" / "bin" / "python"
PARTS = ("web", "worker")
# A worker that is asked to end waits for a job's child to save its checkpoint, so that the job can go on elsewhere.
GRACE_S = 30.0


def platform_environment(
    base: Mapping[str, str], *, data_dir: Path, port: int, host: str = "127.0.0.1"
) -> dict[str, str]:
    """Return `base` with what the settings need to serve `data_dir` at `host`:`port`; `base` wins for BASE_URL."""
    environment = dict(base)
    environment["DATA_DIR"] = str(data_dir)
    environment["PYTHONUNBUFFERED"] = "1"
    environment.setdefault("STATIC_ROOT", str(ROOT / "var" / "static"))
    environment.setdefault("BASE_URL", f"http://{_reachable(host)}:{port}")
    return environment


def _reachable(host: str) -> str:
    """A server that listens everywhere is called at the loopback address; an IPv6 address stands in brackets."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"[{host}]" if ":" in host else host


def fresh_data_dir(name: str) -> Path:
    """Empty `var/<name>` and return it. Raises SetupError while another process of this machine uses it.

    The folder stays claimed until this process ends.
    """
    folder = ROOT / "var" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    claim = os.open(folder.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(claim)
        raise SetupError(f"Another process is using {readable(folder)}. End it first.") from None
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def programs(parts: Sequence[str], environment: Mapping[str, str], *, host: str, port: int) -> list[Program]:
    """Return the programs of `parts`, out of PARTS."""
    serve = [str(PYTHON), "-m", "uvicorn", "config.asgi:application", "--app-dir", "platform", "--host", host]
    serve += ["--port", str(port), "--timeout-graceful-shutdown", "5", "--no-access-log", "--log-level", "warning"]
    commands = {"web": serve, "worker": [str(PYTHON), "manage.py", "work"]}
    return [Program(part, commands[part], environment, ROOT) for part in parts]


def migrate(environment: Mapping[str, str]) -> None:
    """Bring the database up to date. Raises SetupError with the last line of what Django said."""
    status, said = _manage(["migrate", "--no-input", "--verbosity", "0"], environment)
    if status != 0:
        raise SetupError(f"The database could not be migrated: {said}")


def require_migrated(environment: Mapping[str, str]) -> None:
    """Raise SetupError when the database does not answer or lacks a migration."""
    status, said = _manage(["migrate", "--check", "--verbosity", "0"], environment)
    if status != 0:
        why = said or "migrations are missing. `make run` applies them, on one machine, before others start."
        raise SetupError(f"The database is not ready for workers: {why}")


def _manage(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a management command. Returns its status and, where it failed, its last line and where the rest is."""
    done = subprocess.run(
        [str(PYTHON), "manage.py", *arguments],
        env=dict(environment),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    output = (done.stdout + done.stderr).strip()
    if done.returncode == 0 or not output:
        return done.returncode, ""
    log = ROOT / "var" / "log" / f"{arguments[0]}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(output + "\n")
    return done.returncode, f"{output.splitlines()[-1]} The whole output is in {readable(log)}."


class Stack:
    """Migrates, then runs web server and worker in the background while the context is open.

    They run under a supervisor process of their own, which ends them when the context closes and also when this process
    dies without closing it. What they print goes to `log`.
    """

    def __init__(
        self, environment: Mapping[str, str], port: int, *, host: str = "127.0.0.1", log: Path | None = None
    ) -> None:
        self.environment = environment
        self.port = port
        self.host = host
        self.log = log or Path(environment["DATA_DIR"]) / "stack.log"
        self.address = f"http://{_reachable(host)}:{port}"
        self._supervisor: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        require_free_port(self.port, host=self.host)
        migrate(self.environment)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        command = [str(PYTHON), "-m", "setup.stack", "run", "--no-migrate", "--with-parent"]
        command += ["--host", self.host, "--port", str(self.port)]
        with self.log.open("ab") as output:
            self._supervisor = subprocess.Popen(
                command,
                env=dict(self.environment),
                cwd=ROOT,
                stdin=subprocess.PIPE,  # its end of file tells the supervisor that we are gone
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        supervisor = self._supervisor
        assert supervisor is not None
        assert supervisor.stdin is not None
        supervisor.stdin.close()
        supervisor.wait()

    def poll(self) -> int | None:
        """Return None while everything runs, else the exit status that the stack ended with."""
        assert self._supervisor is not None, "the stack has not been started"
        return self._supervisor.poll()

    def wait(self) -> int:
        """Stay until the stack ends by itself, which is a fault, and return its exit status."""
        assert self._supervisor is not None, "the stack has not been started"
        return self._supervisor.wait()

    def wait_ready(self, timeout_s: float = 90.0) -> None:
        """Return when the web server says that it is healthy. Raises SetupError when the stack ends or time is up."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            status = self.poll()
            if status is not None:
                raise SetupError(f"The platform ended with status {status} while starting. {self._last_words()}")
            if self._is_healthy():
                return
            time.sleep(0.1)
        raise SetupError(f"{self.address}{HEALTH_PATH} did not answer 200 within {timeout_s:g} s. {self._last_words()}")

    def _is_healthy(self) -> bool:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=5)
        try:
            connection.request("GET", HEALTH_PATH)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _last_words(self) -> str:
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        last = f"The last line it printed: {lines[-1].strip()!r}. " if lines else ""
        return f"{last}The whole output is in {readable(self.log)}."


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m setup.stack", description="Run the platform's processes in the foreground."
    )
    parser.add_argument("parts", choices=["run", "worker"], help="run: web server and worker; worker: one more worker")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default="8000")
    parser.add_argument("--no-migrate", action="store_true", help="the database is up to date already")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input is closed")
    options = parser.parse_args(arguments)
    try:
        port = parse_port(options.port)
        data_dir = Path(os.environ.get("DATA_DIR") or ROOT / "var")
        environment = platform_environment(os.environ, data_dir=data_dir, port=port, host=options.host)
        parts: Sequence[str] = PARTS if options.parts == "run" else ["worker"]
        if options.parts == "run":
            require_free_port(port, host=options.host)
            if not options.no_migrate:
                print("Bringing the database up to date …", flush=True)
                migrate(environment)
            print(f"Bantam runs at {environment['BASE_URL']} (Ctrl-C ends it)", flush=True)
        else:
            require_migrated(environment)
        lifeline = sys.stdin.fileno() if options.with_parent else None
        started = programs(parts, environment, host=options.host, port=port)
        return Supervisor(started, grace_s=GRACE_S, lifeline=lifeline).run()
    except SetupError as error:
        print(f"bantam: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
