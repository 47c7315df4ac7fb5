"""Holders killed with -9 in the middle of their section, while others wait for the key."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.contract.redis_nodes import Nodes, running
from tests.contract.waiting import wait_until

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]

KEY = "order:1"
TTL_SECONDS = 0.8
# A waiting process looks again so often at the latest, and two cores are shared by all of them.
LOOK_AGAIN_SECONDS = 0.4
PROCESSES = 5
KILLS = 12
SECTIONS_BETWEEN = 5


class Note(NamedTuple):
    word: str
    pid: int
    token: int
    at: float


class Contest:
    """Processes that want the same key all the time, and the diary they write."""

    def __init__(self, nodes: Nodes, folder: Path) -> None:
        self._diary, self._witness = folder / "diary", folder / "witness"
        self._diary.touch()
        self._witness.touch()
        self._urls = ",".join(nodes.urls)
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    def add(self) -> None:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.crash.endless_sections", self._urls, KEY),
                *(str(TTL_SECONDS), str(self._diary), str(self._witness)),
            ]
        )
        self.processes[process.pid] = process

    def notes(self) -> list[Note]:
        lines = self._diary.read_text(encoding="utf-8").splitlines()
        return [
            Note(word, int(pid), int(token), float(at))
            for word, pid, token, at in (line.split() for line in lines)
        ]

    def work_on(self, sections: int) -> None:
        """Until so many more sections are done, and everybody has started who should wait."""

        def done() -> int:
            return sum(note.word == "out" for note in self.notes())

        wait_until(lambda: self.processes.keys() <= self._pids("ready"), seconds=30)
        wanted = done() + sections
        wait_until(lambda: done() >= wanted, seconds=30)

    def _pids(self, word: str) -> set[int]:
        return {note.pid for note in self.notes() if note.word == word}

    def kill_a_holder(self) -> tuple[int, float]:
        """Kill whoever is inside, until one was caught there: its token, and when it died."""
        while True:
            wait_until(lambda: bool(self.notes()), seconds=10)
            last = self.notes()[-1]
            if last.word != "in" or last.pid not in self.processes:
                time.sleep(0.001)
                continue
            victim = self.processes.pop(last.pid)
            victim.kill()
            died_at = time.monotonic()
            victim.wait(timeout=10)
            self.add()
            of_victim = [note for note in self.notes() if note.pid == last.pid]
            if of_victim[-1].word == "in":
                return of_victim[-1].token, died_at

    def next_holder(self, token: int) -> Note:
        """The first section with a newer token."""
        found: list[Note] = []

        def came() -> bool:
            found[:] = [note for note in self.notes() if note.word == "in" and note.token > token]
            return bool(found)

        wait_until(came, seconds=TTL_SECONDS * 5)
        return found[0]


@contextmanager
def contest(nodes: Nodes, folder: Path) -> Iterator[Contest]:
    started = Contest(nodes, folder)
    try:
        for _ in range(PROCESSES):
            started.add()
        yield started
    finally:
        for process in started.processes.values():
            process.kill()
            process.wait(timeout=10)


def test_killed_holders_let_nobody_in_together_and_hold_nobody_up_beyond_their_lease(
    tmp_path: Path,
) -> None:
    with running(3, tmp_path) as nodes, contest(nodes, tmp_path) as running_contest:
        gaps = []
        for _ in range(KILLS):
            running_contest.work_on(SECTIONS_BETWEEN)
            token, died_at = running_contest.kill_a_holder()
            gaps.append(running_contest.next_holder(token).at - died_at)
        notes = running_contest.notes()

    assert [note for note in notes if note.word == "overlap"] == []
    entries = [note for note in notes if note.word == "in"]
    assert all(before.token < after.token for before, after in pairwise(entries))
    assert max(gaps) < TTL_SECONDS + LOOK_AGAIN_SECONDS, gaps
