"""The promise with processes killed under load: the demo itself is the load and the judge."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from ops.stack.errors import StackError
from ops.stack.stack import Stack

pytestmark = [pytest.mark.crash, pytest.mark.timeout(420)]

CHECKOUT = Path(__file__).resolve().parents[2]
STANDARD_PORTS = (5432, 5672, 6379, 8000)
DEMO_SECONDS = 360


@contextmanager
def standard_ports_taken() -> Iterator[None]:
    """Somebody else's servers: accept and say nothing. A port that is taken already is as good."""
    with ExitStack() as held:
        for port in STANDARD_PORTS:
            listener = socket.socket()
            held.callback(listener.close)
            try:
                listener.bind(("127.0.0.1", port))
                listener.listen()
            except OSError:
                continue
        yield


@contextmanager
def demo(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """./dev demo as a person runs it, without the variables of the test's own stack."""
    own = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    process = subprocess.Popen(
        [sys.executable, "-m", "ops", "demo", *arguments],
        cwd=CHECKOUT,
        env=own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=90)
        if process.stdout:
            process.stdout.close()


def read_until(process: "subprocess.Popen[str]", words: str) -> list[str]:
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"the demo ended before it said {words!r}:\n{''.join(lines)}")


def a_child_of(pid: int) -> int:
    return random.choice([child.pid for child in psutil.Process(pid).children()])


def left_behind(folder: Path) -> list[str]:
    """Command lines of processes that belong to the stack in this folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("STACK_FOLDER") == str(folder):
                found.append(" ".join(process.cmdline()))
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            continue
    return found


def test_the_demo_survives_kills_of_a_worker_child_the_relay_and_a_lock_node() -> None:
    with standard_ports_taken(), demo() as process:
        head = read_until(process, "10 of")
        stack = Stack.attach("demo")
        os.kill(a_child_of(stack.pid("worker-payment")), signal.SIGKILL)
        stack.kill_part("relay")
        stack.kill_part("redis-lock-2")
        rest = process.stdout.read() if process.stdout else ""
        code = process.wait(timeout=DEMO_SECONDS)

    output = "".join(head) + rest
    result = json.loads(output.strip().splitlines()[-1])
    assert code == 0, output
    assert (result["oversold"], result["double_charged"], result["lost"]) == (0, 0, 0)
    assert result["orders"] >= 60
    paid = result["paid"] + result["cancelled"]
    assert paid == result["notified"] == result["captures_at_gateway"]
    assert left_behind(stack.folder) == []


def test_the_demo_stops_everything_when_it_is_interrupted() -> None:
    with demo() as process:
        read_until(process, "10 of")
        folder = Stack.attach("demo").folder
        process.send_signal(signal.SIGINT)
        process.wait(timeout=90)

    assert process.returncode == 130
    assert left_behind(folder) == []
    with pytest.raises(StackError):
        Stack.attach("demo")


def test_a_worker_killed_again_and_again_charges_and_deducts_once() -> None:
    """Random children of every worker class die all through the run."""
    stop = threading.Event()

    def murder(stack: Stack) -> None:
        # Some tasks end in between: a new child takes a second for its first one.
        while not stop.wait(2.0):
            for part in ("worker-payment", "worker-inventory", "worker-notification"):
                try:
                    os.kill(a_child_of(stack.pid(part)), signal.SIGKILL)
                except (StackError, IndexError, psutil.Error, ProcessLookupError):
                    continue

    with demo() as process:
        head = read_until(process, "shoppers,")
        murderer = threading.Thread(target=murder, args=(Stack.attach("demo"),))
        murderer.start()
        head += read_until(process, "Waiting until nothing")
        stop.set()
        murderer.join(timeout=10)
        rest = process.stdout.read() if process.stdout else ""
        code = process.wait(timeout=DEMO_SECONDS)

    assert code == 0, "".join(head) + rest
