"""What limits a job has, and how what it uses is measured: from /proc, from its folders, by a control group."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from environ import ImproperlyConfigured

from apps.jobs.child import Child
from apps.jobs.handlers import Folder
from apps.jobs.sandbox import cgroup, usage
from apps.jobs.sandbox.cgroup import Group
from apps.jobs.sandbox.folder import foreign_part, hand_over, remove
from apps.jobs.sandbox.levels import standing
from apps.jobs.sandbox.limits import limits_for, machine_memory
from apps.jobs.sandbox.usage import DiskMeter, disk_usage, tree
from config.limits import DEFAULTS, by_kind
from tests.jobs.hostile.levels import LEVELS, demand
from tests.jobs.processes import until


class TestSettings:
    def test_one_number_is_for_every_kind(self):
        assert by_kind("JOB_DISK_MB", "100", DEFAULTS["disk_mb"]) == {"every": 100}

    def test_a_kind_that_is_not_named_keeps_its_default(self):
        assert by_kind("JOB_DISK_MB", "train=7, check=8", {"every": 1, "train": 2, "import": 3}) == {
            "every": 1, "train": 7, "import": 3, "check": 8,
        }  # fmt: skip

    @pytest.mark.parametrize("text", ["a", "train=", "train=-1", "learn=1", "1.5"])
    def test_what_makes_no_sense_is_refused_with_what_does(self, text):
        with pytest.raises(ImproperlyConfigured, match=f"JOB_DISK_MB must be .* Received: {text!r}. Kinds: import"):
            by_kind("JOB_DISK_MB", text, {"every": 1})

    def test_a_job_may_never_take_all_memory(self, settings):
        settings.JOB_LIMITS = {**settings.JOB_LIMITS, "memory_mb": {"every": 10**9}}
        assert 0 < limits_for("train", time_limit_s=60).memory_bytes < machine_memory()

    def test_what_is_not_set_follows_from_the_machine(self, settings):
        limits = limits_for("train", time_limit_s=60)
        assert limits.cpu_s == 60 * (os.cpu_count() or 1)
        assert limits.tasks > 256
        assert limits.file_bytes == limits.disk_bytes


class TestProcesses:
    @staticmethod
    def of_two(pid: int, is_so: Callable[[usage.Process, usage.Process], bool]) -> list[usage.Process]:
        """The process and its only child, if both are there and it is so; else nothing."""
        found = sorted(tree(pid), key=lambda one: one.depth)
        return found if len(found) == 2 and is_so(*found) else []

    def test_a_process_is_seen_with_all_below_it(self):
        code = "import subprocess, sys, time; kept = b'x' * 50_000_000; "
        code += "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); time.sleep(60)"
        with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as process:
            try:
                # Until it becomes another program, a child has its parent's memory.
                small = partial(self.of_two, process.pid, lambda top, below: below.resident_bytes < 50_000_000)
                top, below = until(small, "the child", 20)
                assert (top.pid, top.depth, below.depth, top.tasks) == (process.pid, 0, 1, 1)
                assert top.resident_bytes > 50_000_000
                assert list(usage._children_by_search(process.pid)) == [below.pid]
            finally:
                os.killpg(process.pid, 9)
        assert tree(process.pid) == []

    def test_memory_that_processes_share_counts_once(self):
        code = "import os, time; kept = os.urandom(60_000_000); os.fork(); os.fork(); time.sleep(60)"
        with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as process:
            try:
                until(lambda: len(tree(process.pid)) == 4, "the children", 20)
                found = tree(process.pid)
                assert usage.memory_of(found, limit=2**40) > 200_000_000
                assert usage.memory_of(found, limit=100_000_000) < 100_000_000
            finally:
                os.killpg(process.pid, 9)

    def test_processor_time_is_counted(self):
        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
            try:
                until(lambda: sum(one.cpu_s for one in tree(process.pid)) > 0.3, "processor time", 20)
            finally:
                process.kill()


class TestDisk:
    def test_files_and_folders_are_added_up(self, tmp_path):
        (tmp_path / "a" / "b").mkdir(parents=True)
        (tmp_path / "a" / "b" / "file").write_bytes(b"x" * 100_000)
        (tmp_path / "link").symlink_to("/usr")
        found = disk_usage([tmp_path], 10)
        assert (found.files, found.is_whole) == (4, True)
        assert 100_000 <= found.bytes < 150_000
        assert disk_usage([tmp_path], 3).is_whole is False

    def test_holes_in_a_file_take_no_room(self, tmp_path):
        with (tmp_path / "sparse").open("wb") as file:
            file.truncate(10**9)
        assert disk_usage([tmp_path], 10).bytes < 10**6

    def test_looking_rests_the_longer_the_longer_it_takes(self, tmp_path):
        for index in range(2000):
            (tmp_path / str(index)).touch()
        meter = DiskMeter((tmp_path,), 10_000)
        now = time.monotonic()
        assert meter.look(now) is not None
        took = time.monotonic() - now
        assert meter.look(now + 10 * took) is None
        assert meter.look(now + 21 * took + 0.1) is not None


class TestFolders:
    @pytest.mark.parametrize("kind", ["link", "pipe", "name"])
    def test_what_the_worker_must_not_follow_is_found(self, tmp_path, kind):
        (tmp_path / "inner").mkdir()
        (tmp_path / "inner" / "file").touch()
        assert foreign_part(tmp_path) is None
        {
            "link": lambda: (tmp_path / "inner" / "x").symlink_to("/etc/passwd"),
            "pipe": lambda: os.mkfifo(tmp_path / "inner" / "x"),
            "name": lambda: os.link(tmp_path / "inner" / "file", tmp_path / "inner" / "x"),
        }[kind]()
        assert "inner/" in (foreign_part(tmp_path) or "")

    def test_a_folder_goes_whatever_was_made_of_it(self, tmp_path):
        top, kept = tmp_path / "top", tmp_path / "kept"
        kept.mkdir()
        (top / "closed" / "inner").mkdir(parents=True)
        (top / "link").symlink_to(kept)
        (top / "closed").chmod(0)
        here = os.open(top, os.O_RDONLY)
        for _ in range(1500):  # more than Python's own way can go
            os.mkdir("d", dir_fd=here)
            (step, here) = (here, os.open("d", os.O_RDONLY, dir_fd=here))
            os.close(step)
        os.close(here)
        remove(top)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to others")
    def test_a_folder_is_handed_over_without_following_links(self, tmp_path):
        folder = Folder(tmp_path / "job")
        for path in (folder.in_, folder.out, folder.work):
            path.mkdir(parents=True)
        other = tmp_path / "other"
        other.touch()
        (folder.work / "link").symlink_to(other)
        hand_over(folder, 65534)
        assert (folder.work.stat().st_uid, (folder.work / "link").lstat().st_uid) == (65534, 65534)
        assert other.stat().st_uid == 0


class TestControlGroups:
    def test_limits_are_written_and_counts_read(self, tmp_path, settings):
        (tmp_path / "cgroup.procs").touch()
        (tmp_path / "memory.events").write_text("low 0\nmax 3\noom 1\noom_kill 1\n")
        (tmp_path / "pids.events").write_text("max 0\n")
        group = Group(tmp_path)
        limits = limits_for("check", time_limit_s=60)
        group.limit(limits)
        assert (tmp_path / "memory.max").read_text() == str(limits.memory_bytes)
        assert int((tmp_path / "pids.max").read_text()) >= limits.tasks
        assert (group.ran_out_of_memory, group.ran_out_of_tasks) == (True, False)
        os.close(group.procs)

    @pytest.mark.django_db
    @pytest.mark.sandbox
    @pytest.mark.parametrize("level", LEVELS)
    def test_a_child_joins_the_group_that_the_worker_made(self, settings, scripted, level):
        demand(settings, level)
        mounts = Path("/proc/self/mountinfo").read_text()
        mount = re.search(r"^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 ", mounts, re.MULTILINE)
        path = Path(mount[1] if mount else "/nowhere") / f"bantam-test-{os.getpid()}"
        try:
            path.mkdir()
        except OSError as error:
            pytest.skip(f"no control group can be made: {error}")
        group = Group(path)
        folder = Folder(settings.JOBS_DIR / "one" / "1")
        for place in (folder.in_, folder.out, folder.work):
            place.mkdir(parents=True)
        hand_over(folder, standing().method.uid)
        steps = json.dumps([["print", "ready"], ["sleep", 60]])
        arguments = ["play", "--out", str(folder.out), "--work", str(folder.work), "--steps", steps]
        limits = limits_for("check", time_limit_s=60)
        with Child(arguments, folder, method=standing().method, limits=limits, group=group) as child:
            until(lambda: b"ready" in child.read(1)[0], "the child to be ready", 20)
            inside = {int(pid) for pid in (path / "cgroup.procs").read_text().split()}
            behind = {one.pid for one in tree(child.pid) if one.depth >= standing().method.guards}
            assert behind
            assert behind <= inside
            group.close()
            until(lambda: child.has_ended, "the group to be ended", 10)
        with suppress(OSError):
            path.rmdir()
        assert not path.exists()

    def test_a_group_with_controllers_has_them(self):
        if cgroup.parent() is None:
            pytest.skip("this machine lets the worker make no group with controllers")
        with cgroup.group(limits_for("check", time_limit_s=60)) as group:
            assert group is not None
            assert int((group.path / "memory.max").read_text()) > 0
        assert not group.path.exists()
