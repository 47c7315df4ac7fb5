"""Telling the shop what happened, signed as Stripe signs it; in time, twice, late or backwards.

What is to be told is a row of the books, written with its movement, so a kill loses none; one that
was told and not yet marked is told again. The rows that wait are the queue, and each leaves it
after a few tries.
"""

import asyncio
import hashlib
import hmac
import json
import logging
import time
from enum import StrEnum

import requests

from ops.sandbox.refunds import settle_pending
from ops.sandbox.store import Store
from ops.sandbox.waiting_rows import WaitingEvent

_LOOK_EVERY_SECONDS = 0.2
_BATCH = 20
_TIMEOUT_SECONDS = 5.0
_TRIES = 10
_LONGEST_WAIT_SECONDS = 30.0
_log = logging.getLogger(__name__)


class Manner(StrEnum):
    """How the shop is told. A restart is back to ``normal``."""

    NORMAL = "normal"
    DUPLICATE = "duplicate"  # everything twice, at once
    LATE = "late"  # SANDBOX_SLOW_SECONDS after it happened
    REVERSED = "reversed"  # what happened within SANDBOX_SLOW_SECONDS, the newest first
    OFF = "off"  # nothing; it waits for another manner


class Webhooks:
    """The sender, on the event loop of the server, which alone touches the books; only the talking
    is done in threads. ``late_seconds``: see ``Manner``."""

    def __init__(self, store: Store, *, url: str, secret: str, late_seconds: float) -> None:
        self._store = store
        self._url = url
        self._secret = secret
        self._late_seconds = late_seconds
        self.manner = Manner.NORMAL

    async def run(self) -> None:
        """For ever: settle the refunds whose time has come, then tell what is to be told."""
        while True:
            try:
                self._settle_refunds()
                more = await self._tell_some() if self._url else False
            except Exception:  # noqa: BLE001  # whatever it is, nobody would start the loop again
                _log.exception("A round of webhooks failed; the next one tries again.")
                more = False
            if not more:
                await asyncio.sleep(_LOOK_EVERY_SECONDS)

    def seen(self) -> dict[str, object]:
        """For people and tests: how the shop is told, and how much."""
        return {"mode": self.manner.value, **self._store.event_counts()}

    def _settle_refunds(self) -> None:
        for pending in self._store.pending_refunds(begun_before=time.time() - self._late_seconds):
            settle_pending(self._store, pending)

    async def _tell_some(self) -> bool:
        """Whether it was a full batch, and more may wait."""
        events = self._store.due_events(now=time.time(), limit=_BATCH)
        match self.manner:
            case Manner.OFF:
                return False
            case Manner.LATE:
                events = [one for one in events if self._is_old(one)]
            case Manner.REVERSED:
                events = events[::-1] if events and self._is_old(events[0]) else []
                for event in events:
                    await self._tell(event)
                return len(events) == _BATCH
        await asyncio.gather(*(self._tell(event) for event in events))
        return len(events) == _BATCH

    def _is_old(self, event: WaitingEvent) -> bool:
        return time.time() - event.created >= self._late_seconds

    async def _tell(self, event: WaitingEvent) -> None:
        times = 2 if self.manner is Manner.DUPLICATE else 1
        answers = await asyncio.gather(
            *(asyncio.to_thread(self._post, event.body) for _ in range(times))
        )
        if any(answers):
            self._store.end_event(event.number, "sent")
        elif event.tries + 1 >= _TRIES:
            self._store.end_event(event.number, "given_up")
        else:
            wait = min(2.0**event.tries * 0.5, _LONGEST_WAIT_SECONDS)
            self._store.put_off_event(event.number, time.time() + wait)

    def _post(self, body: str) -> bool:
        """Whether the shop took it. In a thread of its own: it touches no books."""
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(body, self._secret, int(time.time())),
        }
        with requests.Session() as session:
            session.trust_env = False
            try:
                answer = session.post(
                    self._url,
                    data=body.encode(),
                    headers=headers,
                    timeout=_TIMEOUT_SECONDS,
                    allow_redirects=False,
                )
            except requests.RequestException:
                return False
        return answer.ok and answer.status_code < 300


def signature(body: str, secret: str, now: int) -> str:
    """The Stripe-Signature header: the moment, and a seal over the moment and the body."""
    seal = hmac.new(secret.encode(), f"{now}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={now},v1={seal}"


def read_manner(body: bytes) -> Manner:
    """Raises ValueError with what to send instead."""
    try:
        return Manner(json.loads(body)["mode"])
    except (ValueError, KeyError, TypeError):
        names = ", ".join(manner.value for manner in Manner)
        raise ValueError(f'This is no mode. Send {{"mode": …}} with one of: {names}.') from None
