"""How a run ended, and that everything about it is counted once."""

import time
from contextlib import suppress
from uuid import uuid4

import pytest
from celery.exceptions import Ignore, Reject, Retry
from prometheus_client import CollectorRegistry

from tasks.delivery import Delivery
from tasks.errors import BreakerOpen, LeaseBusy, LeaseLost, Permanent, QuorumUnavailable, Transient
from tasks.metrics.meter import Meter
from tasks.metrics.runs import KINDS, counted, outcome_of


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "succeeded"),
        (Retry("", Transient()), "retried"),
        (Retry("", ValueError()), "retried"),
        (Retry("", LeaseBusy("order:1")), "busy"),
        (Retry("", LeaseLost()), "lease_lost"),
        (Retry("", QuorumUnavailable()), "no_quorum"),
        (Retry("", BreakerOpen("payment.capture", 5.0)), "breaker_open"),
        (Permanent("never"), "dead_letter"),
        (ValueError("a bug"), "dead_letter"),
        (Reject(ValueError(), requeue=True), "database_away"),
        (caused(Ignore(), LeaseBusy("sweep")), "busy"),
        (caused(Ignore(), ValueError()), "failed"),
        (SystemExit(), "interrupted"),
    ],
)
def test_every_ending_has_its_outcome(error: BaseException | None, outcome: str) -> None:
    assert outcome_of(error) == outcome


# The same file holds the numbers of all registries of a process where PROMETHEUS_MULTIPROC_DIR is
# set, so each test counts a task of its own.
@pytest.fixture
def task() -> str:
    return f"toy.{uuid4().hex}"


def run(registry: CollectorRegistry, delivery: Delivery, error: Exception | None = None) -> None:
    meter = Meter(registry)
    meter.declare(*KINDS)
    with suppress(Retry), counted(delivery, meter):
        if error:
            raise error
    meter.flush()


def test_a_run_is_counted_with_its_duration_its_delay_and_its_attempt(task: str) -> None:
    registry = CollectorRegistry()
    now = time.time()
    run(
        registry,
        Delivery(
            *("1", task, {}),
            attempt=3,
            due_at=now - 5,
            published_at=now - 4,
        ),
    )
    labels, value = {"task": task}, registry.get_sample_value
    assert value("task_runs_total", {**labels, "outcome": "succeeded"}) == 1
    assert value("task_run_seconds_count", labels) == 1
    assert value("task_delay_seconds_sum", labels) == pytest.approx(5, abs=1)
    assert value("outbox_delay_seconds_sum", labels) == pytest.approx(1)
    assert value("task_attempts_sum", labels) == 3


def test_clocks_that_disagree_make_no_negative_delay(task: str) -> None:
    registry = CollectorRegistry()
    later = time.time() + 3600
    run(registry, Delivery("1", task, {}, due_at=later, published_at=later))
    assert registry.get_sample_value("task_delay_seconds_sum", {"task": task}) == 0


def test_a_retry_is_no_end_and_a_message_of_beat_has_no_delay(task: str) -> None:
    registry = CollectorRegistry()
    run(registry, Delivery("1", task, {}), Retry("", Transient()))
    assert registry.get_sample_value("task_attempts_count", {"task": task}) is None
    assert registry.get_sample_value("task_delay_seconds_count", {"task": task}) is None
