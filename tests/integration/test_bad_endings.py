"""Each way a message can end badly ends in the dead letters: real broker, real worker.

What a redrive does after the cause is mended is shown beside it. Messages that RabbitMQ cannot
take at all never reach a worker; they are in ``test_outbox_and_relay``.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery._state import get_current_app
from django.conf import LazySettings
from django.db import transaction
from django.utils import timezone
from kombu import Connection, Queue
from kombu.serialization import dumps

from tasks import broker, dead_letters, dead_queues, topology
from tasks.causes import Cause
from tasks.models import DeadLetter
from tasks.outbox import enqueue
from tests.contract.waiting import wait_until
from tests.integration.doomed_tasks import DOOMED, FUTURE, QUEUE, QUEUES
from tests.integration.receiving_worker import WorkerProcess, running_worker

pytestmark = pytest.mark.django_db(transaction=True)

APP = "tests.integration.doomed_tasks"
PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def kept_worker(
    django_db_setup: None, declared_broker: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkerProcess]:
    with running_worker(APP, QUEUE, tmp_path_factory.mktemp("worker"), "doomed") as one:
        yield one


@pytest.fixture
def worker(kept_worker: WorkerProcess, relaying: None) -> WorkerProcess:
    kept_worker.ensure_running()
    return kept_worker


@pytest.fixture(autouse=True)
def toys_have_a_queue(settings: LazySettings) -> None:
    settings.TASK_QUEUES = {**settings.TASK_QUEUES, **QUEUES}


def send(folder: Path, way: str, task: str = DOOMED, age: timedelta = timedelta()) -> None:
    with transaction.atomic():
        enqueue(
            task,
            {"folder": str(folder), "way": way},
            subject="order:7",
            trace_id="trace-7",
            first_enqueued_at=timezone.now() - age,
        )


def the_letter() -> DeadLetter:
    def found() -> bool:
        dead_queues.collect()
        return DeadLetter.objects.exists()

    wait_until(found, seconds=PATIENCE_SECONDS)
    return DeadLetter.objects.get()


def mended(letter: DeadLetter, folder: Path) -> None:
    """The cause is taken away, the letter redriven, and the work is done."""
    (folder / "mended").touch()
    dead_letters.redrive(letter.pk, by="carol")
    wait_until((folder / "done").exists, seconds=PATIENCE_SECONDS)
    dead_queues.collect()
    assert [one.status for one in DeadLetter.objects.all()] == ["redriven"]


@pytest.mark.parametrize(
    ("way", "age", "cause", "attempt", "error_class", "says"),
    [
        ("permanent", timedelta(), Cause.PERMANENT, 1, "Permanent", "this can never work"),
        ("transient", timedelta(), Cause.EXHAUSTED, 2, "Transient", "2 attempts used up"),
        ("transient", timedelta(days=2), Cause.TOO_OLD, 1, "Transient", "older than 86400 s"),
    ],
)
def test_an_attempt_that_was_the_last_is_a_letter_and_its_redrive_completes(
    worker: WorkerProcess,
    tmp_path: Path,
    way: str,
    age: timedelta,
    cause: Cause,
    attempt: int,
    error_class: str,
    says: str,
) -> None:
    send(tmp_path, way, age=age)

    letter = the_letter()

    assert (letter.cause, letter.attempt, letter.error_class) == (cause, attempt, error_class)
    assert says in letter.error
    assert "Traceback" in letter.error
    assert (letter.subject, letter.trace_id, letter.worker) == ("order:7", "trace-7", worker.name)
    assert letter.first_enqueued_at is not None
    # The copy that was rejected into the dead queue is the same death.
    dead_queues.collect()
    assert DeadLetter.objects.get().times_seen == 1
    mended(letter, tmp_path)


@pytest.fixture
def few_deliveries(declared_broker: None) -> Iterator[None]:
    """The policy of the code with a lower limit: a worker needs 5 s to notice each death."""
    vhost = get_current_app().connection_for_read().virtual_host
    policy = topology.policies()[f"{topology.POLICY_NAME}-{QUEUE}"]
    fewer = {**policy, "priority": 99, "definition": {**policy["definition"], "delivery-limit": 2}}
    broker.management("PUT", f"policies/{vhost}/few-deliveries", fewer)
    yield
    broker.management("DELETE", f"policies/{vhost}/few-deliveries")


def test_a_message_that_kills_its_worker_is_a_letter_and_its_redrive_completes(
    worker: WorkerProcess, few_deliveries: None, tmp_path: Path
) -> None:
    send(tmp_path, "kill")

    letter = the_letter()

    assert (letter.cause, letter.error_class) == (Cause.POISON, dead_queues.BY_BROKER)
    assert letter.kwargs == {"folder": str(tmp_path), "way": "kill"}
    assert (letter.subject, letter.trace_id, letter.worker) == ("order:7", "trace-7", worker.name)
    assert "SIGKILL" in letter.error
    mended(letter, tmp_path)


def test_an_unknown_task_is_a_letter_and_its_redrive_completes_once_the_code_is_there(
    worker: WorkerProcess, tmp_path: Path
) -> None:
    send(tmp_path, "well", task=FUTURE)

    letter = the_letter()

    assert (letter.cause, letter.task) == (Cause.UNKNOWN_TASK, FUTURE)
    assert (letter.subject, letter.worker) == ("order:7", worker.name)
    assert letter.kwargs == {"folder": str(tmp_path), "way": "well"}
    worker.end()
    with running_worker(APP, QUEUE, tmp_path, "newer", FUTURE="1"):
        mended(letter, tmp_path)


def body(**kwargs: Any) -> bytes:
    return dumps(([], kwargs, {}), serializer="json")[2].encode()


TASK_HEADERS = {"task": DOOMED, "outbox": {"subject": "order:7", "trace_id": "trace-7"}}
UNREADABLE: dict[str, dict[str, Any]] = {
    "no json": {"body": b"{not json"},
    "no utf-8": {"body": b"\xff\xfe\x00"},
    "nothing": {"body": b""},
    "a number": {"body": b"5"},
    "null": {"body": b"null"},
    "a list too short": {"body": b"[1]"},
    "no mapping": {"body": b'[[], "x", {}]'},
    "nul in a body that breaks off": {"body": b'[[], {"a": "\\u0000\x00'},
    "a pickle": {"body": b"\x80\x04N.", "content_type": "application/x-python-serialize"},
    "a strange type": {"body": body(), "content_type": "application/x-unheard-of"},
    "a strange compression": {"body": body(), "compression": "application/x-unheard-of"},
    "a broken compression": {"body": b"no gzip", "compression": "application/x-gzip"},
    "an expiry that is no time": {"body": body(), "expires": "when it suits"},
    "no headers at all": {"body": body(), "task": None, "id": None},
    "a task that is no name": {"body": body(), "task": ["a", "list"]},
}


def publish(connection: Connection, queue: Queue, parts: dict[str, Any], **more: Any) -> None:
    """As a strange program would: past the outbox and past Celery."""
    headers = {**TASK_HEADERS, **more, **parts}
    body = headers.pop("body")
    content_type = headers.pop("content_type", "application/json")
    connection.Producer(exchange=queue.exchange, routing_key=QUEUE).publish(
        body,
        headers={name: value for name, value in headers.items() if value is not None},
        content_type=content_type,
        content_encoding="utf-8" if content_type == "application/json" else "binary",
    )


def test_what_cannot_be_read_is_a_letter_and_the_worker_goes_on(
    worker: WorkerProcess, channel_to_broker: Connection, tmp_path: Path
) -> None:
    for parts in UNREADABLE.values():
        publish(channel_to_broker, topology.work_queue(QUEUE), parts, id=str(uuid4()))
    wait_until(lambda: DeadLetter.objects.count() >= len(UNREADABLE), seconds=PATIENCE_SECONDS)
    send(tmp_path, "well")
    wait_until((tmp_path / "done").exists, seconds=PATIENCE_SECONDS)
    dead_queues.collect()

    letters = DeadLetter.objects.all()
    assert len(letters) == len(UNREADABLE)
    assert {letter.cause for letter in letters} == {Cause.UNDECODABLE}
    assert {letter.worker for letter in letters} == {worker.name}
    assert {letter.subject for letter in letters} == {"order:7"}
    assert all(letter.error_class in letter.error for letter in letters)
    assert not dead_letters.needs_a_person("order:7")  # the sweep sends the order on
    with pytest.raises(dead_letters.NotRedrivable, match="nobody knows what to send"):
        dead_letters.redrive(letters[0].pk, by="carol")


@pytest.mark.parametrize("what", sorted(UNREADABLE))
def test_what_a_worker_rejected_and_did_not_write_down_is_written_by_the_collector(
    channel_to_broker: Connection, what: str
) -> None:
    death = [{"queue": QUEUE, "reason": "rejected"}]
    for _ in range(2):
        dead = topology.dead_queue(QUEUE)
        publish(channel_to_broker, dead, UNREADABLE[what], **{"x-death": death})

    assert dead_queues.collect() == 2

    letter = DeadLetter.objects.get()
    assert (letter.subject, letter.times_seen) == ("order:7", 2)
    assert letter.cause == Cause.UNDECODABLE


def test_a_letter_that_cannot_be_written_holds_up_no_other(
    channel_to_broker: Connection,
) -> None:
    dead = topology.dead_queue(QUEUE)
    too_high = {"attempt": 2**40, "subject": "order:7"}  # more than the column takes
    publish(channel_to_broker, dead, {"body": body(), "outbox": too_high}, id=str(uuid4()))
    publish(channel_to_broker, dead, {"body": body()}, id=str(uuid4()))

    assert dead_queues.collect() == 1
    assert dead_queues.collect() == 0

    assert DeadLetter.objects.get().attempt == 1
