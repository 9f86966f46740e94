"""The filter of system calls, run by a slow interpreter of its program, on both processors."""

from __future__ import annotations

import errno
import platform
import struct
import subprocess

import pytest

from apps.jobs.sandbox import landlock, syscalls
from apps.jobs.sandbox.seccomp import ALLOW, KILL, OWN_PROCESS, PRETEND, REFUSE, UNKNOWN, program
from apps.jobs.sandbox.syscalls import number

ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def answer(code: bytes, call: int, *arguments: int, arch: int) -> int:
    """What the program says to a call: Linux, Documentation/networking/filter.rst, as far as the program needs it."""
    data = struct.pack("<iIQ6Q", call, arch, 0, *(value & 2**64 - 1 for value in [*arguments, *[0] * 6][:6]))
    steps = list(struct.iter_unpack("<HBBI", code))
    at = value = 0
    while True:
        what, yes, no, k = steps[at]
        at += 1
        match what:
            case 0x20:
                (value,) = struct.unpack_from("<I", data, k)
            case 0x15:
                at += yes if value == k else no
            case 0x35:
                at += yes if value >= k else no
            case 0x45:
                at += yes if value & k else no
            case 0x06:
                return k
            case _:
                raise AssertionError(what)


@pytest.fixture(params=ARCHES)
def ask(request):
    """`ask(name, …)` → what the filter answers to that call on one of the processors; options go to `program`."""
    machine = request.param

    def put(name: str, *arguments: int, **options) -> int:
        call = number(name, machine)
        if call is None:
            pytest.skip(f"{machine} has no {name}")
        return answer(program(machine=machine, **options), call, *arguments, arch=ARCHES[machine])

    return put


def test_what_no_job_calls_ends_it(ask):
    for name in ("mount", "ptrace", "bpf", "kexec_load", "init_module", "setns", "move_mount"):
        assert ask(name) == KILL


def test_what_libraries_try_is_refused(ask):
    for name in ("socket", "unshare", "keyctl", "perf_event_open", "userfaultfd", "io_uring_setup", "setsid"):
        assert ask(name) == REFUSE
    assert ask("clone3") == ask("memfd_create") == UNKNOWN == 0x50000 | errno.ENOSYS


def test_arguments_decide_where_they_have_to(ask):
    thread = 0x3D0F00
    assert (ask("clone", thread), ask("clone", thread | 0x10000000)) == (ALLOW, REFUSE)
    assert (ask("socketpair", 1), ask("socketpair", 2)) == (ALLOW, REFUSE)
    assert (ask("personality", 0xFFFFFFFF), ask("personality", 0x0040000)) == (ALLOW, REFUSE)
    assert (ask("prlimit64", 0), ask("prlimit64", 4711)) == (ALLOW, REFUSE)
    assert (ask("ioctl", 0, 0x5413), ask("ioctl", 0, 0x5412)) == (ALLOW, REFUSE)


def test_among_the_machine_s_files_and_processes_more_is_refused(ask):
    assert (ask("fchmodat"), ask("fchmodat", shares_machine=True, landlock_abi=7)) == (ALLOW, PRETEND)
    assert ask("utimensat", shares_machine=True, landlock_abi=7) == REFUSE
    assert ask("sched_setaffinity", shares_machine=True, landlock_abi=7) == REFUSE


def test_what_an_older_landlock_leaves_open_is_refused(ask):
    old = {"shares_machine": True, "landlock_abi": 2}
    assert (ask("truncate", **old), ask("truncate", shares_machine=True, landlock_abi=3)) == (REFUSE, ALLOW)
    assert (ask("kill", OWN_PROCESS, **old), ask("kill", 1, **old), ask("kill", -1, **old)) == (ALLOW, REFUSE, REFUSE)
    assert ask("kill", 1, shares_machine=True, landlock_abi=6) == ALLOW


@pytest.mark.parametrize("machine", ARCHES)
def test_calls_in_another_processor_s_way_end_the_job(machine):
    code = program(machine=machine)
    assert answer(code, 0, arch=0x40000003) == KILL
    assert answer(code, 63, arch=ARCHES[machine]) == ALLOW
    assert answer(program(machine="x86_64"), 0x40000000 | 1, arch=ARCHES["x86_64"]) == KILL


def test_the_numbers_are_those_of_the_kernel_s_headers(tmp_path):
    """Where a C preprocessor and the headers are: every name that they know has our number."""
    machine = platform.machine()
    names = [name for name in (*syscalls._OLD, *syscalls._NEW) if number(name, machine) is not None]
    source = "#include <sys/syscall.h>\n" + "".join(f"{name} = __NR_{name}\n" for name in names)
    try:
        done = subprocess.run(["cpp", "-P", "-"], input=source, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("there is no C preprocessor with the kernel's headers")
    said = dict(line.split(" = ") for line in done.stdout.splitlines() if " = " in line)
    known = {name: int(value) for name, value in said.items() if value.isdecimal()}
    assert len(known) > 80
    assert {name: number(name, machine) for name in known} == known


def test_landlock_is_asked_for_no_more_than_it_knows(tmp_path):
    file = tmp_path / "file"
    file.touch()
    for version, size in ((2, 8), (3, 8), (4, 16), (5, 16), (6, 24), (9, 24)):
        rules = landlock.rules(version, run=[tmp_path], read=[file], names=[], change=[tmp_path])
        assert rules["size"] == size
        assert all(rights & ~rules["files"] == 0 for _, rights in rules["paths"])
        assert dict(rules["paths"])[str(file)] == landlock.READ_FILE
        assert bool(rules["network"]) == (version >= 4)
        assert bool(rules["scopes"]) == (version >= 6)
