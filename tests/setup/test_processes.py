"""The process table, read for real processes."""

from __future__ import annotations

import os
import subprocess
import sys

from setup.processes import belonging_to, process_table

SLEEPING_CHILD = "import subprocess, sys; c = subprocess.Popen(['sleep', '60']); print(c.pid, flush=True); c.wait()"


def test_children_and_their_children_belong_to_a_process_and_ended_ones_do_not():
    with subprocess.Popen([sys.executable, "-c", SLEEPING_CHILD], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        assert {child.pid, grandchild} <= belonging_to(os.getpid())
        assert belonging_to(child.pid) == {grandchild}
        os.kill(grandchild, 9)
        child.wait()
    assert not {child.pid, grandchild} & belonging_to(os.getpid())


def test_members_of_a_process_group_are_found_without_their_parent():
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as leader:
        assert belonging_to(leader.pid + 10**6, groups=[leader.pid]) == {leader.pid}
        leader.kill()


def test_this_process_is_in_the_table_with_its_parent():
    me = next(process for process in process_table() if process.pid == os.getpid())
    assert me.parent == os.getppid()
    assert me.group == os.getpgrp()
