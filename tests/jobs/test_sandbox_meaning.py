"""What an end in the sandbox means: a limit, a violation, or a fault of the machine, which alone is tried again."""

from __future__ import annotations

import signal

import pytest

from apps.jobs.endings import Fault
from apps.jobs.handlers import Folder
from apps.jobs.meaning import Done, Refusal, meaning_of
from apps.jobs.reports import ReportedError
from apps.jobs.sandbox.limits import limits_for


@pytest.fixture
def mean(tmp_path):
    """`mean(status, message)` → the outcome of a child that ended so, with what the engine or else the log said."""

    def find(status: int, message: str = "", *, log: str = "", is_confined: bool = True):
        folder = Folder(tmp_path)
        folder.out.mkdir(exist_ok=True)
        error = ReportedError("internal_error", message, []) if message else None
        return meaning_of(
            status,
            stop=None,
            error=error,
            last_lines=log.splitlines(),
            overrun=None,
            folder=folder,
            limits=limits_for("check", time_limit_s=60),
            is_confined=is_confined,
        )

    return find


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("MemoryError: ", "out_of_memory"),
        ("ResourceExhaustedError: OOM when allocating tensor with shape[9,9]", "out_of_memory"),
        ("OSError: [Errno 27] File too large", "disk_limit"),
        ("BlockingIOError: [Errno 11] Resource temporarily unavailable", "process_limit"),
        ("RuntimeError: can't start new thread", "process_limit"),
        ("PermissionError: [Errno 1] Operation not permitted", "sandbox_violation"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/etc/shadow'", "sandbox_violation"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/home/nobody/was/here'", "sandbox_violation"),
        ("NotFoundError: /root/key; No such file or directory [Op:ReadFile]", "sandbox_violation"),
    ],
)
def test_what_the_kernel_refused_is_named(mean, message, code):
    outcome = mean(1, f"The engine failed: {message}")
    assert isinstance(outcome, Refusal)
    assert outcome.code == code


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (-signal.SIGXCPU, "cpu_limit"),
        (-signal.SIGXFSZ, "disk_limit"),
        (-signal.SIGSYS, "sandbox_violation"),
    ],
)
def test_signals_of_limits_are_known(mean, status, code):
    outcome = mean(status)
    assert isinstance(outcome, Refusal)
    assert outcome.code == code


def test_native_code_that_ran_out_of_memory_says_so_in_its_last_lines(mean):
    log = "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc"
    outcome = mean(-signal.SIGABRT, log=log)
    assert isinstance(outcome, Refusal)
    assert outcome.code == "out_of_memory"


def test_other_faults_stay_faults(mean, tmp_path):
    for message in ("ValueError: 3", f"FileNotFoundError: No such file or directory: '{tmp_path}/work/checkpoint'"):
        assert mean(1, message) == Fault("internal_error", message)
    assert mean(-signal.SIGKILL).code == "out_of_memory"
    assert isinstance(mean(-signal.SIGKILL), Fault)
    assert isinstance(mean(-signal.SIGSEGV), Fault)


def test_without_a_sandbox_nothing_is_put_down_to_it(mean):
    assert isinstance(mean(1, "PermissionError: [Errno 13] Permission denied", is_confined=False), Fault)


def test_results_with_a_link_are_not_read(mean, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "result.json").write_text("{}")
    assert mean(0) == Done({})
    (tmp_path / "out" / "model.tflite").symlink_to("/etc/passwd")
    outcome = mean(0)
    assert isinstance(outcome, Refusal)
    assert (outcome.code, "'model.tflite' is a link" in outcome.message) == ("sandbox_violation", True)
