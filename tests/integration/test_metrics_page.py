"""``/metrics``: the sum over all processes, for nobody but whoever may look."""

import os
import re
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from kombu import Connection
from prometheus_client.metrics_core import Metric

from orders.models import Order
from tasks.event_models import EventMessage
from tasks.metrics import processes, sources
from tasks.metrics.queues import Queues, ask_broker
from tasks.metrics.sources import register
from tasks.models import DeadLetter, OutboxMessage
from tests.contract.waiting import wait_until
from tests.integration import shopping

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
    processes.say_goodbye(pid=os.getpid())
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


# -- what is now ---------------------------------------------------------------


def message(due_seconds_ago: float) -> None:
    OutboxMessage.objects.create(
        task="orders.expire_holds", not_before=timezone.now() - timedelta(seconds=due_seconds_ago)
    )


def letter(error_class: str) -> None:
    DeadLetter.objects.create(
        message_id=uuid4(), task="toy", attempt=1, error_class=error_class, error="why"
    )


def test_the_outbox_is_told_by_what_is_due_and_by_the_oldest(client: Client) -> None:
    for seconds in (100, 5, -60):
        message(seconds)
    page = read(client)
    assert value(page, 'outbox_messages{state="due"}') == 2
    assert value(page, 'outbox_messages{state="later"}') == 1
    assert value(page, "outbox_oldest_due_seconds") == pytest.approx(100, abs=30)


def test_events_that_have_not_left_are_told_apart_from_refused_ones(client: Client) -> None:
    for number, refused in ((1, True), (2, False), (3, False)):
        EventMessage.objects.create(
            subject="order:1",
            sequence=number,
            type="order.paid",
            version=1,
            data={},
            occurred_at=timezone.now() - timedelta(seconds=200 - number),
            refused_at=timezone.now() if refused else None,
        )
    page = read(client)
    assert value(page, 'event_messages{state="waiting"}') == 2
    assert value(page, 'event_messages{state="refused"}') == 1
    assert value(page, "event_oldest_seconds") == pytest.approx(199, abs=30)


def test_dead_letters_are_told_by_class_and_their_classes_are_bounded(client: Client) -> None:
    page = read(client)
    assert value(page, 'dead_letters_open{error_class="none"}') == 0
    assert "dead_letters_open" in page
    letter("Permanent")
    letter("Permanent")
    DeadLetter.objects.filter(pk=DeadLetter.objects.latest("pk").pk).update(status="redriven")
    letter("Permanent")
    for number in range(25):
        letter(f"Odd{number}")
    page = read(client)
    assert value(page, 'dead_letters_open{error_class="Permanent"}') == 2
    assert value(page, 'dead_letters_open{error_class="other"}') == 6
    assert page.count("dead_letters_open{") == 21


def test_orders_are_told_by_every_state_that_is_not_final(client: Client) -> None:
    order = shopping.placed("METRICS-MUG")
    Order.objects.filter(pk=order.pk).update(changed_at=timezone.now() - timedelta(hours=1))
    page = read(client)
    assert value(page, 'orders_waiting{state="placed"}') == 1
    assert value(page, 'orders_waiting_oldest_seconds{state="placed"}') == pytest.approx(
        3600, abs=60
    )
    assert value(page, 'orders_waiting{state="mail_pending"}') == 0


def test_queues_are_told_by_the_broker(client: Client, channel_to_broker: Connection) -> None:
    register("queues", Queues(ask_broker).collect, reads_database=False)
    page = read(client)
    assert value(page, 'metrics_source_up{source="queues"}') == 1
    for name in ("orders.payment", "orders.payment.dead"):
        assert f'queue_messages{{queue="{name}",state="ready"}}' in page
        assert f'queue_consumers{{queue="{name}"}}' in page


def test_a_broker_that_is_away_is_absent_and_the_rest_is_told_at_once(
    client: Client, settings: LazySettings
) -> None:
    silent = socket.create_server(("127.0.0.1", 0))  # takes the call and says nothing
    settings.BROKER_API_URL = f"http://127.0.0.1:{silent.getsockname()[1]}/api"
    queues = Queues(ask_broker)
    register("queues", queues.collect, reads_database=False)
    try:
        began = time.monotonic()
        page = read(client)
        assert time.monotonic() - began < 5
        assert "queue_messages" not in page
        assert value(page, 'metrics_source_up{source="queues"}') == 0
        assert value(page, 'metrics_source_up{source="outbox"}') == 1
        began = time.monotonic()
        with pytest.raises(ConnectionError):
            queues.collect()
        assert time.monotonic() - began < 0.5
    finally:
        register("queues", Queues(ask_broker).collect, reads_database=False)
        silent.close()


@pytest.mark.django_db(transaction=True)
def test_a_source_that_the_database_fails_leaves_the_others_whole(client: Client) -> None:
    def sick() -> list[Metric]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(30)")
        return []

    register("sick", sick)
    try:
        page = read(client)
    finally:
        sources._sources.pop("sick")
    assert value(page, 'metrics_source_up{source="sick"}') == 0
    assert value(page, 'metrics_source_up{source="outbox"}') == 1
    assert value(page, 'metrics_source_seconds{source="sick"}') < 10


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_not_counted(client: Client) -> None:
    before = value(read(client), "orders_placed_total")
    shopping.placed("COUNTED-MUG")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        shopping.placed("UNCOUNTED-MUG")
        _ = 1 / 0
    assert value(read(client), "orders_placed_total") == before + 1
