"""``/metrics``: the sum over all processes, for nobody but whoever may look."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client

from tasks import metrics
from tests.contract.waiting import wait_until

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _static_files(settings: LazySettings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path  # WhiteNoise complains of a folder that is not there


@pytest.fixture
def folder(settings: LazySettings, tmp_path: Path) -> Path:
    settings.PROMETHEUS_MULTIPROC_DIR = str(tmp_path)
    return tmp_path


def value(page: str, sample: str) -> float:
    found = re.search(rf"^{re.escape(sample)} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0


def read(client: Client) -> str:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return answer.content.decode()


def start(folder: Path, name: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.counting", name],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_numbers_of_processes_add_up_and_the_dead_hold_nothing(
    folder: Path, client: Client
) -> None:
    held = 'lock_leases_held{family="counting"}'
    granted = 'lock_outcomes_total{family="counting",outcome="granted"}'
    killed, ended = start(folder, "a"), start(folder, "b")
    try:
        for process in (killed, ended):
            assert process.stdout is not None
            assert process.stdout.readline() == "holding\n"
        page = read(client)
        assert value(page, held) == 2
        assert value(page, granted) == 4
        assert value(page, 'lock_held_seconds_count{family="counting"}') == 2
    finally:
        killed.kill()
        killed.communicate(timeout=10)
        ended.communicate(input="\n", timeout=10)
    page = read(client)
    assert value(page, held) == 0
    # What was counted has happened; the one that ended wrote its last section on its way out.
    assert value(page, granted) == 4
    assert value(page, 'lock_held_seconds_count{family="counting"}') == 3


def test_a_workers_child_takes_its_gauge_with_it(folder: Path) -> None:
    file = folder / f"gauge_livesum_{os.getpid()}.db"
    file.touch()
    metrics.say_goodbye(pid=os.getpid())
    wait_until(lambda: not file.exists())


@pytest.mark.parametrize(
    "stranger",
    [
        {"REMOTE_ADDR": "203.0.113.9"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=203.0.113.9"},
        {"REMOTE_ADDR": ""},
    ],
)
def test_without_a_token_only_this_machine_may_look(
    client: Client, stranger: dict[str, str]
) -> None:
    answer = client.get("/metrics", **stranger)  # type: ignore[arg-type]
    assert answer.status_code == 403
    assert "METRICS_TOKEN" in answer.content.decode()
    assert "lock_" not in answer.content.decode()


def test_with_a_token_set_it_is_the_token_that_counts(
    client: Client, settings: LazySettings
) -> None:
    settings.METRICS_TOKEN = "right"
    assert client.get("/metrics").status_code == 403
    for wrong in ("Bearer wrong", "right", "Bearer ", "Bearer ríght"):
        assert client.get("/metrics", headers={"Authorization": wrong}).status_code == 403
    far = {"REMOTE_ADDR": "203.0.113.9", "HTTP_AUTHORIZATION": "Bearer right"}
    assert client.get("/metrics", **far).status_code == 200  # type: ignore[arg-type]


def test_it_can_only_be_read(client: Client) -> None:
    assert client.post("/metrics").status_code == 405
