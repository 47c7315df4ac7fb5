"""Idempotency keys as Stripe documents them for its API v1.

The first request with a key runs, and its status and body are kept with the movement in one
transaction, refusals included. The same key again gets the kept answer. With other parameters, or
for another URL, it is an error. While the first still runs it is a 409. A request that was refused
before it began (validation, 401, 409, 429) keeps nothing. Stripe may forget a key after 24 hours;
this sandbox never does.
"""

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from ops.sandbox.answers import Answer, ApiError, invalid, key_in_use, key_reused, server_error
from ops.sandbox.objects import new_id
from ops.sandbox.params import Params
from ops.sandbox.payment_methods import Fault
from ops.sandbox.store import KeptAnswer, Store

_LONGEST_KEY = 255
_log = logging.getLogger(__name__)


class Command(Protocol):
    """A parsed request. ``run`` is called inside a transaction; an ApiError from it is kept.
    ``fault`` says how the sandbox is to misbehave around it."""

    def run(self, store: Store, idempotency_key: str | None) -> Answer: ...
    def fault(self, store: Store) -> Fault | None: ...


def fingerprint(path: str, params: Params) -> str:
    """The same for the same URL and parameters, in whatever order they came."""
    text = json.dumps([path, params], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Keys:
    """Which keys are running now, and what was answered to those that have run."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: set[str] = set()

    def replay(self, key: str, request_fingerprint: str) -> Answer | None:
        """The kept answer, or None for a key that may run now. Raises ApiError 400 or 409."""
        if len(key) > _LONGEST_KEY:
            raise invalid(f"An idempotency key has at most {_LONGEST_KEY} characters.")
        kept = self._store.kept_answer(key)
        if kept is None:
            if key in self._running:
                raise key_in_use(key)
            return None
        if kept.fingerprint != request_fingerprint:
            raise key_reused(key)
        return Answer(
            kept.status,
            json.loads(kept.body),
            {"Idempotent-Replayed": "true", "Original-Request": kept.request_id},
        )

    @contextmanager
    def running(self, key: str | None) -> Iterator[None]:
        """Everybody else with this key gets a 409 meanwhile."""
        if key is None:
            yield
            return
        self._running.add(key)
        try:
            yield
        finally:
            self._running.discard(key)

    def run(self, command: Command, key: str | None, request_fingerprint: str) -> Answer:
        """Run once and keep the answer, both or neither. Nothing here waits for the network, so no
        other request comes in between."""
        request_id = new_id("req")
        try:
            with self._store.transaction():
                answer = _answer(command, self._store, key)
                if key is not None:
                    self._store.keep_answer(
                        key,
                        KeptAnswer(
                            request_fingerprint,
                            answer.status,
                            json.dumps(answer.body),
                            request_id,
                        ),
                    )
        except Exception as error:
            _log.exception("A command of the sandbox failed; nothing of it was kept.")
            raise server_error() from error
        return Answer(answer.status, answer.body, {"Request-Id": request_id})


def _answer(command: Command, store: Store, key: str | None) -> Answer:
    try:
        return command.run(store, key)
    except ApiError as error:
        return error.answer()
