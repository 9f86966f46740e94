"""What a child's end means: a result, what the user can mend, a fault of the machine, a stop that was asked for."""

from __future__ import annotations

import enum
import json
import re
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.errors import Detail
from apps.jobs.endings import Fault
from apps.jobs.handlers import Folder
from apps.jobs.reports import ReportedError
from apps.jobs.sandbox import overrun
from apps.jobs.sandbox.folder import foreign_part
from apps.jobs.sandbox.limits import Limits
from apps.jobs.sandbox.overrun import Overrun

MAX_RESULT_BYTES = 16 * 1024 * 1024


class Stop(enum.Enum):
    """Why a child is stopped before it ends by itself."""

    CANCELLED = "cancelled"
    TIME_LIMIT = "time limit"
    SHUTDOWN = "shutdown"
    LEASE_LOST = "lease lost"
    OVERRUN = "a limit was passed"


@dataclass(frozen=True)
class Done:
    """The child ended well; `result` is its result.json."""

    result: dict[str, Any]


@dataclass(frozen=True)
class Refusal:
    """The user's input was refused, or a limit was reached: another attempt would end the same way."""

    code: str
    message: str
    details: list[Detail]


Outcome = Done | Refusal | Fault | Stop

# What libraries say when the kernel refuses what a limit or the sandbox forbids. The engine's own account comes first,
# then the last lines of the log: native code ends without an account.
SAID = (
    ("out_of_memory", r"MemoryError|bad_alloc|Cannot allocate memory|OOM when allocating|Unable to allocate|"
     r"failed to allocate memory|out of memory"),
    ("disk_limit", r"File too large|\[Errno 27\]|No space left on device"),
    ("process_limit", r"can't start new thread|Resource temporarily unavailable|Thread creation via pthread_create"),
    ("sandbox_violation", r"PermissionError|PermissionDeniedError|PERMISSION_DENIED|Permission denied|"
     r"Operation not permitted|Read-only file system|ProcessLookupError|Function not implemented"),
)  # fmt: skip
# A file that the sandbox does not show seems not to exist. Whether it does is not for the job to learn from its error.
MISSING = r"(?:FileNotFoundError|NotFoundError|No such file or directory).*?(/[^\s'\";,)]+)"


def meaning_of(
    status: int,
    *,
    stop: Stop | None,
    error: ReportedError | None,
    last_lines: Iterable[str],
    overrun: Overrun | None,
    folder: Folder,
    limits: Limits,
    is_confined: bool,
) -> Outcome:
    """`status` is an exit status, or -n for signal n; `error` and `last_lines` are what the child said itself."""
    if stop in {Stop.LEASE_LOST, Stop.CANCELLED}:
        assert stop is not None
        return stop
    if overrun is not None and (stop is Stop.OVERRUN or status != 0):
        return Refusal(overrun.code, overrun.message, [])
    if status == 0:
        return _result(folder)
    if status == 2 and error is not None:
        return Refusal(error.code, error.message, error.details)
    if stop is Stop.TIME_LIMIT:
        limit = f"{limits.time_s} s" if limits.time_s < 120 else f"{limits.time_s // 60} min"
        return Refusal(
            "time_limit", f"The job ran longer than its limit of {limit}. Start it again with less to do.", []
        )
    if stop is Stop.SHUTDOWN:
        return stop
    if is_confined and (refused := _by_sandbox(status, error, last_lines, folder, limits)):
        return Refusal(refused.code, refused.message, [])
    return _fault(status, error)


def _by_sandbox(
    status: int, error: ReportedError | None, last_lines: Iterable[str], folder: Folder, limits: Limits
) -> Overrun | None:
    if status == -signal.SIGXCPU:
        return overrun.too_much_time(limits)
    if status == -signal.SIGXFSZ:
        return overrun.too_much_disk(limits)
    if status == -signal.SIGSYS:
        return Overrun("sandbox_violation", "The job was ended because it called what no job may call in the kernel.")
    if error is not None and error.code != "internal_error":
        return None
    said = error.message if error is not None else "\n".join(last_lines)
    if (found := re.search(MISSING, said)) and not _is_shown(Path(found[1]), folder):
        return _in_words("sandbox_violation", _line_with(said, found), limits)
    for code, pattern in SAID:
        if found := re.search(pattern, said):
            return _in_words(code, _line_with(said, found), limits)
    return None


def _is_shown(path: Path, folder: Folder) -> bool:
    """Whether a child may see what lies there, should there be something."""
    shown = [folder.root, *map(Path, ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/sys", "/dev", "/proc/self"))]
    shown += [Path(sys.prefix), Path(sys.base_prefix), settings.BASE_DIR / "platform" / "ml"]
    return any(place in (path, *path.parents) for place in shown)


def _in_words(code: str, line: str, limits: Limits) -> Overrun:
    match code:
        case "out_of_memory":
            return overrun.too_much_memory(limits)
        case "disk_limit":
            return overrun.too_much_disk(limits)
        case "process_limit":
            return overrun.too_many_tasks(limits)
    return Overrun(code, f"The job tried what its sandbox does not allow, and failed: {line}")


def _line_with(text: str, found: re.Match[str]) -> str:
    start = text.rfind("\n", 0, found.start()) + 1
    return text[start:].partition("\n")[0][:500]


def _fault(status: int, error: ReportedError | None) -> Fault:
    if status == -signal.SIGKILL:
        return Fault(
            "out_of_memory",
            "The job's process was killed by the system, most often because the machine ran out of memory. "
            "Start it again with smaller batches, images or models.",
        )
    if status in {-signal.SIGTERM, 128 + signal.SIGTERM}:
        return Fault("interrupted", "The job's process was ended from outside.")
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        return Fault("crashed", f"The job's process crashed ({name}). The log's last lines may say more.")
    if error is not None:
        return Fault(error.code, error.message)
    return Fault(
        "internal_error", f"The job's process failed with exit status {status}. The log's last lines may say more."
    )


def _result(folder: Folder) -> Outcome:
    """A child's result.json, which it writes last. Without a good one it has not done its work."""
    path = folder.out / "result.json"
    try:
        if part := foreign_part(folder.out):
            return Refusal("sandbox_violation", f"The job left something else than files in its results: {part}.", [])
        if path.stat().st_size > MAX_RESULT_BYTES:
            return Fault("internal_error", f"The job's result is no plain file of at most {MAX_RESULT_BYTES} bytes.")
        result = json.loads(path.read_bytes(), parse_constant=lambda _: None)
    except (OSError, ValueError) as error:
        return Fault("internal_error", f"The job's process ended well, but its result can't be read: {error}")
    if not isinstance(result, dict):
        return Fault("internal_error", "The job's result is no JSON object.")
    return Done(result)
