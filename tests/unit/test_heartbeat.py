"""A heartbeat that stops is told, unless the broker is to blame."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.heartbeat import Heartbeat, trouble

NOBODY = "amqp://127.0.0.1:9//"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "heartbeat"


@pytest.fixture
def broker_url() -> Iterator[str]:
    """Somebody who takes calls."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"amqp://user:secret@127.0.0.1:{server.getsockname()[1]}//"


def age(file: Path, seconds: float) -> None:
    file.touch()
    os.utime(file, (time.time() - seconds,) * 2)


def test_a_process_that_touches_its_file_lives(file: Path, broker_url: str) -> None:
    Heartbeat(str(file)).touch()
    assert trouble(str(file), broker_url, time.time()) == ""


def test_a_process_that_stopped_touching_it_is_stuck(file: Path, broker_url: str) -> None:
    age(file, 90)
    assert "was touched 90 s ago" in trouble(str(file), broker_url, time.time())


def test_while_the_broker_is_away_nobody_is_blamed(file: Path) -> None:
    age(file, 90)
    assert trouble(str(file), NOBODY, time.time()) == ""


def test_a_file_that_was_never_made_is_trouble_with_a_hint(file: Path) -> None:
    assert "HEARTBEAT_FILE" in trouble(str(file), NOBODY, time.time())


def test_touching_often_writes_seldom_and_a_bad_path_stops_no_work(file: Path) -> None:
    heartbeat = Heartbeat(str(file))
    heartbeat.touch()
    file.unlink()
    heartbeat.touch()
    assert not file.exists()
    Heartbeat(str(file / "no" / "folder")).touch()
    Heartbeat("").touch()


@pytest.mark.parametrize(("seconds", "code"), [(0, 0), (90, 1)])
def test_the_check_is_a_command_that_needs_no_settings(
    file: Path, broker_url: str, seconds: float, code: int
) -> None:
    age(file, seconds)
    done = subprocess.run(
        [sys.executable, "-m", "tasks.heartbeat"],
        env={"HEARTBEAT_FILE": str(file), "BROKER_URL": broker_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code
    assert "secret" not in done.stderr


def test_without_a_file_named_the_check_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tasks.heartbeat"],
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "HEARTBEAT_FILE is not set" in done.stderr
