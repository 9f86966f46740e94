"""Stands in for an engine that a file has taken over: code of the attacker's choice runs where a parser would.

python -m ml attack NAME --out OUT --work WORK --given IN --outside FOLDER --port PORT --worker PID --events

An attack that the sandbox refuses raises, and the process ends as the engine does when it fails. One that gets through
writes a good result, so that a test sees a job that succeeded.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from types import SimpleNamespace as Where

SYSTEM_CALLS = {"x86_64": {"mount": 165, "ptrace": 101}, "aarch64": {"mount": 40, "ptrace": 117}}
CLONE_NEWUSER = 0x10000000
libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    """A system call by number or a function of libc by name. Raises OSError."""
    numbers = SYSTEM_CALLS[os.uname().machine]
    result = libc.syscall(numbers[name], *arguments) if name in numbers else getattr(libc, name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def read_accounts(at: Where) -> None:
    Path("/etc/passwd").read_text()


def read_environment_of_the_worker(at: Where) -> None:
    Path(f"/proc/{at.worker}/environ").read_bytes()


def read_a_secret(at: Where) -> None:
    (at.outside / "secret").read_text()


def write_outside(at: Where) -> None:
    (at.outside / "canary").write_text("changed")


def make_a_file_outside(at: Where) -> None:
    (at.outside / "left").write_text("left")


def change_rights_outside(at: Where) -> None:
    (at.outside / "canary").chmod(0o777)
    os.utime(at.outside / "canary", (0, 0))
    if (at.outside / "canary").stat().st_mode & 0o777 != 0o777:
        raise PermissionError("it changed nothing")


def truncate_outside(at: Where) -> None:
    os.truncate(at.outside / "canary", 0)


def write_its_input(at: Where) -> None:
    (at.given / "file").write_text("changed")


def make_a_link_out(at: Where) -> None:
    (at.out / "model.tflite").symlink_to(at.outside / "secret")


def make_a_pipe(at: Where) -> None:
    os.mkfifo(at.out / "model.tflite")


def open_a_socket(at: Where) -> None:
    socket.create_connection(("127.0.0.1", at.port), timeout=5)


def open_a_unix_socket(at: Where) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.connect(str(at.outside / "socket"))


def listen(at: Where) -> None:
    socket.create_server(("127.0.0.1", 0))


def mount(at: Where) -> None:
    call("mount", b"none", os.fsencode(at.work), b"tmpfs", 0, None)


def trace_the_worker(at: Where) -> None:
    call("ptrace", 16, at.worker, None, None)


def make_a_namespace(at: Where) -> None:
    call("unshare", CLONE_NEWUSER)


def leave_the_group(at: Where) -> None:
    if os.fork() == 0:
        os.setsid()
        time.sleep(300)
    os.wait()
    raise PermissionError("the child could not leave")


def kill_the_worker(at: Where) -> None:
    os.kill(at.worker, signal.SIGKILL)


def limit_the_worker(at: Where) -> None:
    resource.prlimit(at.worker, resource.RLIMIT_FSIZE, (0, 0))


def hide_memory(at: Where) -> None:
    os.memfd_create("hidden")


def take_more(at: Where) -> None:
    """Of every limit, more than was given."""
    for name in (resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_DATA):
        try:
            resource.setrlimit(name, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        except ValueError:
            continue
        return
    raise PermissionError("no limit could be raised")


def unpickle(at: Where) -> None:
    pickle.loads((at.given / "file").read_bytes())


def fork_bomb(at: Where) -> None:
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(1)


def start_processes(at: Where) -> None:
    while True:
        subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(300)"])


def start_threads(at: Where) -> None:
    while True:
        threading.Thread(target=time.sleep, args=(300,), daemon=True).start()


def fill_memory(at: Where) -> None:
    kept = []
    while True:
        kept.append(b"x" * 2**22)


def fill_memory_in_many(at: Where) -> None:
    """Each process by itself stays within the limit."""
    for _ in range(5):
        if os.fork() == 0:
            kept = os.urandom(2**20) * 100
            time.sleep(300 + len(kept) * 0)
    time.sleep(300)


def ask_for_all_memory(at: Where) -> None:
    len(bytearray(2**45))


def fill_disk(at: Where) -> None:
    for number in range(10**6):
        (at.out / str(number)).write_bytes(b"x" * 2**19)


def fill_one_file(at: Where) -> None:
    with (at.work / "file").open("wb") as file:
        while True:
            file.write(b"x" * 2**20)


def fill_disk_without_a_name(at: Where) -> None:
    kept = []
    while True:
        kept.append((at.work / "hidden").open("wb", buffering=0))
        (at.work / "hidden").unlink()
        kept[-1].write(b"x" * 2**20)
        time.sleep(0.01)


def make_many_files(at: Where) -> None:
    for number in range(10**6):
        (at.work / str(number)).touch()


def make_folders_without_end(at: Where) -> None:
    os.chdir(at.work)
    for _ in range(3000):
        Path("d").mkdir()
        os.chdir("d")
    time.sleep(300)


def close_folders(at: Where) -> None:
    (at.work / "closed" / "inner").mkdir(parents=True)
    (at.work / "closed").chmod(0)
    raise PermissionError("what is left can't be looked into")


def burn_processor_time(at: Where) -> None:
    while True:
        pass


def sleep_on(at: Where) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(300)


def keras_lambda(at: Where) -> None:
    """A Keras model whose Lambda layer carries code, loaded without the engine's own look at it; before, a graph."""
    import tensorflow as tf
    import tf_keras

    # Operators of a graph read and write files, whatever Keras thinks of the model.
    for attempt in (
        lambda: tf.io.read_file("/etc/passwd"),
        lambda: tf.io.read_file(str(at.outside / "secret")),
        lambda: tf.io.write_file(str(at.outside / "canary"), "changed"),
    ):
        try:
            attempt()
        except tf.errors.OpError as error:
            sys.stderr.write(f"refused: {error}\n")
        else:
            return
    model = at.work / "model.keras"
    model.symlink_to(at.given / "file")
    tf_keras.models.load_model(model, compile=False, safe_mode=False)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["attack"])
    parser.add_argument("name")
    for folder in ("out", "work", "given", "outside"):
        parser.add_argument(f"--{folder}", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--worker", type=int, required=True)
    parser.add_argument("--events", action="store_true", required=True)
    at = parser.parse_args()
    try:
        globals()[at.name](Where(**vars(at)))
    except Exception as error:
        traceback.print_exc()
        message = f"The engine failed: {type(error).__name__}: {error}"
        sys.stdout.write(json.dumps({"event": "error", "code": "internal_error", "message": message}) + "\n")
        return 1
    (at.out / "result.json").write_text("{}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
