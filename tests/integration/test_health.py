"""``/readyz``: closed only when orders cannot be taken; everything else is a warning."""

import socket
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.conf import LazySettings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone

from tasks import health
from tasks.event_models import EventMessage
from tasks.models import OutboxMessage

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.STATIC_ROOT = tmp_path  # WhiteNoise complains of a folder that is not there
    monkeypatch.setattr(health, "BROKER_ANSWERS", health.BrokerAnswers())
    monkeypatch.setattr(health, "PENDING_MIGRATIONS", health.PendingMigrations())


def ask(client: Client, status: int = 200) -> dict[str, Any]:
    answer = client.get("/readyz")
    assert answer.status_code == status
    told: dict[str, Any] = answer.json()
    return told


def test_it_lives(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}


def test_when_all_is_well_every_check_says_so(client: Client) -> None:
    told = ask(client)
    assert told["status"] == "ready"
    assert told["checks"] == dict.fromkeys(
        ("database", "migrations", "cache", "broker", "outbox", "events"), True
    )
    assert told["warnings"] == []


def test_an_old_outbox_is_a_warning(client: Client) -> None:
    OutboxMessage.objects.create(
        task="orders.expire_holds", not_before=timezone.now() - timedelta(hours=1)
    )
    told = ask(client)
    assert told["checks"]["outbox"] is False
    assert "Is the relay running" in told["warnings"][0]


def test_an_event_that_does_not_leave_is_a_warning(client: Client) -> None:
    EventMessage.objects.create(
        subject="order:1",
        sequence=1,
        type="order.paid",
        version=1,
        data={},
        occurred_at=timezone.now() - timedelta(hours=1),
    )
    told = ask(client)
    assert told["checks"]["events"] is False
    assert "event relay" in told["warnings"][0]


def test_a_broker_that_takes_the_call_and_says_nothing_is_a_warning_in_time(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"amqp://127.0.0.1:{silent.getsockname()[1]}//"
        monkeypatch.setattr(current_app.conf, "broker_write_url", url)
        began = time.monotonic()
        told = ask(client)
        assert time.monotonic() - began < 10
        assert told["checks"]["broker"] is False
        assert "Orders are taken" in told["warnings"][0]
        began = time.monotonic()
        ask(client)
        assert time.monotonic() - began < 1  # a prober must not make the page slower than it is


def test_a_database_that_is_older_than_the_code_closes_the_shop(client: Client) -> None:
    MigrationRecorder.Migration.objects.filter(app="tasks").order_by("-id").first().delete()  # type: ignore[union-attr]
    told = ask(client, status=503)
    assert "1 migrations are not applied" in told["problems"][0]
    assert told["checks"] == {"database": True, "migrations": False}


def test_pending_migrations_are_looked_for_until_there_are_none() -> None:
    pending = health.PendingMigrations()
    assert pending() == 0
    queries = len(connection.queries_log)
    assert pending() == 0
    assert len(connection.queries_log) == queries
