"""Telling a stack's own processes from everybody else's."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.stack import processes, reaper
from ops.stack.errors import StackError
from ops.stack.layout import Layout
from ops.stack.lock import StackLock
from ops.stack.parts import MARK

SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "stack")
    layout.create()
    return layout


def sleeper(*arguments: str, mark: str = "") -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", SLEEP, *arguments], env={**os.environ, MARK: mark}
    )


@pytest.fixture
def stranger() -> Iterator["subprocess.Popen[bytes]"]:
    process = sleeper()
    yield process
    process.kill()
    process.wait(timeout=10)


def test_a_stale_owner_is_known_by_its_configuration_file(layout: Layout) -> None:
    owner = sleeper("-c", str(layout.conf))
    try:
        layout.pidfile.write_text(f"{owner.pid}\n", encoding="utf-8")
        found = processes.supervisor_of(layout)
        assert found is not None
        assert found.pid == owner.pid
        processes.end(layout, stop_seconds=10)
        assert not processes.is_alive(owner.pid)
        assert not layout.pidfile.exists()
    finally:
        owner.kill()


def test_a_strangers_process_with_the_remembered_number_is_left_alone(
    layout: Layout, stranger: "subprocess.Popen[bytes]"
) -> None:
    layout.pidfile.write_text(f"{stranger.pid}\n", encoding="utf-8")
    assert processes.supervisor_of(layout) is None
    processes.end(layout, stop_seconds=10)
    assert stranger.poll() is None


@pytest.mark.parametrize("content", ["", "no number", "-1", "99999999"])
def test_a_damaged_pid_file_names_nobody(layout: Layout, content: str) -> None:
    layout.pidfile.write_text(content, encoding="utf-8")
    assert processes.supervisor_of(layout) is None


def test_orphans_of_the_stack_are_killed_and_other_stacks_are_not(
    layout: Layout, stranger: "subprocess.Popen[bytes]"
) -> None:
    orphan = sleeper(mark=str(layout.folder))
    neighbour = sleeper(mark=f"{layout.folder}-2")
    try:
        assert processes.kill_members(layout) == 1
        assert not processes.is_alive(orphan.pid)
        assert neighbour.poll() is None
        assert stranger.poll() is None
    finally:
        for process in (orphan, neighbour):
            process.kill()
            process.wait(timeout=10)


def test_a_second_command_is_told_who_uses_the_stack(layout: Layout) -> None:
    first, second = StackLock(layout), StackLock(layout)
    first.acquire()
    with pytest.raises(StackError, match=f"process {os.getpid()}"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_a_folder_that_no_stack_made_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(StackError, match="not the folder of a stack"):
        Layout(tmp_path).remove()
    assert (tmp_path / "thesis.txt").exists()


def test_the_reaper_ends_the_group_of_a_program_that_exited() -> None:
    leader = subprocess.Popen(
        [sys.executable, "-c", SLEEP], start_new_session=True, env=dict(os.environ)
    )
    payload = f"processname:web groupname:application from_state:RUNNING pid:{leader.pid}"
    event = f"ver:3.0 eventname:PROCESS_STATE_EXITED len:{len(payload)}\n{payload}"
    answers = io.StringIO()
    reaper.serve(io.StringIO(event), answers)
    assert leader.wait(timeout=10) != 0
    assert answers.getvalue() == "READY\nRESULT 2\nOKREADY\n"
