"""Processes that are started again whenever they have ended, until the fleet is stopped."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from ops.stack.layout import CHECKOUT

_LOOK_SECONDS = 0.05
_STOP_SECONDS = 40.0


class Place:
    """One place in the fleet: a command, and the process that runs it now."""

    def __init__(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self._command = [sys.executable, *command]
        self._environ = dict(environ)
        self._log = log
        # A killed parent leaves children behind, so each start is a process group of its own.
        self._groups: list[int] = []
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                self._command,
                cwd=CHECKOUT,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._groups.append(process.pid)
        return process

    def keep_running(self) -> None:
        if self.process.poll() is not None:
            self.process = self._start()

    def kill(self) -> bool:
        """The process itself; what becomes of its children is a part of the test."""
        return _kill(self.process.pid)

    def kill_child(self, chance: random.Random) -> bool:
        """One of its children; False when it has none yet."""
        try:
            children = [child.pid for child in psutil.Process(self.process.pid).children()]
        except psutil.NoSuchProcess:
            return False
        return bool(children) and _kill(chance.choice(children))

    def clear(self) -> None:
        """End whatever is left of all that was ever started here."""
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self.process.wait(timeout=_STOP_SECONDS)


class Fleet:
    """Starts its places on entry, keeps them running, leaves nothing behind on exit."""

    def __init__(self, places: Mapping[str, Sequence[str]], environ: Mapping[str, str]) -> None:
        """``places``: name and command without the Python in front. Logs go to the working folder
        that ``environ`` names as CRASH_FOLDER."""
        self._wanted = places
        self._environ = environ
        self._end = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper")
        self.places: list[Place] = []

    def __enter__(self) -> Self:
        folder = Path(self._environ["CRASH_FOLDER"])
        try:
            for name, command in self._wanted.items():
                place = Place(name, command, self._environ, folder / f"{name}.log")
                self.places.append(place)
        except BaseException:
            self._clear()
            raise
        self._keeper.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop_keeping()
        self._clear()

    def stop(self) -> None:
        """All of them in order, at once."""
        self._stop_keeping()
        for place in self.places:
            place.process.terminate()
        for place in self.places:
            place.process.wait(timeout=_STOP_SECONDS)

    def _keep(self) -> None:
        while not self._end.wait(_LOOK_SECONDS):
            for place in self.places:
                place.keep_running()

    def _stop_keeping(self) -> None:
        self._end.set()
        if self._keeper.is_alive():
            self._keeper.join()

    def _clear(self) -> None:
        for place in self.places:
            place.clear()


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
