"""A process of the application that fills the queue and watches it run empty.

Takes orders as JSON lines: ``{"do": "run", "task": …, "count": …}``; answers ``{"rate": …}``.
"""

import json
import sys
import time
from itertools import pairwise
from typing import Any

from kombu import Connection

from ops.bench.noop_tasks import QUEUE, app
from tasks import topology

_LOOK_SECONDS = 0.02
_START_SECONDS = 30.0
_STALL_SECONDS = 20.0
# The first and the last part of a run are not at full speed: both of a worker's processes are not
# yet, or no longer, busy.
_FROM, _TO = 0.95, 0.05


def main() -> None:
    with app.connection_for_write() as connection:
        topology.work_queue(QUEUE)(connection.default_channel).declare()
        _answer({"ready": True})
        for line in sys.stdin:
            order = json.loads(line)
            _answer({"rate": _run(connection, order["task"], order["count"])})


def _answer(fact: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


def _run(connection: Connection, task: str, count: int) -> float:
    """Tasks per second from 95 % to 5 % of a full queue."""
    _consume(False)
    with app.amqp.Producer(connection.default_channel, auto_declare=False) as producer:
        for number in range(count):
            app.send_task(task, kwargs={"number": number}, producer=producer, retry=False)
    _wait_for(connection, lambda waiting: waiting >= count)
    _consume(True)
    looks = _watch(connection, count)
    began = _crossing(looks, count * _FROM)
    return count * (_FROM - _TO) / (_crossing(looks, count * _TO) - began)


def _consume(wanted: bool) -> None:
    """The worker starts or stops taking messages, and has said so."""
    control = app.control.add_consumer if wanted else app.control.cancel_consumer
    until = time.monotonic() + _START_SECONDS
    while not control(QUEUE, reply=True, timeout=1.0, limit=1):
        if time.monotonic() > until:
            raise TimeoutError("the worker does not answer")


def _wait_for(connection: Connection, fact: Any) -> None:
    until = time.monotonic() + _START_SECONDS
    while not fact(_waiting(connection)):
        if time.monotonic() > until:
            raise TimeoutError("the queue did not fill")
        time.sleep(_LOOK_SECONDS)


def _waiting(connection: Connection) -> int:
    # py-amqp's channel, which kombu's stubs do not know
    channel: Any = connection.default_channel
    declared = channel.queue_declare(QUEUE, passive=True)
    return int(declared.message_count)


def _watch(connection: Connection, count: int) -> list[tuple[float, int]]:
    """(when, messages waiting), until none waits."""
    looks = [(time.monotonic(), count)]
    changed_at = looks[0][0]
    while looks[-1][1] > 0:
        time.sleep(_LOOK_SECONDS)
        looks.append((time.monotonic(), _waiting(connection)))
        if looks[-1][1] != looks[-2][1]:
            changed_at = looks[-1][0]
        elif looks[-1][0] - changed_at > _STALL_SECONDS:
            raise TimeoutError(f"{looks[-1][1]} messages are left and nobody takes them")
    return looks


def _crossing(looks: list[tuple[float, int]], level: float) -> float:
    """When the queue's length passed ``level``, between two looks in a straight line."""
    for (before, more), (after, less) in pairwise(looks):
        if less <= level < more:
            return before + (after - before) * (more - level) / (more - less)
    return looks[-1][0]


if __name__ == "__main__":
    main()
